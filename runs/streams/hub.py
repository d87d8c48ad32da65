"""What a web process has once: the subscription, the feeds, the notices, the guard."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import redis

from runs import heartbeat
from runs.live import Bell
from runs.streams.access import Guard
from runs.streams.database import Readers
from runs.streams.feeds import Feeds
from runs.streams.notices import Notices
from runs.streams.subscription import Subscription

logger = logging.getLogger(__name__)

# Connections to the database: one for the feeds and for checking again who listens, the others for
# clients that come and that catch up.
FEED_THREADS = 1
CLIENT_THREADS = 2
# Seconds between two looks at the log without a bell, and while bells may be lost.
LOOK_SECONDS = 15.0
UNSURE_LOOK_SECONDS = 2.0
# Seconds between two calls to refetch, to pages that show a list, while bells may be lost.
UNSURE_RESET_SECONDS = 10.0


class Hub:
    """Lives in one event loop. Made by the first stream, closed when the server stops."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_closed = False
        self._reset_at = self.loop.time()
        self.clients = Readers(CLIENT_THREADS)
        readers = Readers(FEED_THREADS)
        self.feeds = Feeds(readers, self.clients)
        self.notices = Notices()
        self.guard = Guard(self.clients, readers)
        self._subscription = Subscription(self._heard, self._connected)
        self._tasks = [
            asyncio.create_task(self._keep(name, work))
            for name, work in (
                ("subscription", self._subscription.run),
                ("feeds", self.feeds.run),
                ("guard", self.guard.run),
                ("look", self._look),
                ("signs of life", self._give_signs),
            )
        ]
        _call_at_shutdown(self.close)

    def close(self) -> None:
        """End all streams; their clients come back to the next process."""
        if self.is_closed:
            return
        self.is_closed = True
        self.guard.end_all()
        for task in self._tasks:
            task.cancel()

    def _heard(self, bell: Bell) -> None:
        self.feeds.heard(bell.run_id, bell.last_seq)
        self.notices.heard(bell)

    def _connected(self) -> None:
        self.feeds.fetch_all()
        self._reset()

    async def _look(self) -> None:
        """Look at the log from time to time: a lost bell must delay only."""
        looked = aged = self.loop.time()
        was_sure = True
        while True:
            await asyncio.sleep(UNSURE_LOOK_SECONDS)
            now, sure = self.loop.time(), self._subscription.is_sure
            if not sure or now - looked >= LOOK_SECONDS:
                self.feeds.fetch_all()
                looked = now
            if now - aged >= LOOK_SECONDS:
                self.feeds.age()
                aged = now
            if sure and not was_sure:
                self._reset()
            elif not sure and was_sure:
                self._reset_at = now
            elif not sure and now - self._reset_at >= UNSURE_RESET_SECONDS:
                self._reset()
            was_sure = sure

    async def _give_signs(self) -> None:
        """Whoever looks at the services sees how many listen here."""
        process = heartbeat.Process("streams", f"{os.getpid()}@{socket.gethostname()}")
        since = time.time()
        while True:
            told = {
                "since": since,
                "clients": self.guard.count,
                "sure": self._subscription.is_sure,
            }
            with suppress(redis.RedisError):  # silence is what tells of it
                await asyncio.to_thread(heartbeat.give, process, told)
            await asyncio.sleep(heartbeat.EVERY)

    def _reset(self) -> None:
        self.notices.reset()
        self._reset_at = self.loop.time()

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Without one of its parts a hub would go silent unnoticed: begin it anew."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("streams: the %s failed", name)
                await asyncio.sleep(1)


# The one of the running loop; a process has one loop, except in tests.
_hubs: list[Hub] = []


def current() -> Hub:
    """This process's hub."""
    if not _hubs or _hubs[0].loop is not asyncio.get_running_loop():
        _hubs[:] = [Hub()]
    return _hubs[0]


def _call_at_shutdown(close: Callable[[], None]) -> None:
    """Call `close` as soon as the server is told to stop.

    A server says so to an application only when all responses have ended, which streams never
    do: it would wait for them as long as it may and then cut them.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue  # the default, which ends the process

        def handle(number: int, frame: FrameType | None, before: Any = before) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(close)
            before(number, frame)

        try:
            signal.signal(number, handle)
        except ValueError:
            return  # not in the main thread, where no signal arrives
