"""``/healthz``: whether every part of the portal is up. ``/readyz``: whether this process can
answer, for who shares requests out: workers and beat are no part of that.

Plain ASGI in front of Django, so that neither a session, nor a host check, nor a redirect stands
between a probe and its answer. The answer takes two seconds at most, whatever hangs, and however
many ask, each server is asked by one of them at a time.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Protocol

import psycopg
import redis
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from runs import heartbeat

PATIENCE = 1.5
# Seconds for which a finding is given to others who ask.
FRESH = 0.5
# What a process needs to answer requests.
READY = ("database", "migrations", "broker")

Parts = dict[str, str]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Server(Protocol):
    silent: Parts

    async def look(self) -> Parts:
        """What is up of it and behind it."""


class Probe:
    """A look at a server, shared by all who ask while it is under way or fresh."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._task: asyncio.Task[Parts] | None = None
        self._begun = 0.0

    async def parts(self) -> Parts:
        """What was found, or its silence where that takes too long.

        A look that takes too long goes on: to cancel it could take longer still, and there is
        never more than this one.
        """
        task = self._task
        if task is None or self._is_over(task):
            task = self._task = asyncio.create_task(self._server.look())
            self._begun = time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return task.result() if done else self._server.silent

    def _is_over(self, task: asyncio.Task[Parts]) -> bool:
        if task.get_loop() is not asyncio.get_running_loop():
            return True
        return task.done() and time.monotonic() - self._begun > FRESH


async def findings() -> Parts:
    """Each part of the portal, and "ok" or what is wrong with it."""
    found = await asyncio.gather(database.parts(), broker.parts())
    return {**found[0], **found[1]}


async def health(_scope: object, _receive: object, send: Send) -> None:
    """The ASGI application for ``/healthz``."""
    await _tell(await findings(), send)


async def readiness(_scope: object, _receive: object, send: Send) -> None:
    """The ASGI application for ``/readyz``."""
    parts = await findings()
    await _tell({name: parts[name] for name in READY}, send)


async def _tell(parts: Parts, send: Send) -> None:
    up = set(parts.values()) == {"ok"}
    body = json.dumps({"status": "ok" if up else "not ready", "parts": parts}).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200 if up else 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Database:
    """The database, and whether its tables are those of this release."""

    silent: Parts = {"database": "no answer", "migrations": "unknown"}

    def __init__(self) -> None:
        # Once all are applied none is missing until the next release, which is another process.
        self._migrated = False

    async def look(self) -> Parts:
        parameters = {**connections["default"].get_connection_params(), "connect_timeout": 2}
        del parameters["cursor_factory"]
        try:
            # A connection of its own: the pool's may all be busy, and a hung one is not given back.
            async with await psycopg.AsyncConnection.connect(**parameters) as connection:
                self._migrated = self._migrated or await _is_migrated(connection)
                await connection.execute("SELECT 1")
        except (psycopg.Error, OSError):
            return self.silent
        return {"database": "ok", "migrations": "ok" if self._migrated else "pending"}


async def _is_migrated(connection: psycopg.AsyncConnection[Any]) -> bool:
    wanted = await asyncio.to_thread(migrations)
    cursor = await connection.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
    if not (await cursor.fetchone() or (False,))[0]:
        return False
    rows = await connection.execute("SELECT app, name FROM django_migrations")
    return wanted.issubset([(app, name) async for app, name in rows])


@cache
def migrations() -> frozenset[tuple[str, str]]:
    """All that this release brings."""
    return frozenset(MigrationLoader(None).graph.nodes)


class Broker:
    """Redis, and the processes that give signs of life there."""

    silent: Parts = {"broker": "no answer", "worker": "unknown", "beat": "unknown"}

    async def look(self) -> Parts:
        try:
            ages = await heartbeat.ages_async()
        except (redis.RedisError, OSError):
            return self.silent
        alive = [process for process, age in ages.items() if age <= heartbeat.ALIVE]
        unserved = queues().difference(*(process.queues for process in alive))
        beats = any(process.kind == "beat" for process in alive)
        return {
            "broker": "ok",
            "worker": f"missing for {', '.join(sorted(unserved))}" if unserved else "ok",
            "beat": "ok" if beats else "missing",
        }


def queues() -> frozenset[str]:
    """The queues that some worker has to take from."""
    routed = (route["queue"] for route in settings.CELERY_TASK_ROUTES.values())
    return frozenset([settings.CELERY_TASK_DEFAULT_QUEUE, *routed])


database = Probe(Database())
broker = Probe(Broker())
