"""Making operations, and what a person does to one: pause it, go on, abort it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from runs import restore_days
from runs.actors import Actor
from runs.bulk import selection
from runs.bulk.parts import FORMATS
from runs.filters import RunFilter
from runs.models import AuditEntry, BulkOperation
from runs.models.bulk import MOST_CHOSEN, BulkKind, BulkState
from runs.states import FINAL_STATES, RunState
from runs.timeouts import statement_timeout

logger = logging.getLogger(__name__)

# Seconds that counting may take; what takes longer stays uncounted.
COUNT_SECONDS = 60
# What an act that is meant by a filter looks at, where the filter names no state.
STATES_OF: dict[str, tuple[RunState, ...]] = {
    BulkKind.RETRY: (RunState.FAILED,),
    BulkKind.TERMINATE: (RunState.CREATED, RunState.ACTIVE),
    BulkKind.DELETE: FINAL_STATES,
    BulkKind.RESCUE: (RunState.CREATED, RunState.ACTIVE),
}
MAX_RATE = 100_000
# Who acts where nobody is asked.
PORTAL = Actor(name="portal", ref_type="schedule", ref_id="exports")
TOO_LONG = "It was paused for longer than files are kept, so its files are deleted."
MOST_ABORTED = 100


class NotPossible(Exception):  # noqa: N818
    """What was asked cannot be done; the message says why."""


def left_out(kind: str, wanted: RunFilter | None) -> set[RunState]:
    """The states whose runs a filter means, and the act does not visit."""
    if wanted is None or wanted.state or kind not in STATES_OF:
        return set()
    return set(RunState) - set(STATES_OF[kind])


def make(
    kind: str,
    *,
    by: Actor,
    now: datetime,
    wanted: RunFilter | None = None,
    chosen: Sequence[uuid.UUID] | None = None,
    failed_of: BulkOperation | None = None,
    reason: str = "",
    rate: int | None = None,
    at_least: int = 0,
    at_most: int | None = None,
    options: dict[str, Any] | None = None,
) -> BulkOperation:
    """Begin an operation. Exactly one of `wanted`, `chosen` and `failed_of` says on what.

    Who may is the caller's to ask: see `kinds.PERMISSIONS`. `at_least`: how many were counted when
    it was asked for; it ends before it visits more than `at_most`. Raises NotPossible.
    """
    assert sum(each is not None for each in (wanted, chosen, failed_of)) == 1
    if kind not in BulkKind.values:
        raise NotPossible(f"There is no such operation: {kind[:40]}.")
    if chosen is not None and len(chosen) > MOST_CHOSEN:
        raise NotPossible(f"At most {MOST_CHOSEN:,} runs are named one by one; use a filter.")
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise NotPossible(f"The limit is 1 to {MAX_RATE:,} runs a second.")
    if kind in (BulkKind.TERMINATE, BulkKind.DELETE, BulkKind.HOLD) and not reason.strip():
        raise NotPossible("Say why: the reason is kept in the audit.")
    if kind == BulkKind.EXPORT:
        options = export_options(options or {})
    if kind == BulkKind.RESTORE:
        options = restore_options(options or {})
    if left_out(kind, wanted):
        # For the others there is nothing to do.
        options = {**(options or {}), "states": list(STATES_OF[kind])}
    if at_most is not None and wanted is not None:
        # Runs may come into a filter's states while it is under way.
        options = {**(options or {}), "at_most": at_most}
    named = sorted(set(chosen)) if chosen is not None else None
    total = len(named) if named is not None else failed_of.failed if failed_of else None
    operation = BulkOperation(
        kind=kind,
        reason=reason.strip()[:500],
        actor=by.name,
        ref_type=by.ref_type,
        ref_id=by.ref_id,
        address=by.address,
        via=by.via,
        created_at=now,
        bound=now,
        filter=selection.frozen(wanted, now) if wanted is not None else None,
        chosen=named,
        failed_of=failed_of,
        options=options or {},
        rate=rate,
        at_least=at_least if total is None else total,
        total=total,
        moved_at=now,
    )
    with transaction.atomic():
        operation.save(force_insert=True)
        _note(by, f"bulk {kind}", operation)
    return operation


def export_options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of an export, with what was left out. Raises NotPossible."""
    kind = given.get("format", FORMATS[0])
    if kind not in FORMATS:
        raise NotPossible(f"A file is one of {', '.join(FORMATS)}.")
    return {**given, "format": kind, "with_logs": bool(given.get("with_logs"))}


