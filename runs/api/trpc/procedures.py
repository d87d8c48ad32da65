"""What can be called: with what, by whom, and what is done. The REST API's acts, in tRPC's form."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from runs import idempotency, lifecycle
from runs.actors import Actor
from runs.api import acts, workflow_acts
from runs.api.problems import KeyReused
from runs.api.run_query import wanted_runs
from runs.api.run_timeline import TimelineSerializer, timeline_of
from runs.api.serializers import (
    ContextSerializer,
    EventSerializer,
    JobSerializer,
    RunExportSerializer,
    RunSerializer,
    VersionDetailSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from runs.api.trpc.shapes import (
    ActInput,
    DeletedSerializer,
    ExecuteInput,
    Input,
    ListedRunSerializer,
    ListInput,
    MakeWorkflowInput,
    PublishInput,
    RetryInput,
    RunInput,
    StartedSerializer,
    StreamInput,
    WorkflowInput,
    WorkflowsInput,
)
from runs.api.trpc.wire import JsonParts
from runs.context import context_of, job_of
from runs.filters import RunFilter
from runs.models import AuditEntry, Run, User
from runs.paging import Cursor, page_of
from runs.timeouts import statement_timeout
from runs.views.run_download import as_json

# What the filter calls them.
_FILTER_NAMES = {"status": "state", "workflow_id": "workflow"}
_INPUT_NAMES = {own: name for name, own in _FILTER_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and when."""

    request: Request
    now: datetime

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    @property
    def actor(self) -> Actor:
        return self.person.as_actor()

    def shown(self, run: Run) -> dict[str, Any]:
        context = {"request": self.request, "now": self.now}
        return dict(RunSerializer(run, context=context).data)


