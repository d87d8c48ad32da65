"""Executions: begun by a night or a person, ended, aborted. Whoever may is asked by the caller."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from retention import terms, values
from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from runs.actors import Actor
from runs.context import stamp
from runs.models import AuditEntry, DeletedRun

PERMISSION = "runs.manage_retention"
SCHEDULE = Actor(name="schedule", ref_type="schedule", ref_id="retention")
# Objects that a check reads, where nothing is said; and after each night.
SAMPLE = 1_000
SWEEP_EVERY = timedelta(days=7)
# What of the portal's own policy an execution goes by.
DAYS = ("completed_days", "failed_days", "terminated_days", "delete_days")
# Hosts differ in their clocks by less.
LATE = timedelta(minutes=10)
# A person's that run at a time: beyond that somebody presses a button again and again.
MOST_RUNNING = 10


class NotPossible(Exception):  # noqa: N818
    """What was asked cannot be done; the message says why."""


def begin(
    kind: str,
    *,
    by: Actor,
    now: datetime,
    dry_run: bool = False,
    reason: str = "",
    options: dict[str, Any] | None = None,
    night: date | None = None,
    due: datetime | None = None,
) -> Execution:
    """Make one; send it to the workers after the commit. Raises NotPossible.

    `due`: when a night was to begin. `options`: of a check `most`, how many objects it reads, and
    None for all; of a check and a sweep `however_many`, whether logs are marked as lost even where
    storage has none of them, or lacks a great part, and of a sweep whether what nobody names goes
    even where that is a great part of all.
    """
    if kind not in ExecutionKind.values:
        raise NotPossible(f"There is no such execution: {kind[:40]}.")
    if dry_run and kind == ExecutionKind.CHECK:
        raise NotPossible("A check deletes nothing anyway: there is no dry run of it.")
    asked = _asked(kind, options or {})
    if night is None and by is not SCHEDULE:
        running = Execution.objects.filter(state=ExecutionState.RUNNING)[:MOST_RUNNING].count()
        if running == MOST_RUNNING:
            raise NotPossible(f"{MOST_RUNNING} executions are running: wait, or abort some.")
    if due is not None:
        asked["due_at"] = stamp(due)
    execution = Execution(
        kind=kind,
        dry_run=dry_run,
        night=night,
        started_by=by.name,
        reason=reason.strip()[:500],
        options=asked,
        created_at=now,
        moved_at=now,
    )
    with transaction.atomic():
        if kind == ExecutionKind.ARCHIVE:
            asked["policy"] = _policy()
        execution.save(force_insert=True)
        _note(by, f"begin {kind}", execution, filter=asked | {"dry_run": dry_run})
    return execution


def _asked(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    known = {
        ExecutionKind.CHECK: {"most", "however_many"},
        ExecutionKind.SWEEP: {"however_many"},
    }
    if unknown := given.keys() - known.get(ExecutionKind(kind), set()):
        raise NotPossible(f"It has no option {min(unknown)[:40]}.")
    if kind == ExecutionKind.CHECK:
        most = given.get("most", SAMPLE)
        if most is not None and (type(most) is not int or most < 1):
            raise NotPossible("How many objects are read is a whole number from 1, or null: all.")
        sure = {"however_many": True} if given.get("however_many") is True else {}
        return {"most": most} | sure
    if kind == ExecutionKind.SWEEP:
        return {"however_many": given.get("however_many") is True}
    return {}


def _policy() -> dict[str, Any]:
    """As it is at the start, for the record; each batch goes by what it is by then. Of workflows
    what is otherwise for them, by slug. Within a transaction: it is of one moment."""
    saved = values.saved(terms.locked())
    return {
        **{name: getattr(saved, name) for name in DAYS},
        "workflows": {
            slug: {name: given for name in values.OVERRIDE_NAMES if (given := getattr(own, name))}
            for slug, own in saved.workflows.items()
            if not own.is_empty
        },
    }


def abort(execution: Execution, *, by: Actor, now: datetime, reason: str = "") -> bool:
    """What is done stays done; nothing more is, but for what a worker is at. False: too late."""
    with transaction.atomic():
        row = Execution.objects.select_for_update().get(pk=execution.pk)
        if not row.is_running:
            return False
        reason = reason.strip()[:500]
        Execution.objects.filter(pk=row.pk).update(aborted_by=by.name, abort_reason=reason)
        end(row, ExecutionState.ABORTED, now)
        _note(by, "abort retention", row, reason=reason, count=row.seen)
    return True


def end(row: Execution, state: ExecutionState, now: datetime) -> None:
    """Within the transaction that locked it."""
    Execution.objects.filter(pk=row.pk).update(
        state=state, ended_at=now, moved_at=now, next_at=None
    )
    row.state, row.ended_at = state, now
    if row.deleted_runs:
        _note(
            SCHEDULE if row.night else Actor(row.started_by, "retention", row.public_id),
            "delete by age",
            row,
            reason=f"past their second term; {row.get_state_display().lower()}",
            count=row.deleted_runs,
        )


def deletion_reason(row: Execution) -> str:
    """What stands with each run that it deletes for good."""
    return f"past its second term ({row.public_id})"


def deleted_by(row: Execution, last: DeletedRun | None = None) -> QuerySet[DeletedRun]:
    """The runs that it deleted for good, in that order, behind `last`; by the index on the time."""
    found = DeletedRun.objects.filter(
        deleted_at__gte=row.created_at, reason=deletion_reason(row)
    ).order_by("deleted_at", "run_id")
    if last is not None:
        at, key = last.deleted_at, last.run_id
        found = found.filter(Q(deleted_at__gte=at) & (Q(deleted_at__gt=at) | Q(run_id__gt=key)))
    if row.ended_at is None:
        return found
    # A batch that was under way when it was aborted may end a little later.
    return found.filter(deleted_at__lte=row.ended_at + LATE)


def following(row: Execution, now: datetime) -> list[Execution]:
    """What the schedule has done after a night: a sample is read again, and once a week storage
    is compared with the database. Within the transaction that ended the night."""
    if row.night is None or row.state != ExecutionState.FINISHED:
        return []
    begun = [begin(ExecutionKind.CHECK, by=SCHEDULE, now=now, options={"most": SAMPLE})]
    sweeps = Execution.objects.filter(kind=ExecutionKind.SWEEP, dry_run=False).exclude(
        state__in=[ExecutionState.FAILED, ExecutionState.ABORTED]
    )
    # An hour less, so that a night which is a little shorter than the others makes no gap.
    if not sweeps.filter(created_at__gt=now - SWEEP_EVERY + timedelta(hours=1)).exists():
        begun.append(begin(ExecutionKind.SWEEP, by=SCHEDULE, now=now))
    return begun


def _note(by: Actor, action: str, execution: Execution, **fields: Any) -> None:
    AuditEntry.by(
        by,
        action=action,
        target_type="retention",
        target_id=execution.public_id,
        **{"reason": execution.reason, **fields},
    ).save(force_insert=True)
