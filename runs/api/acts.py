"""Runs and workflows as all APIs find, start and change them, and why one cannot be changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, cast

from django.db.models import Case, Count, F, IntegerField, Max, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from rest_framework.exceptions import NotFound, ValidationError

from runs import ids, lifecycle
from runs.actors import Actor
from runs.api.problems import Conflict, WrongState
from runs.exports import Export, export_of
from runs.filters import STATES, RunFilter
from runs.models import Attempt, AuditEntry, DeletedRun, Run, Workflow, WorkflowVersion
from runs.paging import Cursor
from runs.public_run import RunLine
from runs.querysets import COUNT_CAP, RunQuerySet
from runs.states import FINAL_STATES, AttemptStatus, Trigger
from runs.timeouts import statement_timeout

# Seconds that PostgreSQL may spend on a page of the list.
LIST_SECONDS = 5.0


def shown_runs() -> RunQuerySet:
    """Runs with all that their serializers show."""
    runs = Run.objects.select_related("workflow", "version", "archive", "triggered__trigger")
    runs = runs.defer("version__definition", "triggered__trigger__rule", "archive__senders")
    return runs.annotate(draining=_draining())


@cache
def listed_runs() -> RunQuerySet:
    """What makes RunLines. It is made once, and filtered, never read itself."""
    rows = Run.objects.annotate(
        draining=_draining(),
        archived_at=F("archive__archived_at"),
        expires_at=F("archive__expires_at"),
    ).values_list(*RunLine._fields)
    return cast(RunQuerySet, rows)


def _draining() -> Case:
    running = Attempt.objects.filter(run=OuterRef("pk"), status=AttemptStatus.RUNNING).order_by()
    count = Subquery(running.values("run").annotate(count=Count("pk")).values("count"))
    return Case(
        When(state__in=FINAL_STATES, then=Coalesce(count, 0)),
        default=0,
        output_field=IntegerField(),
    )


def find_run(public_id: str) -> Run:
    run_id = ids.decode("run", public_id)
    run = shown_runs().filter(pk=run_id).first() if run_id else None
    if run is None:
        deleted = DeletedRun.objects.filter(pk=run_id).first() if run_id else None
        was = f" any more: it was deleted on {deleted.deleted_at:%Y-%m-%d}" if deleted else ""
        raise NotFound(f"There is no run “{public_id[:100]}”{was}.")
    return run


def shown_workflows() -> QuerySet[Workflow]:
    """Workflows with the number of their newest version."""
    newest = (
        WorkflowVersion.objects.filter(workflow=OuterRef("pk"))
        .order_by()
        .values("workflow")
        .annotate(newest=Max("number"))
        .values("newest")
    )
    return Workflow.objects.annotate(newest=Subquery(newest))


def find_workflow(slug: str) -> Workflow:
    # PostgreSQL has no zero characters, so nothing is called by one.
    workflow = None if "\0" in slug else shown_workflows().filter(slug=slug).first()
    if workflow is None:
        raise NotFound(f"There is no workflow “{slug[:100]}”.")
    return workflow


def start(workflow: Any, given: dict[str, Any], *, by: Actor, now: datetime) -> Run:
    """A new run of a `shown_workflows` one; `given` is what StartSerializer takes."""
    return lifecycle.start(
        _version(workflow, given["version"]),
        given["input"],
        trigger=Trigger.API,
        by=by,
        ref_type=given["ref_type"],
        ref_id=given["ref_id"],
        now=now,
    )


def _version(workflow: Any, number: int | None) -> WorkflowVersion:
    if workflow.newest is None:
        raise Conflict("The workflow has no version yet.")
    wanted = number or workflow.newest
    version = workflow.versions.filter(number=wanted).select_related("workflow").first()
    if version is None:
        message = f"There is no version {number}; the newest is {workflow.newest}."
        raise ValidationError({"version": [message]})
    return version


def retry_act(given: dict[str, Any]) -> Callable[..., lifecycle.Outcome]:
    """What RetrySerializer's fields ask for."""
    return lifecycle.retry_from if given["from_failed"] else lifecycle.retry


def change(
    act: Callable[..., lifecycle.Outcome], run: Run, *, by: Actor, reason: str, now: datetime
) -> uuid.UUID:
    """Do it to the one run; gives the run that came of it."""
    outcome = act(Run.objects.filter(pk=run.pk), by=by, reason=reason, now=now)
    if run.pk not in outcome.done:
        # As it is now: it may have changed since it was asked for.
        why = outcome.skipped.get(run.pk, "nothing was done")
        raise _refusal(find_run(run.public_id), why, tried=act.__name__)
    return outcome.done[run.pk]


def _refusal(run: Run, why: str, tried: str) -> WrongState:
    """Why the run's state stands against an act, and what can be done instead."""
    if tried in ("hold", "release", "rescue"):
        return WrongState(f"{why[0].upper()}{why[1:]}.", run.state, [])
    if run.is_elsewhere and tried != "delete":
        return WrongState(f"{why[0].upper()}{why[1:]}.", run.state, [])
    if tried == "delete" and run.can_terminate:
        actions, words = ["terminate"], "It can be terminated, and then deleted."
    elif run.can_retry and tried != "retry":
        actions, words = ["retry", "start"], "It can be retried."
    elif run.can_terminate:
        actions, words = ["terminate"], "It can be terminated."
    else:
        actions, words = ["start"], "Its workflow can be started again."
    return WrongState(f"{why[0].upper()}{why[1:]}. {words}", run.state, actions)


def run_cursor(text: str | None) -> Cursor | None:
    """Behind which run of the list it goes on."""
    if not text:
        return None
    cursor = Cursor.parse(text)
    if cursor is None:
        raise ValidationError({"cursor": ["This is no cursor of a run; begin without one."]})
    return cursor


def export_runs(
    wanted: RunFilter, after: Cursor | None, *, by: Actor, now: datetime, pages: str
) -> Export:
    """The runs of a filter leave the portal, so it is audited."""
    found = export_of(wanted, now, pages, after)
    entry = AuditEntry.by(
        by, action="export", target_type="run", filter=dict(wanted.pairs()), count=found.count
    )
    entry.save(force_insert=True)
    return found


def count_by_state(wanted: RunFilter, now: datetime) -> dict[str, Any]:
    """How many runs of a filter there are in each state, none counted further than the cap."""
    found: dict[str, int] = {}
    with statement_timeout(LIST_SECONDS):
        for name in STATES:
            runs = wanted.with_(state=name).apply(Run.objects.all(), now)
            found[name] = runs.capped_count()
    capped = [name for name, count in found.items() if count > COUNT_CAP]
    counts = {name: min(count, COUNT_CAP) for name, count in found.items()}
    return {
        **counts,
        "all": sum(counts.values()),
        "capped": [*capped, *(["all"] if capped else [])],
    }
