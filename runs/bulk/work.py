"""An operation's work, step by step.

A step is one transaction: it locks the operation, does the act to the next runs, writes what became
of each, and moves the cursor. Killed at any point, it has happened as a whole or not at all; two
workers at one operation take turns.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from runs.actors import Actor
from runs.bulk import kinds, selection
from runs.engine.patience import is_passing
from runs.lifecycle import Outcome
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind, BulkState, OutcomeStatus

logger = logging.getLogger(__name__)

# Seconds for which a task works on before it makes room for other operations.
SLICE = 2.0
# One that has moved less lately than this may have lost its message.
REST = timedelta(seconds=5)
_INSERT = """
INSERT INTO bulk_outcomes (operation_id, run_id, status, reason, new_run)
SELECT %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[])
"""


class Moved(Enum):
    """What came of a step."""

    ON = auto()
    # It is finished, paused or aborted.
    OUT = auto()
    # Another worker is at it.
    BUSY = auto()


@dataclass(slots=True)
class Results:
    """What became of each run of a step."""

    rows: dict[uuid.UUID, tuple[OutcomeStatus, str, uuid.UUID | None]] = field(default_factory=dict)

    def say(
        self, run_id: uuid.UUID, status: OutcomeStatus, reason: str = "",
        new_run: uuid.UUID | None = None,
    ) -> None:  # fmt: skip
        self.rows[run_id] = (status, reason[:300], new_run)

    def counts(self) -> Counter[OutcomeStatus]:
        return Counter(status for status, _, _ in self.rows.values())


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
        found = selection.following(operation, _size(operation))
        run_ids = _within(operation, found.run_ids)
        if len(run_ids) < len(found.run_ids):
            found = _cut(found, run_ids)
        if not run_ids and not found.gone:
            _finish(operation, now)
            return Moved.OUT, 0, None
        results = Results()
        for run_id in found.gone:
            results.say(run_id, OutcomeStatus.SKIPPED, "it is not there any more")
        if run_ids:
            _act(operation, run_ids, results, now)
        _write(operation, results)
        counts = results.counts()
        BulkOperation.objects.filter(pk=operation.pk).update(
            cursor_at=found.cursor_at,
            cursor_id=found.cursor_id,
            visited=F("visited") + len(results.rows),
            done=F("done") + counts[OutcomeStatus.DONE],
            skipped=F("skipped") + counts[OutcomeStatus.SKIPPED],
            failed=F("failed") + counts[OutcomeStatus.FAILED],
            moved_at=now,
            worked=F("worked") + timedelta(seconds=time.monotonic() - begun),
            trouble="",
        )
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


def _cut(found: selection.Next, run_ids: list[uuid.UUID]) -> selection.Next:
    """The same with fewer runs: the cursor stands behind the last of them."""
    last = run_ids[-1]
    at = None
    if found.cursor_at is not None:
        at = Run.objects.values_list("created_at", flat=True).get(pk=last)
    return selection.Next(run_ids, at, last, [each for each in found.gone if each < last])


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


def _write(operation: BulkOperation, results: Results) -> None:
    rows = results.rows
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                operation.pk,
                list(rows),
                [status.value for status, _, _ in rows.values()],
                [reason for _, reason, _ in rows.values()],
                [new_run for _, _, new_run in rows.values()],
            ],
        )


def _finish(operation: BulkOperation, now: datetime) -> None:
    BulkOperation.objects.filter(pk=operation.pk).update(
        state=BulkState.FINISHED,
        ended_at=now,
        moved_at=now,
        total=F("visited"),
        trouble="",
    )
