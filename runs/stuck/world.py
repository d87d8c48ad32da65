"""What is around the runs: the processes that give signs of life, the broker's queues, what is
usual, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import redis

from runs import heartbeat
from runs.graph import USUAL_QUEUE
from runs.models.node import ExecutorLimit
from runs.services import broker
from runs.services.finding import span_words

# A lease is renewed every second: who did so within this is alive, whatever the broker says.
RENEWED = timedelta(seconds=8)


@dataclass(slots=True)
class Served:
    """A queue: who takes from it."""

    workers: list[str] = field(default_factory=list)
    slots: int = 0
    busy: int = 0

    @property
    def words(self) -> str:
        if not self.workers:
            return "no worker takes from it"
        named = ", ".join(self.workers[:3]) + (" and others" if len(self.workers) > 3 else "")
        return f"{self.busy} of {self.slots} slots busy ({named})"

    @property
    def is_idle(self) -> bool:
        return self.slots > self.busy


class World:
    """Asked once a look. Without an answer of the broker nobody can tell who is alive."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def told(self) -> tuple[list[heartbeat.Sign], dict[str, int]] | None:
        """Signs of life, and the messages in each queue."""
        try:
            signs = heartbeat.signs(broker.client())
            names = sorted(broker.queues().union(*(sign.process.queues for sign in signs)))
            with broker.client().pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.llen(name)
                depths = pipe.execute()
        except (redis.RedisError, OSError):
            return None
        return signs, dict(zip(names, depths, strict=True))

    @cached_property
    def alive(self) -> list[heartbeat.Sign]:
        return [sign for sign in (self.told or ([], {}))[0] if sign.age <= heartbeat.ALIVE]

    @cached_property
    def served(self) -> dict[str, Served] | None:
        """By queue; None where nobody can tell."""
        if self.told is None:
            return None
        found: dict[str, Served] = {}
        for sign in self.alive:
            if sign.process.kind != "worker":
                continue
            slots = int(sign.told.get("processes", 1))
            busy = min(slots, len(sign.told.get("tasks", ())))
            for queue in sign.process.queues:
                served = found.setdefault(queue, Served())
                served.workers.append(sign.process.name)
                served.slots += slots
                served.busy += busy
        return found

    @property
    def has_beat(self) -> bool | None:
        if self.told is None:
            return None
        return any(sign.process.kind == "beat" for sign in self.alive)

    def queue_words(self, queue: str) -> str:
        name = queue or USUAL_QUEUE
        if self.served is None or self.told is None:
            return f"{name}: the broker does not answer, so nobody can tell who takes from it"
        depth = self.told[1].get(name, 0)
        messages = f"{depth:,} message{'s' * (depth != 1)}"
        return f"{name}: {messages}; {self.served.get(name, Served()).words}"

    def worker_of(
        self, member: str, renewed_at: datetime, expires_at: datetime
    ) -> tuple[bool | None, str]:
        """Whether the process that has a lease is alive, and in words; None: nobody can tell."""
        workers = [sign for sign in self.alive if sign.process.kind == "worker"]
        for sign in workers:
            if member in sign.told.get("members", ()):
                last = span_words(sign.age)
                return True, f"alive, of {sign.process.name}, whose last sign is {last} old"
        if self.now - renewed_at < RENEWED and self.now < expires_at:
            return True, "alive: it renews its lease"
        # A worker of another release does not name its processes.
        if self.told is None or not all("members" in sign.told for sign in workers):
            return None, "nobody can tell whether it is alive"
        return False, "gone: no worker that gives signs of life has this process"

    @cached_property
    def executor_limits(self) -> dict[str, int]:
        rows: Any = ExecutorLimit.objects.values_list("executor", "most")
        return dict(rows)
