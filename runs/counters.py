"""Counts what happens in all processes of the portal, in Redis, for whoever graphs it.

A count costs its caller nothing but an addition: a thread sends what was added, once a second at
most. While Redis is away the counts wait; a process that is killed takes the last second with it.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

KEY = "portal:counters"
EVERY = 1.0
AGAIN = 10.0
# What is counted.
EVENTS = "events_ingested"
DUPLICATES = "events_duplicate"
REFUSED = "events_refused"
ERRORS = "errors"
# Of a source, behind its name: events that came from it, and those of them that were refused.
RECEIVED_FROM, REFUSED_FROM = "received_from:", "refused_from:"

_lock = threading.Lock()
_added: Counter[str] = Counter()
_timer: list[threading.Timer] = []


def add(name: str, count: int = 1) -> None:
    if count <= 0:
        return
    with _lock:
        _added[name] += count
        if not _timer:
            _send_after(EVERY)


def flush() -> None:
    """Send what was added; what cannot be sent waits for the next time."""
    with _lock:
        _timer.clear()
        sent, counts = dict(_added), _added
        counts.clear()
    if not sent:
        return
    try:
        with _client() as client, client.pipeline() as pipe:
            for name, count in sent.items():
                pipe.hincrby(KEY, name, count)
            pipe.execute()
    except (redis.RedisError, OSError):
        with _lock:
            _added.update(sent)
            if not _timer:
                _send_after(AGAIN)


def read(client: redis.Redis) -> dict[str, int]:
    found: Any = client.hgetall(KEY)
    return {name: int(found.get(name, 0)) for name in (EVENTS, DUPLICATES, REFUSED, ERRORS)}


def of_sources(client: redis.Redis) -> dict[str, tuple[int, int]]:
    """By source: events received, and those of them refused, since the counters began."""
    found: Any = client.hgetall(KEY)
    received = {
        name.removeprefix(RECEIVED_FROM): int(count)
        for name, count in found.items()
        if name.startswith(RECEIVED_FROM)
    }
    return {
        name: (count, int(found.get(f"{REFUSED_FROM}{name}", 0)))
        for name, count in received.items()
    }


def _send_after(seconds: float) -> None:
    timer = threading.Timer(seconds, flush)
    timer.daemon = True
    _timer.append(timer)
    # At the interpreter's end no thread can be started any more, nor is one needed.
    with suppress(RuntimeError):
        timer.start()


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def _after_fork() -> None:
    """A child has neither the timer of its parent nor a part in what that has counted."""
    global _lock  # noqa: PLW0603 (which the parent's other threads may hold)
    _lock = threading.Lock()
    _added.clear()
    _timer.clear()


os.register_at_fork(after_in_child=_after_fork)
