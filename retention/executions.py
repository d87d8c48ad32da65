"""Executions: begun by a night or a person, ended, aborted. Whoever may is asked by the caller."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from retention import terms
from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from runs.actors import Actor
from runs.models import AuditEntry

PERMISSION = "runs.manage_retention"
SCHEDULE = Actor(name="schedule", ref_type="schedule", ref_id="retention")
# Objects that a check reads, where nothing is said; and after each night.
SAMPLE = 1_000
SWEEP_EVERY = timedelta(days=7)
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
) -> Execution:
    """Make one; send it to the workers after the commit. Raises NotPossible.

    `options`: of a check `most`, how many objects it reads, and None for all; of a sweep
    `however_many`, whether what nobody names goes even where that is a great part of all.
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
    if kind == ExecutionKind.ARCHIVE:
        asked["policy"] = _policy()
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
        execution.save(force_insert=True)
        _note(by, f"begin {kind}", execution, filter=asked | {"dry_run": dry_run})
    return execution


def _asked(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    known = {ExecutionKind.CHECK: {"most"}, ExecutionKind.SWEEP: {"however_many"}}
    if unknown := given.keys() - known.get(ExecutionKind(kind), set()):
        raise NotPossible(f"It has no option {min(unknown)[:40]}.")
    if kind == ExecutionKind.CHECK:
        most = given.get("most", SAMPLE)
        if most is not None and (type(most) is not int or most < 1):
            raise NotPossible("How many objects are read is a whole number from 1, or null: all.")
        return {"most": most}
    if kind == ExecutionKind.SWEEP:
        return {"however_many": given.get("however_many") is True}
    return {}


def _policy() -> dict[str, Any]:
    """As it is at the start, for the record; each batch goes by what it is by then."""
    policy = terms.current()
    names = ("completed_days", "failed_days", "terminated_days", "delete_days")
    return {name: getattr(policy, name) for name in names}


def abort(execution: Execution, *, by: Actor, now: datetime, reason: str = "") -> bool:
    """What is done stays done; nothing more is, but for what a worker is at. False: too late."""
    with transaction.atomic():
        row = Execution.objects.select_for_update().get(pk=execution.pk)
        if not row.is_running:
            return False
        end(row, ExecutionState.ABORTED, now)
        _note(by, "abort retention", row, reason=reason.strip()[:500], count=row.seen)
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
