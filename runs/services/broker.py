"""Redis or Valkey: how it is, and what processes and queues stand there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from runs import heartbeat
from runs.engine import registry
from runs.services.finding import Finding, Kind, Status, bytes_words

SECONDS = 1.0
FULL = 0.85
SLOW_MS = 200.0


@dataclass(slots=True)
class Told:
    finding: Finding
    signs: list[heartbeat.Sign] = field(default_factory=list)
    # Messages by queue, and those that workers have taken and not finished.
    depths: dict[str, int] = field(default_factory=dict)
    taken: int = 0


def look() -> Told:
    """Raises what redis raises."""
    asked = client()
    asked.ping()  # a connection of its own may have to be opened first
    begun = time.monotonic()
    asked.ping()
    latency = (time.monotonic() - begun) * 1000
    info: Any = asked.info()
    told = Told(_server(info, latency), heartbeat.signs(asked))
    names = sorted(queues().union(*(sign.process.queues for sign in told.signs)))
    with asked.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(name)
        pipe.hlen("unacked")
        *depths, told.taken = pipe.execute()
    told.depths = dict(zip(names, depths, strict=True))
    return told


def down(error: Exception) -> Finding:
    why = "" if not isinstance(error, redis.RedisError | OSError) else f": {_plain(error)}"
    return Finding(
        "broker", Kind.BROKER, "Valkey or Redis", Status.DOWN, f"Does not answer{why}",
        "Start it again, or look at REDIS_URL. Runs wait meanwhile and lose nothing; pages stay"
        " as they are until it is back.",
    )  # fmt: skip


def queues() -> frozenset[str]:
    """That workers have to take from, as far as is known here."""
    routed = (route["queue"] for route in settings.CELERY_TASK_ROUTES.values())
    own: frozenset[str] = frozenset([settings.CELERY_TASK_DEFAULT_QUEUE, *routed])
    return own.union(registry.queues())


def client() -> redis.Redis:
    return _client(settings.REDIS_URL)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _plain(error: Exception) -> str:
    # Its words name the address, which may hold a password in a URL of a library's own.
    return type(error).__name__ if "@" in str(error) else " ".join(str(error).split())[:200]


def _server(info: dict[str, Any], latency: float) -> Finding:
    is_valkey = info.get("server_name") == "valkey"
    name = "Valkey" if is_valkey else "Redis"
    version = info.get("valkey_version") if is_valkey else info.get("redis_version")
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    policy = info.get("maxmemory_policy", "")
    clients = info.get("connected_clients", 0)
    memory = bytes_words(used) + (f" of {bytes_words(most)}" if most else "")
    found = Finding("broker", Kind.BROKER, name, Status.UP, latency_ms=latency)
    found.words = f"{memory}, {clients} clients"
    if most and used > FULL * most:
        found.status = Status.DEGRADED
        found.words = f"Nearly full: {memory}"
        found.act = "Give it more memory (maxmemory), or look which queue grows."
    elif most and policy != "noeviction":
        found.status = Status.DEGRADED
        found.words = f"It throws away what it has when it is full (maxmemory-policy {policy})"
        found.act = "Set maxmemory-policy noeviction: messages of the engine would get lost."
    elif latency > SLOW_MS:
        found.status = Status.DEGRADED
        found.words = "Answers slowly"
        found.act = "Look at its load, and at its slow log (SLOWLOG GET)."
    found.facts = [
        ("Version", str(version or "unknown")),
        ("Memory", memory),
        ("Clients", str(clients)),
        ("When full", str(policy or "unknown")),
        ("Up for", f"{int(info.get('uptime_in_seconds', 0)) // 3600} h"),
    ]
    return found
