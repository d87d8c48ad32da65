"""The engine's time: the database's, told by this host's clock and what that is off by.

Leases and pauses are set by one host and judged by another. A host whose clock is wrong, or is set
while it works, must neither lose what it holds nor take what others hold.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from django.utils import timezone

from runs.driver import plain_cursor

# Seconds between two looks at the database's clock.
KEPT = 60.0
# What hosts differ by anyway, and what asking takes: less is no error.
TOLERANCE = timedelta(seconds=0.5)
# It goes on while the host sleeps, where there is such a clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """One a process. `keep` asks the database now and then; `now` asks nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._off = timedelta(0)
        self._seen: tuple[datetime, float] | None = None
        self._kept_until = 0.0

    def now(self) -> datetime:
        with self._lock:
            wall, steady = _both()
            if self._seen is not None:
                # The host's clock was set: that is no reason for time to jump.
                jump = wall - self._seen[0] - timedelta(seconds=steady - self._seen[1])
                if abs(jump) > TOLERANCE:
                    self._off -= jump
            self._seen = wall, steady
            return wall + self._off

    def keep(self) -> None:
        """Look at the database's clock when it is time to. Outside of a transaction."""
        if time.clock_gettime(_STEADY) < self._kept_until:
            return
        with plain_cursor() as cursor:
            begun = timezone.now()
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
            ended = timezone.now()
        assert row is not None  # it is one by nature
        off = row[0] - begun - (ended - begun) / 2
        # An answer that took long tells little.
        told = abs(off) > TOLERANCE + (ended - begun) / 2
        with self._lock:
            self._off = off if told else timedelta(0)
            self._seen = None
            self._kept_until = time.clock_gettime(_STEADY) + KEPT


def _both() -> tuple[datetime, float]:
    """This host's clock, and the steady one at that moment."""
    while True:
        before = time.clock_gettime(_STEADY)
        wall = timezone.now()
        steady = time.clock_gettime(_STEADY)
        # On a busy host this thread may have been put to sleep between the two.
        if steady - before < TOLERANCE.total_seconds() / 10:
            return wall, steady


clock = Clock()