def restore_options(given: dict[str, Any]) -> dict[str, Any]:
    """For how many days, where that was left out. Raises NotPossible."""
    days = given.get("days") or restore_days.usual()
    if not 1 <= days <= restore_days.MOST:
        raise NotPossible(f"A restored log stays for 1 to {restore_days.MOST:,} days.")
    return {**given, "days": days}


def pause(operation: BulkOperation, *, by: Actor, now: datetime) -> bool:
    return _switch(operation, (BulkState.RUNNING,), BulkState.PAUSED, by, "pause", now)


def resume(operation: BulkOperation, *, by: Actor, now: datetime) -> bool:
    return _switch(operation, (BulkState.PAUSED,), BulkState.RUNNING, by, "resume", now)


def abort(operation: BulkOperation, *, by: Actor, now: datetime) -> bool:
    """What is done stays done; nothing more is."""
    both = (BulkState.RUNNING, BulkState.PAUSED)
    return _switch(operation, both, BulkState.ABORTED, by, "abort", now)


def abort_stale(now: datetime) -> None:
    """Exports that were paused for longer than files are kept: what they have written would stay
    for ever."""
    paused = BulkOperation.objects.filter(
        kind=BulkKind.EXPORT,
        state=BulkState.PAUSED,
        moved_at__lte=now - timedelta(days=settings.EXPORT_DAYS),
    )
    for operation in paused.order_by("moved_at")[:MOST_ABORTED]:
        with transaction.atomic():
            if abort(operation, by=PORTAL, now=now):
                own = BulkOperation.objects.filter(pk=operation.pk)
                own.update(trouble=TOO_LONG)


def set_rate(operation: BulkOperation, rate: int | None, *, by: Actor | None = None) -> None:
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise NotPossible(f"The limit is 1 to {MAX_RATE:,} runs a second.")
    with transaction.atomic():
        BulkOperation.objects.filter(pk=operation.pk).update(rate=rate)
        if by is not None:
            _note(by, "limit bulk", operation)


def again(operation: BulkOperation, *, by: Actor, now: datetime) -> BulkOperation:
    """The same act on those of its runs for which it failed."""
    if operation.is_open:
        raise NotPossible("It is still under way.")
    if not operation.failed:
        raise NotPossible("None of its runs failed.")
    return make(
        operation.kind,
        by=by,
        now=now,
        failed_of=operation,
        reason=operation.reason,
        rate=operation.rate,
        options=operation.options,
    )


def count(operation: BulkOperation) -> int | None:
    """Count what it means, within a time; None where that takes too long. Runs beside the work."""
    if operation.total is not None or operation.filter is None:
        return operation.total
    try:
        with statement_timeout(COUNT_SECONDS):
            total = selection.runs_of(operation).order_by().count()
    except DatabaseError as error:
        logger.info("%s is not counted: %s", operation.public_id, error)
        return None
    # What was visited before it was counted may be out of the filter by now, as what was deleted.
    fresh = BulkOperation.objects.filter(pk=operation.pk).values_list("visited", "done", "state")
    visited, done, state = fresh.get()
    if state in (BulkState.FINISHED, BulkState.ABORTED):
        return None
    if operation.kind in (BulkKind.DELETE, BulkKind.TERMINATE):
        total += done
    BulkOperation.objects.filter(pk=operation.pk, total=None).update(total=max(total, visited))
    return total


def _switch(
    operation: BulkOperation,
    before: tuple[BulkState, ...],
    after: BulkState,
    by: Actor,
    action: str,
    now: datetime,
) -> bool:
    """Waits for the step that is under way. False where it was too late."""
    # What was in its way before is not why it is aborted.
    ended = {"ended_at": now, "trouble": ""} if after == BulkState.ABORTED else {}
    with transaction.atomic():
        open_ones = BulkOperation.objects.filter(pk=operation.pk, state__in=before)
        done = open_ones.update(state=after, moved_at=now - timedelta(minutes=1), **ended)
        if done:
            _note(by, f"{action} bulk", operation)
    return bool(done)


def _note(by: Actor, action: str, operation: BulkOperation) -> None:
    AuditEntry.by(
        by,
        action=action,
        target_type="bulk",
        target_id=operation.public_id,
        reason=operation.reason,
        filter=operation.filter,
        count=operation.total if operation.total is not None else operation.at_least,
    ).save(force_insert=True)
