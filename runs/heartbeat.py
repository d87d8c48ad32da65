"""Signs of life of workers, beat and streams: one sorted set in Redis, who → time by Redis's own
clock; and beside it for a while what each tells of itself."""

import json
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
# Seconds for which it is kept what a process tells of itself.
TOLD = 60

_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
}


class Process(NamedTuple):
    """Who gives signs of life: a worker, with the queues it takes from, beat, or a process with
    streams."""

    kind: str
    name: str
    queues: tuple[str, ...] = ()


class Sign(NamedTuple):
    """The last one of a process: seconds since, and what it told of itself, if it is alive."""

    process: Process
    age: int
    told: dict[str, Any]


def give(process: Process, told: dict[str, Any] | None = None) -> None:
    now, _ = _client().time()
    with _client().pipeline() as pipe:
        pipe.zadd(KEY, {_written(process): now})
        if told is not None:
            pipe.set(_told_key(process), json.dumps(told), ex=TOLD)
        pipe.zremrangebyscore(KEY, "-inf", now - REMEMBERED)
        pipe.execute()


def forget(process: Process) -> None:
    with _client().pipeline() as pipe:
        pipe.zrem(KEY, _written(process))
        pipe.delete(_told_key(process))
        pipe.execute()


def forget_all() -> None:
    _client().delete(KEY)


def ages() -> dict[Process, int]:
    """Seconds since each process gave its last sign."""
    with _client().pipeline(transaction=False) as pipe:
        return _read(_ask(pipe).execute())


def signs(client: redis.Redis) -> list[Sign]:
    """The last sign of each process, and what it tells."""
    with client.pipeline(transaction=False) as pipe:
        found = _read(_ask(pipe).execute())
    told = client.mget([_told_key(process) for process in found]) if found else []
    return [
        Sign(process, age, json.loads(text) if text else {})
        for (process, age), text in zip(found.items(), told, strict=True)
    ]


async def ages_async() -> dict[Process, int]:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, **_OPTIONS)
    async with client, client.pipeline(transaction=False) as pipe:
        return _read(await _ask(pipe).execute())


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, **_OPTIONS)


def _told_key(process: Process) -> str:
    return f"{KEY}:{_written(process)}"


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
