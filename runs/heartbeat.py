"""Signs of life of workers and beat: one sorted set in Redis, name → time by Redis's own clock."""

from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings

KEY = "portal:heartbeats"
EVERY = 5
# Seconds of silence after which a process counts as gone, and after which it is forgotten.
ALIVE = 15
REMEMBERED = 86_400

WORKER = "worker:"
BEAT = "beat:"

_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
}


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, **_OPTIONS)


def give(name: str) -> None:
    now, _ = _client().time()
    with _client().pipeline() as pipe:
        pipe.zadd(KEY, {name: now})
        pipe.zremrangebyscore(KEY, "-inf", now - REMEMBERED)
        pipe.execute()


def forget(name: str) -> None:
    _client().zrem(KEY, name)


def forget_all() -> None:
    _client().delete(KEY)


def ages() -> dict[str, int]:
    """Seconds since each process gave its last sign."""
    with _client().pipeline(transaction=False) as pipe:
        return _read(_ask(pipe).execute())


async def ages_async() -> dict[str, int]:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, **_OPTIONS)
    async with client, client.pipeline(transaction=False) as pipe:
        return _read(await _ask(pipe).execute())


def _ask(pipe: Any) -> Any:
    pipe.time()
    return pipe.zrange(KEY, 0, -1, withscores=True)


def _read(answer: Any) -> dict[str, int]:
    (now, _), signs = answer
    return {name: int(now - then) for name, then in signs}
