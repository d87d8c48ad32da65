"""When made-up runs are created: by day more than by night, on weekdays more than at weekends."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000_000
# Weights of the hours of a day, UTC.
_DAY = (
    5, 4, 4, 4, 5, 8, 18, 45, 80, 100, 98, 92, 75, 86, 96, 92, 84, 62, 38, 24, 17, 12, 9, 7,
)  # fmt: skip
_WEEK = (1.0, 1.04, 1.02, 1.0, 0.9, 0.28, 0.2)
# Use grows by this much from the first day to the last.
_GROWTH = 1.6


class Calendar:
    """Places `count` runs in the days before `until`. Later numbers are later."""

    def __init__(self, count: int, until: datetime, days: int, seed: int) -> None:
        self.count = count
        self.until = (until - EPOCH) // timedelta(microseconds=1)
        hours = days * 24
        self._begin = self.until - hours * _HOUR
        self._ends = list(accumulate(self._weight(hour, hours) for hour in range(hours)))
        # Hours in which something that all depend on was away.
        rng = random.Random(f"{seed} outages")
        self._outages: set[int] = set()
        for first in rng.sample(range(hours), max(1, days // 18)):
            self._outages.update(range(first, first + rng.randrange(1, 6)))

    def _weight(self, hour: int, hours: int) -> float:
        at = EPOCH + timedelta(microseconds=self._begin + hour * _HOUR)
        return _DAY[at.hour] * _WEEK[at.weekday()] * (1 + (_GROWTH - 1) * hour / hours)

    def at(self, number: int, jitter: float) -> int:
        """Microseconds since 1970 at which run `number` is created; `jitter` is in [0, 1)."""
        target = (number + jitter) / self.count * self._ends[-1]
        hour = min(bisect_right(self._ends, target), len(self._ends) - 1)
        before = self._ends[hour - 1] if hour else 0.0
        part = (target - before) / (self._ends[hour] - before)
        return self._begin + int((hour + part) * _HOUR)

    def is_outage(self, at: int) -> bool:
        return (at - self._begin) // _HOUR in self._outages
