"""An operation's work, step by step.

A step is one transaction: it locks the operation, does the act to the next runs, writes what became
of each, and moves the cursor. Killed at any point, it has happened as a whole or not at all; two
workers at one operation take turns. Of an export, which writes files beside, see `export_work`.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from runs import cold_reading
from runs.actors import Actor
from runs.bulk import export_work, kinds, progress, restore_work, selection
from runs.bulk.progress import Moved, Results
from runs.cold_reading import Inputs
from runs.engine.patience import is_passing
from runs.lifecycle import Outcome
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus
from runs.stuck import rescue
from runs.stuck.finding import Finding

logger = logging.getLogger(__name__)

# Seconds for which a task works on before it makes room for other operations.
SLICE = 2.0
# One that has moved less lately than this may have lost its message.
REST = timedelta(seconds=5)
_MORE = "More runs match its filter than the {:,} that were expected at most: it ended before them."
# What waits for storage, and so is no single transaction.
BESIDE = {BulkKind.EXPORT: export_work.step, BulkKind.RESTORE: restore_work.step}


class Ahead(NamedTuple):
    """What was read before a step's transaction; `run_ids` of which runs, None: of none."""

    run_ids: frozenset[uuid.UUID] | None = None
    inputs: Inputs = Inputs()
    findings: Sequence[Finding] = ()


def work(operation_id: uuid.UUID, seconds: float = SLICE) -> bool:
    """Step after step for a while; whether it is to be gone on with."""
    ended = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        moved, visited, rate = step(operation_id)
        if moved is not Moved.ON:
            return False
        if rate:
            pause = visited / rate - (time.monotonic() - begun)
            time.sleep(max(0.0, min(pause, seconds)))
        if time.monotonic() >= ended:
            return True


def step(operation_id: uuid.UUID) -> tuple[Moved, int, int | None]:
    """The next runs; gives how many were visited, and the operation's limit a second."""
    begun = time.monotonic()
    ahead = _ahead(operation_id)
    with transaction.atomic():
        locked = BulkOperation.objects.select_for_update(skip_locked=True, of=("self",))
        operation = locked.filter(pk=operation_id).first()
        if operation is None:
            return Moved.BUSY, 0, None
        if operation.state != BulkState.RUNNING:
            return Moved.OUT, 0, None
        now = timezone.now()
        most = operation.options.get("at_most")
        if most is not None and operation.visited >= most:
            _end(operation, most, now)
            return Moved.OUT, 0, None
        if operation.kind not in BESIDE:
            return _do(operation, now, begun, ahead)
        if not export_work.take(operation, now):
            return Moved.BUSY, 0, None
    # Storage is waited for outside of any transaction.
    moved, visited = BESIDE[BulkKind(operation.kind)](operation, _size(operation), begun)
    return moved, visited, operation.rate


def _ahead(operation_id: uuid.UUID) -> Ahead:
    """What a retry needs of storage, and a rescue of the broker: their transaction waits for
    neither."""
    kinds_ahead = (BulkKind.RETRY, BulkKind.RESCUE)
    kind = BulkOperation.objects.filter(pk=operation_id, kind__in=kinds_ahead)
    operation = kind.filter(state=BulkState.RUNNING).first()
    # From the failed node on only what is in the database is retried.
    if operation is None or operation.options.get("from_failed"):
        return Ahead()
    run_ids = selection.following(operation, _size(operation)).run_ids
    if operation.kind == BulkKind.RESCUE:
        found = rescue.findings_of(run_ids, timezone.now())
        return Ahead(frozenset(run_ids), findings=found)
    return Ahead(frozenset(run_ids), cold_reading.inputs_of(run_ids))


def _do(
    operation: BulkOperation, now: datetime, begun: float, ahead: Ahead
) -> tuple[Moved, int, int | None]:
    """Within the transaction that locked it."""
    found = selection.following(operation, _size(operation))
    run_ids = _within(operation, found.run_ids)
    if len(run_ids) < len(found.run_ids):
        found = selection.cut(found, run_ids)
    if not run_ids and not found.gone:
        progress.finish(operation, now)
        return Moved.OUT, 0, None
    if ahead.run_ids is not None and not ahead.run_ids.issuperset(run_ids):
        # Another worker has done these meanwhile: others are next.
        return Moved.ON, 0, operation.rate
    results = Results()
    for run_id in found.gone:
        results.say(run_id, OutcomeStatus.SKIPPED, "it is not there any more")
    if run_ids:
        _act(operation, run_ids, results, now, ahead)
    progress.advance(operation, found, results, now, time.monotonic() - begun)
    return Moved.ON, len(results.rows), operation.rate


def actor_of(operation: BulkOperation) -> Actor:
    return Actor(
        name=operation.actor,
        ref_type=operation.ref_type,
        ref_id=operation.ref_id,
        address=operation.address,
        via=operation.via,
    )


def _size(operation: BulkOperation) -> int:
    most = kinds.CHUNK.get(BulkKind(operation.kind), kinds.USUAL_CHUNK)
    if (expected := operation.options.get("at_most")) is not None:
        most = min(most, expected - operation.visited)
    return max(1, min(most, operation.rate or most))


def _end(operation: BulkOperation, most: int, now: datetime) -> None:
    """It has visited as many as were expected at most."""
    if selection.following(operation, 1).run_ids:
        progress.stop(operation, _MORE.format(most), now)
    else:
        progress.finish(operation, now)


def _within(operation: BulkOperation, run_ids: list[uuid.UUID]) -> list[uuid.UUID]:
    """As many of them as one short transaction deletes with their events."""
    if operation.kind != BulkKind.DELETE:
        return run_ids
    sizes = dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "last_seq"))
    total = 0
    for place, run_id in enumerate(run_ids):
        total += sizes.get(run_id, 0)
        if place and total > kinds.DELETED_EVENTS:
            return run_ids[:place]
    return run_ids


def _act(
    operation: BulkOperation,
    run_ids: Sequence[uuid.UUID],
    results: Results,
    now: datetime,
    ahead: Ahead,
) -> None:
    """All at once; where that fails, one by one: one bad run must not stop a million others."""
    by = actor_of(operation)

    def do(some: Sequence[uuid.UUID]) -> None:
        with transaction.atomic():
            came = kinds.do(operation, some, by, now, ahead.inputs, ahead.findings)
            _take(results, some, came, ahead.inputs)

    try:
        do(run_ids)
        return
    except Exception as error:
        if is_passing(error):
            raise
        if len(run_ids) > 1:
            logger.warning("%s: a step goes on run by run: %s", operation.public_id, error)
    for run_id in run_ids:
        try:
            do([run_id])
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("%s: run %s", operation.public_id, run_id)
            results.say(run_id, OutcomeStatus.FAILED, f"{type(error).__name__}: {error}")


def _take(results: Results, run_ids: Sequence[uuid.UUID], came: Outcome, archived: Inputs) -> None:
    for run_id in run_ids:
        if run_id in came.done:
            new_run = came.done[run_id]
            results.say(run_id, OutcomeStatus.DONE, "", new_run if new_run != run_id else None)
        else:
            why = came.skipped.get(run_id, "it is not there any more")
            # What storage did not give may be tried again.
            is_lost = why == archived.missing.get(run_id)
            results.say(run_id, OutcomeStatus.FAILED if is_lost else OutcomeStatus.SKIPPED, why)
