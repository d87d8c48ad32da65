"""Runs: found, read, exported, changed, followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.urls import reverse
from rest_framework.exceptions import ValidationError

from runs import exports, lifecycle
from runs.api import acts
from runs.api.archived import prolong, read_log, restore
from runs.api.bulk_shapes import BulkSerializer
from runs.api.history import events_of
from runs.api.pagination import EventPages
from runs.api.run_query import wanted_runs
from runs.api.run_timeline import TimelineSerializer, timeline_of
from runs.api.serializers import (
    ContextSerializer,
    CountsSerializer,
    EventSerializer,
    ExportSerializer,
    JobSerializer,
    RunExportSerializer,
    RunSerializer,
)
from runs.api.trpc.procedure import Asking, Procedure
from runs.api.trpc.shapes import (
    ActInput,
    CountsInput,
    DeletedSerializer,
    EventsInput,
    EventsSerializer,
    ExportInput,
    HoldInput,
    ListedRunSerializer,
    ListInput,
    NoInput,
    NoticeSerializer,
    ProlongInput,
    RestoreInput,
    RetryInput,
    RunInput,
    StreamInput,
)
from runs.api.trpc.wire import JsonParts
from runs.context import context_of, job_of
from runs.filters import RunFilter
from runs.live import public_event
from runs.models import AuditEntry, Run
from runs.paging import Cursor, page_of
from runs.timeouts import statement_timeout
from runs.views.run_download import as_json, opened

# What the filter calls them.
FILTER_NAMES = {"status": "state", "workflow_id": "workflow"}
_INPUT_NAMES = {own: name for name, own in FILTER_NAMES.items()}


def list_runs(asking: Asking, given: dict[str, Any]) -> list[dict[str, Any]]:
    limit, after = given.pop("limit"), acts.run_cursor(given.pop("cursor", None))
    runs = wanted(given).apply(Run.objects.all(), asking.now)
    with statement_timeout(acts.LIST_SECONDS):
        page = page_of(runs, limit, after=after, read=acts.shown_runs())
    return [{**asking.shown(run), "cursor": str(Cursor.of(run))} for run in page.runs]


def count_runs(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return acts.count_by_state(wanted(given), asking.now)


def export_runs(asking: Asking, given: dict[str, Any]) -> JsonParts:
    after = acts.run_cursor(given.pop("cursor", None))
    pages = asking.request.build_absolute_uri(reverse("admin:runs_run_changelist"))
    found = acts.export_runs(wanted(given), after, by=asking.actor, now=asking.now, pages=pages)
    return JsonParts(exports.as_json(found))


def wanted(given: dict[str, Any]) -> RunFilter:
    try:
        return wanted_runs({FILTER_NAMES.get(name, name): said for name, said in given.items()})
    except ValidationError as refused:
        errors = cast(dict[str, Any], refused.detail)
        named = {_INPUT_NAMES.get(name, name): said for name, said in errors.items()}
        raise ValidationError(named) from None


def get_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return asking.shown(acts.find_run(given["id"]))


def export_run(asking: Asking, given: dict[str, Any]) -> JsonParts:
    """The whole run, as the page gives it as a file. It leaves the portal, so it is audited."""
    run = acts.find_run(given["id"])
    log = opened(run)
    AuditEntry.objects.note(asking.actor, "export", ("run", run.public_id))
    return JsonParts(as_json(run, asking.now, log))


def get_job(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return job_of(acts.find_run(given["id"]))


def get_context(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    run = acts.find_run(given["id"])
    return context_of(run, None if run.has_log else read_log(run))


def get_timeline(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    return timeline_of(acts.find_run(given["id"]), asking.now)


def get_events(_: Asking, given: dict[str, Any]) -> dict[str, Any]:
    events, within = events_of(acts.find_run(given["id"]), given)
    with within:
        page, last = EventPages().page_after(events, given["after"], given["limit"])
    return {"events": [public_event(event) for event in page], "next": last}


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


def restore_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    run, reason = acts.find_run(given["id"]), given["reason"]
    operation = restore(run, given, by=asking.actor, now=asking.now, reason=reason)
    return dict(BulkSerializer(operation, context=asking.context).data)


def prolong_run(asking: Asking, given: dict[str, Any]) -> dict[str, Any]:
    run, reason = acts.find_run(given["id"]), given["reason"]
    came = prolong(run, given, by=asking.actor, now=asking.now, reason=reason)
    return asking.shown(acts.shown_runs().get(pk=came))


STREAM_LOGS = Procedure(
    "runs.streamLogs", "subscription", "runs.view_run", StreamInput, EventSerializer,
    is_tracked=True,
    says="A run's events from the first one on, or behind `lastEventId`; ends when the run has.",
)  # fmt: skip
STREAM_LIST = Procedure(
    "runs.stream", "subscription", "runs.view_run", NoInput, NoticeSerializer,
    says="Which runs changed, several times a second at most. Begins, also when it comes back,"
    " with `reset`: fetch what you show anew.",
)  # fmt: skip

PROCEDURES = (
    Procedure(
        "runs.list", "query", "runs.view_run", ListInput, ListedRunSerializer, list_runs,
        gives_many=True, says="Runs, newest first.",
    ),
    Procedure(
        "runs.counts", "query", "runs.view_run", CountsInput, CountsSerializer, count_runs,
        says="How many runs a filter finds in each state, none counted further than 10,000.",
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
        "runs.exportAll", "query", "runs.export_run", ExportInput, ExportSerializer, export_runs,
        says="The runs of a filter, newest first, 10,000 a call; `export.next` is the `cursor` of"
        " the next call. It is audited.",
    ),
    Procedure(
        "runs.retry", "mutation", "runs.retry_run", RetryInput, RunSerializer,
        retry_run,
        says="Gives the new run, with the failed one's version and input.",
    ),
    Procedure(
        "runs.terminate", "mutation", "runs.terminate_run", ActInput, RunSerializer,
        _change(lifecycle.terminate),
        says="Ends a queued or active run at once.",
    ),
    Procedure(
        "runs.hold", "mutation", "runs.hold_run", HoldInput, RunSerializer,
        _change(lifecycle.hold),
        says="Legal hold: the run and all that belongs to it are kept until it is released.",
    ),
    Procedure(
        "runs.release", "mutation", "runs.hold_run", ActInput, RunSerializer,
        _change(lifecycle.release),
        says="Takes the legal hold from the run.",
    ),
    Procedure(
        "runs.restore", "mutation", "runs.restore_run", RestoreInput, BulkSerializer, restore_run,
        says="Brings an archived log back for some days; gives the bulk operation that does it.",
    ),
    Procedure(
        "runs.prolong", "mutation", "runs.restore_run", ProlongInput, RunSerializer, prolong_run,
        says="Keeps a restored log for longer: for so many days from now on.",
    ),
    Procedure(
        "runs.delete", "mutation", "runs.delete_run", ActInput, DeletedSerializer, delete_run,
        says="Deletes a run that has ended, with all its events, for good.",
    ),
    STREAM_LOGS,
    STREAM_LIST,
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
        "runs.events", "query", "runs.view_run", EventsInput, EventsSerializer, get_events,
        says="A page of the run's history in order; `next` is the `after` of the next page.",
    ),
)  # fmt: skip
