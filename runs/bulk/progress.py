"""What became of the runs of a step, and how far the operation is then."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from django.db import connection
from django.db.models import F

from runs.bulk.selection import Next
from runs.models import BulkOperation
from runs.models.bulk import BulkState, OutcomeStatus

_INSERT = """
INSERT INTO bulk_outcomes (operation_id, at, run_id, status, reason, new_run)
SELECT %s, %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[])
"""


# Seconds that the pace is told of.
LATELY = 10.0


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


def advance(
    operation: BulkOperation, found: Next, results: Results, now: datetime, seconds: float
) -> None:
    """Within the transaction that locked it and did the work of the step."""
    write(operation, results, now)
    counts = results.counts()
    BulkOperation.objects.filter(pk=operation.pk).update(
        cursor_at=found.cursor_at,
        cursor_id=found.cursor_id,
        visited=F("visited") + len(results.rows),
        done=F("done") + counts[OutcomeStatus.DONE],
        skipped=F("skipped") + counts[OutcomeStatus.SKIPPED],
        failed=F("failed") + counts[OutcomeStatus.FAILED],
        moved_at=now,
        worked=F("worked") + timedelta(seconds=seconds),
        pace=_pace(operation, len(results.rows), seconds, now),
        taken_until=None,
        trouble="",
    )


def _pace(operation: BulkOperation, visited: int, seconds: float, now: datetime) -> float:
    """Runs a second of late: the longer ago the step before, the less is left of it. By the clock,
    as a limit makes the work a small part of the time."""
    own = visited / max(seconds, 0.001)
    passed = max(seconds, (now - operation.moved_at).total_seconds())
    share = min(1.0, passed / LATELY)
    return own if operation.pace is None else operation.pace + share * (own - operation.pace)


def write(operation: BulkOperation, results: Results, now: datetime) -> None:
    rows = results.rows
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                operation.pk,
                now,
                list(rows),
                [status.value for status, _, _ in rows.values()],
                [reason for _, reason, _ in rows.values()],
                [new_run for _, _, new_run in rows.values()],
            ],
        )


def finish(operation: BulkOperation, now: datetime) -> None:
    BulkOperation.objects.filter(pk=operation.pk).update(
        state=BulkState.FINISHED,
        ended_at=now,
        moved_at=now,
        total=F("visited"),
        taken_until=None,
        trouble="",
    )


def stop(operation: BulkOperation, why: str, now: datetime) -> None:
    """Within the transaction that locked it: it ends by itself, before its end."""
    BulkOperation.objects.filter(pk=operation.pk).update(
        state=BulkState.ABORTED, ended_at=now, moved_at=now, taken_until=None, trouble=why
    )
