"""An execution in the hands of one worker, for as long as its lease holds.

The lease's end is also the worker's token: whoever finds another one there has lost it, and moves
the cursor no more. What such a worker has done all the same is counted, and does no harm: each step
may be done twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from retention import executions
from retention.models import Execution, Finding
from retention.models.execution import ExecutionState

# For how long nobody else has it, and thus for how long it rests when its worker was killed.
LEASE = timedelta(seconds=60)
# Findings that are kept as rows; the others are only counted.
MOST_FINDINGS = 10_000
# Between two tries while something is in the way; and after how long it gives up.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
GIVES_UP = timedelta(hours=6)
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(slots=True)
class Taken:
    execution: Execution
    token: datetime
    # When the present slice is over, by the monotonic clock; and when it was counted last.
    until: float
    counted: float = field(default_factory=time.monotonic)

    @property
    def cursor(self) -> dict[str, Any]:
        return self.execution.cursor

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def keep(self, more: timedelta = timedelta(0)) -> bool:
        """Have it for longer; False where it was aborted, or somebody else has it."""
        later = timezone.now() + LEASE + more
        own = Execution.objects.filter(
            pk=self.execution.pk, taken_until=self.token, state=ExecutionState.RUNNING
        )
        if not own.update(taken_until=later):
            return False
        self.token = later
        return True

    @contextmanager
    def locked(self) -> Iterator[Execution | None]:
        """A transaction in which nobody aborts it; None where it is no longer to be worked at."""
        with transaction.atomic():
            row = Execution.objects.select_for_update().get(pk=self.execution.pk)
            yield row if row.is_running and row.taken_until == self.token else None

    def write(
        self,
        row: Execution,
        cursor: dict[str, Any],
        *,
        findings: Sequence[Finding] = (),
        report: dict[str, Any] | None = None,
        moved: bool = True,
        figures: Mapping[str, int] = NOTHING,
    ) -> None:
        """Where it stands, and what was done since. Within the transaction that locked it. Not
        `moved`: whether what was in its way is over does not show yet."""
        now = timezone.now()
        self._count(row, now, findings, figures)
        more: dict[str, Any] = {"report": report} if report is not None else {}
        if moved:
            more |= {"trouble": "", "trouble_since": None, "tries": 0, "next_at": None}
        Execution.objects.filter(pk=row.pk).update(cursor=cursor, **more)
        self.execution.cursor = cursor
        if moved:
            self.execution.tries = 0
        if report is not None:
            self.execution.report = report

    def commit(
        self,
        cursor: dict[str, Any],
        *,
        findings: Sequence[Finding] = (),
        report: dict[str, Any] | None = None,
        moved: bool = True,
        figures: Mapping[str, int] = NOTHING,
    ) -> bool:
        """The same in a transaction of its own; whether it is to be gone on with."""
        with self.locked() as row:
            if row is not None:
                self.write(
                    row, cursor, findings=findings, report=report, moved=moved, figures=figures
                )
                return True
            # Aborted, or lost: what was done was done.
            found = Execution.objects.get(pk=self.execution.pk)
            self._count(found, found.moved_at, findings, figures)
        return False

    def _count(
        self, row: Execution, now: datetime, findings: Sequence[Finding], figures: Mapping[str, int]
    ) -> None:
        room = max(0, MOST_FINDINGS - row.found)
        for finding in findings:
            finding.execution, finding.at = row, now
        Finding.objects.bulk_create(findings[:room])
        instant = time.monotonic()
        spent, self.counted = instant - self.counted, instant
        Execution.objects.filter(pk=row.pk).update(
            moved_at=now,
            worked=F("worked") + timedelta(seconds=spent),
            found=F("found") + len(findings),
            **{name: F(name) + count for name, count in figures.items() if count},
        )

    def finish(self) -> list[Execution]:
        """It is through; gives what is begun after it."""
        with self.locked() as row:
            if row is None:
                return []
            now = timezone.now()
            Execution.objects.filter(pk=row.pk).update(taken_until=None, trouble="")
            executions.end(row, ExecutionState.FINISHED, now)
            return executions.following(row, now)

    def release(self) -> None:
        own = Execution.objects.filter(pk=self.execution.pk, taken_until=self.token)
        own.update(taken_until=None)

    def wait(self, told: str) -> None:
        """Something is in its way: it is tried again after a while, and given up after hours.

        Also where somebody else has it by now: what takes longer than the lease lasts would else
        be met by one worker after the other, and never be said. Whoever moves it takes it back."""
        now = timezone.now()
        with transaction.atomic():
            row = Execution.objects.select_for_update().get(pk=self.execution.pk)
            if not row.is_running:
                return
            since = row.trouble_since or now
            fields: dict[str, Any] = {
                "trouble": told[:500], "trouble_since": since, "tries": row.tries + 1,
            }  # fmt: skip
            if row.taken_until == self.token:
                pause = min(FIRST_PAUSE * 2 ** min(row.tries, 10), LONGEST_PAUSE)
                fields |= {"next_at": now + pause, "moved_at": now, "taken_until": None}
            Execution.objects.filter(pk=row.pk).update(**fields)
            if now - since >= GIVES_UP:
                executions.end(row, ExecutionState.FAILED, now)


def take(execution_id: uuid.UUID, seconds: float) -> Taken | None:
    """For this worker alone; None where it has ended, rests for a while, or somebody has it."""
    now = timezone.now()
    token = now + LEASE
    free = Q(taken_until=None) | Q(taken_until__lte=now)
    due = Q(next_at=None) | Q(next_at__lte=now)
    found = Execution.objects.filter(free, due, pk=execution_id, state=ExecutionState.RUNNING)
    if not found.update(taken_until=token, moved_at=now):
        return None
    execution = Execution.objects.get(pk=execution_id)
    return Taken(execution, token, time.monotonic() + seconds)
