"""Signs of life of workers and beat: one sorted set in Redis, who → time by Redis's own clock."""

from functools import cache
from typing import Any, NamedTuple

import redis
import redis.asyncio
from django.conf import settings

KEY = "portal:heartbeats"
EVERY = 5
# Seconds of silence after which a process counts as gone, and after which it is forgotten.
ALIVE = 15
REMEMBERED = 86_400

_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
}


class Process(NamedTuple):
    """Who gives signs of life: a worker, with the queues it takes from, or beat."""

    kind: str
    name: str
    queues: tuple[str, ...] = ()


def give(process: Process) -> None:
    now, _ = _client().time()
    with _client().pipeline() as pipe:
        pipe.zadd(KEY, {_written(process): now})
        pipe.zremrangebyscore(KEY, "-inf", now - REMEMBERED)
        pipe.execute()


def forget(process: Process) -> None:
    _client().zrem(KEY, _written(process))


def forget_all() -> None:
    _client().delete(KEY)


def ages() -> dict[Process, int]:
    """Seconds since each process gave its last sign."""
    with _client().pipeline(transaction=False) as pipe:
        return _read(_ask(pipe).execute())


async def ages_async() -> dict[Process, int]:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, **_OPTIONS)
    async with client, client.pipeline(transaction=False) as pipe:
        return _read(await _ask(pipe).execute())


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, **_OPTIONS)


def _written(process: Process) -> str:
    return " ".join((process.kind, process.name, *process.queues))


def _ask(pipe: Any) -> Any:
    pipe.time()
    return pipe.zrange(KEY, 0, -1, withscores=True)


def _read(answer: Any) -> dict[Process, int]:
    (now, _), signs = answer
    ages = {}
    for written, then in signs:
        kind, name, *queues = written.split(" ")
        ages[Process(kind, name, tuple(queues))] = int(now - then)
    return ages
