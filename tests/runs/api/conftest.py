"""What tests of the API need: people with permissions, and runs in every state."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from runs import lifecycle, recorder
from runs.actors import Actor
from runs.engine import worker
from runs.models import (
    Archive,
    AuditEntry,
    Event,
    Firing,
    Lease,
    Node,
    OutboxLine,
    ReadyNode,
    Run,
    Trigger,
    User,
)
from runs.rows import NewEvent
from runs.states import Kind, LogState, RunState
from tests.runs.conftest import changed, executor_node

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
ALL = (
    "view_run", "view_workflow", "execute_workflow", "retry_run", "terminate_run", "export_run",
    "delete_run", "add_workflow", "change_workflow", "ingest_event", "decide_decision",
    "view_trigger", "add_trigger", "change_trigger", "delete_trigger", "fire_trigger",
    "hold_run", "restore_run", "manage_retention",
)  # fmt: skip


@pytest.fixture
def person(db):
    """Make an account; `permissions` are names such as view_run."""

    def make(*permissions, name="olga", is_staff=True, **fields):
        user = User.objects.create_user(name, is_staff=is_staff, **fields)
        for permission in permissions:
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label="runs", codename=permission)
            )
        return user

    return make


@pytest.fixture
def login(person):
    """A client with a session; CSRF is checked where a test asks for it."""

    def make(*permissions, csrf=False, **fields):
        client = APIClient(enforce_csrf_checks=csrf)
        client.force_login(person(*permissions, **fields))
        return client

    return make


@pytest.fixture
def client(login):
    return login(*ALL)


@pytest.fixture
def workflow(publish):
    """A version: `first` → `second`; its input needs a document, its output is what they gave."""
    return publish(
        executor_node("first", "probe.echo", input={"document": "$.data.document"}),
        executor_node("second", "probe.echo", needs=["first"]),
        slug="invoices",
        input_schema={
            "type": "object",
            "properties": {"document": {"type": "string"}},
            "required": ["document"],
        },
        output={"text": "$.nodes.first.output.text", "missing": "$.nodes.second.output.none"},
    )


INPUT = {"document": "a.pdf"}
ERROR = {"node": "first", "kind": "Broken", "message": "no"}


def record(run, *events, now=None):
    recorder.record({run.pk: list(events)}, now=now or timezone.now())
    run.refresh_from_db()
    return run


def begun(node="first", attempt=1, **inputs):
    return NewEvent(
        Kind.NODE_STARTED,
        node=node,
        attempt=attempt,
        data={"worker": "w1", "input": inputs, "timeout_seconds": 60},
    )


def gave(node="first", attempt=1, **output):
    return NewEvent(Kind.NODE_COMPLETED, node=node, attempt=attempt, data={"output": output})


def broke(node="first", attempt=1, **data):
    error = {"kind": "Broken", "message": "no", "trace": "line 1"}
    return NewEvent(Kind.NODE_FAILED, node=node, attempt=attempt, data={"error": error, **data})


_ENDS = {
    RunState.CREATED: [],
    RunState.ACTIVE: [begun(document="a.pdf")],
    RunState.COMPLETED: [
        begun(document="a.pdf"),
        gave(text="hello"),
        begun("second"),
        gave("second"),
        changed("active", "completed"),
    ],
    RunState.FAILED: [begun(document="a.pdf"), broke(), changed("active", "failed", error=ERROR)],
    RunState.TERMINATED: [begun(document="a.pdf"), changed("active", "terminated", reason="stop")],
}


REVIEW = {
    "id": "review", "kind": "human", "title": "Check it", "input": {"document": "$.data.document"},
    "form": {"type": "string", "minLength": 1},
}  # fmt: skip


def waiting(publish, node=None, data=None):
    """A run that waits for a person."""
    version = publish(node or REVIEW, slug="reviewed")
    run = lifecycle.start(version, data or INPUT, trigger="manual", by=ANNA)
    worker.execute(Node.objects.get(run=run).pk)
    run.refresh_from_db()
    return run


def archived(run):
    """As if its log were in storage, without an object there."""
    now = timezone.now()
    Archive.objects.create(
        run=run, name=f"archive/{run.public_id}", last_seq=run.last_seq, unpacked=1, bytes=1,
        sha256="0" * 64, archived_at=now, verified_at=now, completed_at=now,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(logs=LogState.ARCHIVED)
    return run


@pytest.fixture
def run_in(workflow, publish):
    """Make a run and bring it into a state, one of a run's, “waiting” for a person, “held”,
    “restored” or “stuck”, with a lease that nobody renews; `seconds` is how long it then took."""

    def make(state=RunState.CREATED, *, seconds=2.0, **fields):
        if state == "waiting":
            return waiting(publish)
        if state == "archived":
            return archived(make("completed", **fields))
        if state == "restored":
            run = archived(make("completed", **fields))
            soon = timezone.now() + timedelta(days=1)
            Archive.objects.filter(run=run).update(restored_at=soon, expires_at=soon)
            Run.objects.filter(pk=run.pk).update(logs=LogState.RESTORED)
            return run
        if state == "stuck":
            run = make("active", **fields)
            over = timezone.now() - timedelta(minutes=1)
            Lease.objects.filter(run=run.pk).update(expires_at=over, renewed_at=over)
            return run
        if state == "held":
            run = make("created", **fields)
            lifecycle.hold(Run.objects.filter(pk=run.pk), by=ANNA, reason="court", audited=False)
            return run
        now = timezone.now()
        run = lifecycle.start(workflow, INPUT, trigger="manual", by=ANNA, now=now, **fields)
        *events, last = [None, *_ENDS[state]]
        if last is not None:
            record(run, changed("created", "active"), *events[1:], now=now)
            record(run, last, now=now + timedelta(seconds=seconds))
        return Run.objects.select_related("workflow", "version").get(pk=run.pk)

    return make


def stored():
    """How much there is of all that an act may write."""
    models = (Run, Event, Node, ReadyNode, OutboxLine, AuditEntry, Trigger, Firing)
    return {model.__name__: model.objects.count() for model in models}
