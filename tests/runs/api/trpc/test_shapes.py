"""What the TypeScript promises is what is given: each member, of its kind, null only where said."""

import json
from urllib.parse import quote

import pytest
from django.utils import timezone
from rest_framework import serializers

from runs import tokens
from runs.api.trpc.procedures import PROCEDURES
from runs.api.trpc.run_procedures import STREAM_LOGS
from runs.bulk import work
from runs.live import public_event
from runs.models import BulkOperation, Event, Run, User
from tests.runs.api.conftest import INPUT
from tests.runs.api.trpc.test_view import ask

_ANYTHING = (serializers.SerializerMethodField, serializers.JSONField)


def _is_number_or_flag(field, value):
    return type(value) is (int if isinstance(field, serializers.IntegerField) else bool)


_LEAVES = [
    (
        serializers.ChoiceField,
        lambda field, value: value in field.choices or (field.allow_blank and value == ""),
    ),
    ((serializers.IntegerField, serializers.BooleanField), _is_number_or_flag),
    (
        (serializers.CharField, serializers.DateTimeField, serializers.DecimalField),
        lambda _, value: isinstance(value, str),
    ),
]


def misfits(field, value, at="it"):
    """Where a value is other than the field says."""
    if isinstance(field, _ANYTHING):
        return
    if value is None:
        if not field.allow_null:
            yield f"{at} is null"
    elif isinstance(field, serializers.Serializer):
        yield from members_that_misfit(field, value, at)
    elif child := getattr(field, "child", None):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from misfits(child, each, f"{at}.{name}")
    elif not all(fits(field, value) for kinds, fits in _LEAVES if isinstance(field, kinds)):
        yield f"{at} is {value!r}"


def members_that_misfit(shape, value, at):
    for name in value.keys() - shape.fields.keys():
        yield f"{at} has {name}"
    for name, field in shape.fields.items():
        if name in value:
            yield from misfits(field, value[name], f"{at}.{name}")
        elif field.required or field.read_only:
            yield f"{at} lacks {name}"


@pytest.mark.parametrize("state", ["created", "active", "completed", "failed", "terminated"])
def test_what_is_read_of_a_run(client, run_in, state):
    run = run_in(state)
    for path in (
        "runs.get", "runs.list", "runs.export", "runs.job", "runs.context", "runs.timeline",
        "runs.events", "runs.exportAll", "runs.counts", "workflows.list", "workflows.get",
        "workflows.versions", "workflows.version",
    ):  # fmt: skip
        given = {} if path.endswith(("list", "All", "counts")) else {"id": str(run)}
        if path.startswith("workflows.") and given:
            given = {"id": "invoices", **({"number": 1} if path.endswith("version") else {})}
        told = json.loads(
            b"".join(client.get(f"/api/trpc/{path}?input={quote(json.dumps(given))}"))
        )
        procedure = PROCEDURES[path]
        shape = procedure.gives(many=procedure.gives_many)
        assert list(misfits(shape, told["result"]["data"])) == []


@pytest.mark.parametrize(
    ("path", "state"),
    [("runs.retry", "failed"), ("runs.terminate", "active"), ("runs.delete", "failed")],
)
def test_what_an_act_gives(client, run_in, path, state):
    told = ask(client, path, {"id": "{run}"}, run_in(state)).json()["result"]["data"]
    assert list(misfits(PROCEDURES[path].gives(), told)) == []


def test_what_a_start_gives(client, workflow):
    given = {"workflow_id": "invoices", "input": INPUT}
    told = ask(client, "workflows.execute", given).json()["result"]["data"]
    assert list(misfits(PROCEDURES["workflows.execute"].gives(), told)) == []


def test_what_else_there_is(client, run_in):
    run = run_in("waiting")
    view = ask(client, "views.create", {"name": "All", "query": ""}).json()["result"]["data"]
    user = User.objects.get(username="olga")
    token, _ = tokens.make(
        user, name="t", scopes=["view"], days=1, by=user.as_actor(), now=timezone.now()
    )
    decision = {"run": "{run}", "node": "review"}
    assert list(misfits(PROCEDURES["views.create"].gives(), view)) == []
    for path, given in (
        ("decisions.list", {}), ("decisions.get", decision),
        ("decisions.answer", {**decision, "act": "approved"}), ("decisions.list", {"show": "past"}),
        ("views.list", {}), ("views.get", {"id": view["id"]}),
        ("views.update", {"id": view["id"], "name": "Every"}), ("views.delete", {"id": view["id"]}),
        ("tokens.list", {}), ("tokens.revoke", {"id": token.public_id}),
    ):  # fmt: skip
        told = ask(client, path, given, run).json()["result"]["data"]
        procedure = PROCEDURES[path]
        assert told
        assert list(misfits(procedure.gives(many=procedure.gives_many), told)) == []


def test_what_bulk_operations_give(client, run_in):
    run_in("failed")
    given = {"kind": "retry", "filter": {"status": "failed"}, "idempotency_key": "a"}
    shown = ask(client, "bulk.start", given).json()["result"]["data"]
    assert ask(client, "bulk.start", given).json()["result"]["data"] == shown
    work.step(BulkOperation.objects.get().pk)
    own = {"id": shown["id"]}
    for path, given in (
        ("bulk.start", {"kind": "export", "runs": [str(Run.objects.first())]}), ("bulk.list", {}),
        ("bulk.get", own), ("bulk.outcomes", own), ("bulk.pause", own), ("bulk.resume", own),
        ("bulk.abort", own),
    ):  # fmt: skip
        told = ask(client, path, given).json()["result"]["data"]
        procedure = PROCEDURES[path]
        assert told
        assert list(misfits(procedure.gives(many=procedure.gives_many), told)) == []


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_what_the_stream_gives(run_in, state):
    run = run_in(state)
    for event in Event.objects.filter(run=run.pk):
        assert list(misfits(STREAM_LOGS.gives(), public_event(event))) == []


def test_what_is_wrong_is_found(run_in):
    event = public_event(Event.objects.filter(run=run_in("created").pk).first())
    shape = STREAM_LOGS.gives()
    for change in ({"seq": "1"}, {"kind": "gone"}, {"node": None}, {"more": 1}, {"actor": 5}):
        assert len(list(misfits(shape, {**event, **change}))) == 1
    del event["at"]
    assert list(misfits(shape, event)) == ["it lacks at"]