def list_runs(asking: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    limit, after = given.pop("limit"), given.pop("cursor", None)
    wanted = _wanted({_FILTER_NAMES.get(name, name): value for name, value in given.items()})
    cursor = Cursor.parse(after) if after else None
    if after and cursor is None:
        raise ValidationError({"cursor": ["This is no cursor of a run; begin without one."]})
    runs = wanted.apply(Run.objects.all(), asking.now)
    with statement_timeout(acts.LIST_SECONDS):
        page = page_of(runs, limit, after=cursor, read=acts.shown_runs())
    return [{**asking.shown(run), "cursor": str(Cursor.of(run))} for run in page.runs]


def _wanted(given: dict[str, Any]) -> RunFilter:
    try:
        return wanted_runs(given)
    except ValidationError as refused:
        errors = cast(dict[str, Any], refused.detail)
        named = {_INPUT_NAMES.get(name, name): said for name, said in errors.items()}
        raise ValidationError(named) from None


def get_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return asking.shown(acts.find_run(given["id"]))


def export_run(asking: Asking, given: dict[str, Any]) -> JsonParts:
    """The whole run, as the page gives it as a file. It leaves the portal, so it is audited."""
    run = acts.find_run(given["id"])
    AuditEntry.objects.note(asking.actor, "export", ("run", run.public_id))
    return JsonParts(as_json(run, asking.now))


def get_job(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return job_of(acts.find_run(given["id"]))


def get_context(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return context_of(acts.find_run(given["id"]))


def get_timeline(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return timeline_of(acts.find_run(given["id"]), asking.now)


def list_workflows(asking: Asking, given: dict[str, Any]) -> Any:
    found = acts.shown_workflows().order_by("slug")
    if after := given.get("after"):
        found = found.filter(slug__gt=after)
    context = {"request": asking.request}
    return WorkflowSerializer(found[: given["limit"]], many=True, context=context).data


def get_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    context = {"request": asking.request}
    return WorkflowDetailSerializer(workflow_acts.detailed(given["id"]), context=context).data


def create_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    workflow_acts.create(given, by=asking.person)
    return get_workflow(asking, given)


def publish_version(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    version, _ = workflow_acts.publish(given["id"], given, by=asking.person)
    return VersionDetailSerializer(version).data


def execute_workflow(asking: Asking, given: dict[str, Any]) -> dict[str, str]:
    slug, key = given.pop("workflow_id"), given.pop("idempotency_key")
    workflow = acts.find_workflow(slug)

    def act() -> tuple[uuid.UUID, dict[str, Any]]:
        run = acts.start(workflow, given, by=asking.actor, now=asking.now)
        return run.pk, asking.shown(acts.shown_runs().get(pk=run.pk))

    if not key:
        return {"id": act()[1]["id"]}
    try:
        # As the REST API does: a key means the same wherever it is sent to.
        answer = idempotency.once(asking.person.public_id, key, [slug, given], act, now=asking.now)
    except idempotency.Mismatch:
        raise KeyReused from None
    return {"id": answer.shown["id"]}


def _change(
    act: Callable[..., lifecycle.Outcome],
) -> Callable[[Asking, dict[str, Any]], dict[str, Any]]:
    def change(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
        run, reason = acts.find_run(given["id"]), given["reason"]
        came = acts.change(act, run, by=asking.actor, reason=reason, now=asking.now)
        return asking.shown(acts.shown_runs().get(pk=came))

    return change


def retry_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return _change(acts.retry_act(given))(asking, given)


def delete_run(asking: Asking, given: dict[str, Any]) -> dict[str, str]:
    run, reason = acts.find_run(given["id"]), given["reason"]
    acts.change(lifecycle.delete, run, by=asking.actor, reason=reason, now=asking.now)
    return {"id": run.public_id}


@dataclass(frozen=True, slots=True)
class Procedure:
    """`gives` describes the result: of a list one entry, of a subscription one event's data."""

    path: str
    kind: str
    # The permission classes of the REST API read it here.
    permission: str
    takes: type[Input]
    gives: type[Serializer]
    # A subscription is answered elsewhere.
    answer: Callable[[Asking, dict[str, Any]], Any] | None = None
    gives_many: bool = False
    says: str = ""

    def checked(self, given: Any) -> dict[str, Any]:
        """The call's input; none is as good as an empty one."""
        serializer = self.takes(data={} if given is None else given)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


STREAM_LOGS = Procedure(
    "runs.streamLogs", "subscription", "runs.view_run", StreamInput, EventSerializer,
    says="A run's events from the first one on, or behind `lastEventId`; ends when the run has.",
)  # fmt: skip

PROCEDURES: Mapping[str, Procedure] = {
    procedure.path: procedure
    for procedure in (
        Procedure(
            "runs.list", "query", "runs.view_run", ListInput, ListedRunSerializer, list_runs,
            gives_many=True, says="Runs, newest first.",
        ),
        Procedure(
            "runs.get", "query", "runs.view_run", RunInput, RunSerializer, get_run,
            says="One run.",
        ),
        Procedure(
            "runs.export", "query", "runs.export_run", RunInput, RunExportSerializer, export_run,
            says="One run's whole record: its job, its context, its history. It is audited.",
        ),
        Procedure(
            "runs.retry", "mutation", "runs.retry_run", RetryInput, RunSerializer, retry_run,
            says="Gives the new run, with the failed one's version and input.",
        ),
        Procedure(
            "runs.terminate", "mutation", "runs.terminate_run", ActInput, RunSerializer,
            _change(lifecycle.terminate),
            says="Ends a queued or active run at once.",
        ),
        Procedure(
            "runs.delete", "mutation", "runs.delete_run", ActInput, DeletedSerializer, delete_run,
            says="Deletes a run that has ended, with all its events, for good.",
        ),
        STREAM_LOGS,
        Procedure(
            "runs.job", "query", "runs.view_run", RunInput, JobSerializer, get_job,
            says="The scheduler's handle on the run.",
        ),
        Procedure(
            "runs.context", "query", "runs.view_run", RunInput, ContextSerializer, get_context,
            says="What went into the run and its nodes, and what came out.",
        ),
        Procedure(
            "runs.timeline", "query", "runs.view_run", RunInput, TimelineSerializer, get_timeline,
            says="Each node's attempts and waits with their causes, and the critical path.",
        ),
        Procedure(
            "workflows.list", "query", "runs.view_workflow", WorkflowsInput, WorkflowSerializer,
            list_workflows, gives_many=True, says="Workflows in the order of their ids.",
        ),
        Procedure(
            "workflows.get", "query", "runs.view_workflow", WorkflowInput,
            WorkflowDetailSerializer, get_workflow,
            says="A workflow with its newest definition, and its versions, the newest first.",
        ),
        Procedure(
            "workflows.create", "mutation", "runs.add_workflow", MakeWorkflowInput,
            WorkflowDetailSerializer, create_workflow,
            says="A new workflow with its first version.",
        ),
        Procedure(
            "workflows.publish", "mutation", "runs.change_workflow", PublishInput,
            VersionDetailSerializer, publish_version,
            says="A new version; where the definition is the newest one's, that.",
        ),
        Procedure(
            "workflows.execute", "mutation", "runs.execute_workflow", ExecuteInput,
            StartedSerializer, execute_workflow,
            says="Starts a run. Input that breaks the workflow's schema makes one that has failed.",
        ),
    )
}  # fmt: skip
