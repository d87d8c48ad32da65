"""Whether workers keep up: their busy slots, what waits in their queues, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from django.db import connection

from runs import heartbeat
from runs.graph import USUAL_QUEUE
from runs.services import broker, database
from runs.services.own_connection import own_connection
from runs.templatetags.runs_ui import duration_words
from runs.timeouts import statement_timeout

SECONDS = 3.0
# The newest runs whose nodes' waits are looked at.
WAITED_RUNS = 200
# Waits for a worker, 95 in 100, from which they are worth a look.
LONG_WAIT = 30.0
# The portal's own work.
NOT_FOR_NODES = frozenset({"control", "bulk"})

# The first attempt of each node: what is tried again waits for its pause.
_WAITS = """
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY waited)::float,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY waited)::float
FROM (
    SELECT greatest(extract(epoch FROM nodes.started_at - nodes.queued_at), 0) AS waited
    FROM (
        SELECT id FROM jobs WHERE created_at > %(since)s AND source_id IS NULL
        ORDER BY created_at DESC, id DESC LIMIT %(most)s
    ) AS newest JOIN nodes ON nodes.run_id = newest.id
    WHERE nodes.attempts = 1 AND nodes.started_at IS NOT NULL AND nodes.queued_at IS NOT NULL
        AND nodes.reused_from IS NULL
) AS waits
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Living workers, those of a queue or all, and of their slots those that are busy."""

    workers: int
    slots: int
    busy: int

    @classmethod
    def of(cls, told: broker.Told | None, queue: str = "") -> Served:
        signs = [
            sign
            for sign in (told.signs if told else ())
            if sign.process.kind == "worker"
            and sign.age <= heartbeat.ALIVE
            and (queue in sign.process.queues if queue else _takes_nodes(sign))
        ]
        slots = [int(sign.told.get("processes", 1)) for sign in signs]
        busy = [min(n, len(s.told.get("tasks", ()))) for n, s in zip(slots, signs, strict=True)]
        return cls(len(signs), sum(slots), sum(busy))


def _takes_nodes(sign: heartbeat.Sign) -> bool:
    return not NOT_FOR_NODES.issuperset(sign.process.queues)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """Who takes from a queue, and what waits there."""

    name: str
    workers: int
    slots: int
    busy: int
    messages: int
    ready: int
    # Seconds that the first of them has waited.
    waited: float
    # Whether the broker answered: without it nobody can tell who takes from it.
    is_known: bool = True

    @property
    def is_full(self) -> bool:
        return self.is_known and bool(self.ready) and (not self.slots or self.busy >= self.slots)

    @property
    def waited_words(self) -> str:
        return duration_words(timedelta(seconds=self.waited)) if self.ready else "–"


def waits(now: datetime) -> tuple[int, float | None, float | None]:
    given: dict[str, Any] = {"since": now - timedelta(hours=1), "most": WAITED_RUNS}
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_WAITS, given)
        row: Any = cursor.fetchone()
    return row


def told_by_broker() -> broker.Told | None:
    try:
        return broker.look()
    except (redis.RedisError, OSError):
        return None


def queues_of(told: broker.Told | None) -> list[QueueRow]:
    """Those from which nodes are taken."""
    with own_connection(SECONDS) as own:
        ready = {queue or USUAL_QUEUE: found for queue, found in database.ready(own).items()}
    depths = told.depths if told else {}
    names = sorted({*ready, *(name for name in depths if name not in NOT_FOR_NODES)})
    rows = []
    for name in names:
        served = Served.of(told, name)
        count, waited = ready.get(name, (0, 0.0))
        rows.append(
            QueueRow(name, served.workers, served.slots, served.busy, depths.get(name, 0), count,
                     waited, told is not None)
        )  # fmt: skip
    return rows
