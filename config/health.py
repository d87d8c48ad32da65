"""``/healthz``: whether every part of the portal is up.

Plain ASGI in front of Django, so that neither a session, nor a host check, nor a redirect stands
between a probe and its answer. The answer takes two seconds at most, whatever hangs, and however
many ask, each server is asked by one of them at a time.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

import psycopg
import redis
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from config import heartbeat

PATIENCE = 1.5
# Seconds for which a finding is given to others who ask.
FRESH = 1.0
# A connection on which nothing comes back ends by itself.
IMPATIENT = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}

Parts = dict[str, str]


class Probe:
    """A look at a server, shared by all who ask while it is under way or fresh."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, Parts]], silent: Parts) -> None:
        self._look = look
        self._silent = silent
        self._task: asyncio.Task[Parts] | None = None
        self._begun = 0.0

    async def parts(self) -> Parts:
        """What was found, or `silent` where that takes too long.

        A look that takes too long goes on: to cancel it could take longer still, and there is
        never more than this one.
        """
        task = self._task
        if task is None or self._is_over(task):
            task = self._task = asyncio.create_task(self._look())
            self._begun = time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return task.result() if done else self._silent

    def _is_over(self, task: asyncio.Task[Parts]) -> bool:
        if task.get_loop() is not asyncio.get_running_loop():
            return True
        return task.done() and time.monotonic() - self._begun > FRESH


async def health(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The ASGI application."""
    found = await asyncio.gather(_database.parts(), _broker.parts())
    parts = {**found[0], **found[1]}
    up = set(parts.values()) == {"ok"}
    body = json.dumps({"status": "ok" if up else "starting", "parts": parts}).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200 if up else 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _look_at_database() -> Parts:
    parameters = {**connections["default"].get_connection_params(), **IMPATIENT}
    # A connection of its own: the pool's may all be busy, and a hung one is not given back.
    del parameters["cursor_factory"]
    try:
        async with await psycopg.AsyncConnection.connect(**parameters) as connection:
            missing = await _missing_migrations(connection)
    except (psycopg.Error, OSError):
        return DATABASE_SILENT
    return {"database": "ok", "migrations": "pending" if missing else "ok"}


async def _missing_migrations(connection: psycopg.AsyncConnection[Any]) -> bool:
    global _migrated
    if _migrated:
        await connection.execute("SELECT 1")
        return False
    wanted = await asyncio.to_thread(_migrations)
    try:
        rows = await connection.execute("SELECT app, name FROM django_migrations")
        _migrated = wanted.issubset([tuple(row) async for row in rows])
    except psycopg.errors.UndefinedTable:
        return True
    return not _migrated


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).graph.nodes)


async def _look_at_broker() -> Parts:
    try:
        ages = await heartbeat.ages_async()
    except (redis.RedisError, OSError):
        return BROKER_SILENT
    alive = [name for name, age in ages.items() if age <= heartbeat.ALIVE]
    return {
        "broker": "ok",
        **{
            part: "ok" if any(name.startswith(prefix) for name in alive) else "missing"
            for part, prefix in (("worker", heartbeat.WORKER), ("beat", heartbeat.BEAT))
        },
    }


DATABASE_SILENT = {"database": "no answer", "migrations": "unknown"}
BROKER_SILENT = {"broker": "no answer", "worker": "unknown", "beat": "unknown"}
_database = Probe(_look_at_database, DATABASE_SILENT)
_broker = Probe(_look_at_broker, BROKER_SILENT)
# Once all are applied none is missing until the next release, which is another process.
_migrated = False
