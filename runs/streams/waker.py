"""What one stream waits on: more to send, or the time to say that it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Waker:
    """Its timer runs through: setting one for each wait would cost more than most else."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._is_woken = False
        self._due = 0.0
        self._waiting: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(seconds, self._look)

    def wake(self) -> None:
        self._is_woken = True
        self._rouse()

    def clear(self) -> None:
        self._is_woken = False

    async def wait(self) -> bool:
        """Until it is woken, which may have been since it was cleared. False when nobody did so
        for as long as it is to wait."""
        if not self._is_woken:
            self._due = self._loop.time() + self._seconds
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._is_woken

    def close(self) -> None:
        self._timer.cancel()

    def _rouse(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _look(self) -> None:
        left = self._due - self._loop.time() if self._waiting is not None else self._seconds
        if left <= 0:
            self._rouse()
            left = self._seconds
        self._timer = self._loop.call_later(left, self._look)


@contextmanager
def listening(wakers: set[Waker], seconds: float) -> Iterator[Waker]:
    """One more among those who are woken."""
    waker = Waker(seconds)
    wakers.add(waker)
    try:
        yield waker
    finally:
        wakers.discard(waker)
        waker.close()
