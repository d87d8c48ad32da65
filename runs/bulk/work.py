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

from django.db import transaction
from django.utils import timezone

from runs.actors import Actor
from runs.bulk import export_work, kinds, progress, selection
from runs.bulk.progress import Moved, Results
from runs.engine.patience import is_passing
from runs.lifecycle import Outcome
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus

logger = logging.getLogger(__name__)

# Seconds for which a task works on before it makes room for other operations.
SLICE = 2.0
# One that has moved less lately than this may have lost its message.
REST = timedelta(seconds=5)


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
    with transaction.atomic():
        locked = BulkOperation.objects.select_for_update(skip_locked=True, of=("self",))
        operation = locked.filter(pk=operation_id).first()
        if operation is None:
            return Moved.BUSY, 0, None
        if operation.state != BulkState.RUNNING:
            return Moved.OUT, 0, None
        now = timezone.now()
        if operation.kind != BulkKind.EXPORT:
            return _do(operation, now, begun)
        if not export_work.take(operation, now):
            return Moved.BUSY, 0, None
    # Its files are written outside of any transaction.
    moved, visited = export_work.step(operation, _size(operation), begun)
    return moved, visited, operation.rate


def _do(operation: BulkOperation, now: datetime, begun: float) -> tuple[Moved, int, int | None]:
    """Within the transaction that locked it."""
    found = selection.following(operation, _size(operation))
    run_ids = _within(operation, found.run_ids)
    if len(run_ids) < len(found.run_ids):
        found = selection.cut(found, run_ids)
    if not run_ids and not found.gone:
        progress.finish(operation, now)
        return Moved.OUT, 0, None
    results = Results()
    for run_id in found.gone:
        results.say(run_id, OutcomeStatus.SKIPPED, "it is not there any more")
    if run_ids:
        _act(operation, run_ids, results, now)
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
    return max(1, min(most, operation.rate)) if operation.rate else most


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
    operation: BulkOperation, run_ids: Sequence[uuid.UUID], results: Results, now: datetime
) -> None:
    """All at once; where that fails, one by one: one bad run must not stop a million others."""
    by = actor_of(operation)
    try:
        with transaction.atomic():
            _take(results, run_ids, kinds.do(operation, run_ids, by, now))
        return
    except Exception as error:
        if is_passing(error):
            raise
        if len(run_ids) > 1:
            logger.warning("%s: a step goes on run by run: %s", operation.public_id, error)
    for run_id in run_ids:
        try:
            with transaction.atomic():
                _take(results, [run_id], kinds.do(operation, [run_id], by, now))
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("%s: run %s", operation.public_id, run_id)
            results.say(run_id, OutcomeStatus.FAILED, f"{type(error).__name__}: {error}")


def _take(results: Results, run_ids: Sequence[uuid.UUID], came: Outcome) -> None:
    for run_id in run_ids:
        if run_id in came.done:
            new_run = came.done[run_id]
            results.say(run_id, OutcomeStatus.DONE, "", new_run if new_run != run_id else None)
        else:
            why = came.skipped.get(run_id, "it is not there any more")
            results.say(run_id, OutcomeStatus.SKIPPED, why)
