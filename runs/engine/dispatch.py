"""Hands ready nodes to workers: a bounded window of hints in each of Celery's queues, the rest in
PostgreSQL.

A hint is a message with a node's id. It may be lost or come twice: a worker claims the node in
the recorder, and only one claim succeeds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from runs.driver import plain_cursor
from runs.engine import gates, hints
from runs.engine.hints import Hint

# A hint that nobody took up is given again after 1, 2, 4 … times the setting, at most so many.
MAX_DOUBLINGS = 5
# Hints can be lost anyway, so their bookkeeping does not wait for the disk.
# Each queue has a window of its own: one that no worker takes from fills no other's.
_TAKE = """
WITH RECURSIVE waiting AS (
    (SELECT queue FROM ready_nodes WHERE hint_due IS NULL AND NOT held ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT queue FROM ready_nodes
        WHERE hint_due IS NULL AND NOT held AND queue > waiting.queue ORDER BY queue LIMIT 1
    ) FROM waiting WHERE waiting.queue IS NOT NULL
), room AS MATERIALIZED (
    SELECT queue, set_config('synchronous_commit', 'off', true) AS commit, greatest(
        CASE WHEN queue = ANY(%(own)s::text[]) THEN 1 ELSE 0 END,
        %(window)s - (
            SELECT count(*) FROM (
                SELECT FROM ready_nodes AS hinted
                WHERE hinted.hint_due IS NOT NULL AND hinted.queue = waiting.queue
                LIMIT %(window)s
            ) AS hinted
        )
    ) AS free
    FROM waiting WHERE queue IS NOT NULL
), next AS (
    SELECT picked.node_id FROM room CROSS JOIN LATERAL (
        SELECT node_id FROM ready_nodes
        WHERE queue = room.queue AND hint_due IS NULL AND NOT held AND ready_at <= %(now)s
        ORDER BY ready_at, node_id LIMIT room.free FOR UPDATE SKIP LOCKED
    ) AS picked
    WHERE room.free > 0 AND room.commit = 'off'
)
UPDATE ready_nodes SET hints = least(hints, %(doublings)s) + 1,
    hint_due = %(now)s + %(pause)s * interval '1 second' * 2 ^ least(hints, %(doublings)s)
FROM next WHERE ready_nodes.node_id = next.node_id
RETURNING ready_nodes.node_id, ready_nodes.queue
"""
_FORGET_HINTS = """
UPDATE ready_nodes SET hint_due = NULL WHERE node_id IN (
    SELECT node_id FROM ready_nodes WHERE hint_due < %s ORDER BY hint_due LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
"""
# Rows that somebody else holds are left: they are hinted at again once their hint is due.
_WITHDRAW = """
UPDATE ready_nodes SET hint_due = NULL, hints = greatest(hints - 1, 0) WHERE node_id IN (
    SELECT node_id FROM ready_nodes WHERE node_id = ANY(%s) AND hint_due IS NOT NULL
    ORDER BY node_id FOR UPDATE SKIP LOCKED
)
"""


_DECLINE = """
UPDATE ready_nodes SET hint_due = NULL, declined_at = coalesce(declined_at, %(now)s),
    ready_at = %(now)s + interval '1 second' * least(2 ^ least(hints, 10), %(pause)s)
WHERE node_id = %(node)s RETURNING declined_at
"""
# A node that a worker gave back is given out again within so many seconds.
MAX_DECLINED = 15


def wake(opened: Collection[str] = ()) -> None:
    """Send hints for what is ready, once the current transaction is committed; what the `opened`
    gates hold is let in first."""

    def send_ready() -> None:
        if opened:
            gates.release(opened)
        if hints.possible():
            send(take(timezone.now()))

    transaction.on_commit(send_ready, robust=True)


def take(now: datetime, *, own: Collection[str] = ()) -> list[Hint]:
    """What to hint at now, the oldest of each queue: as many as its window has room for, but one
    at least of the `own` queues.

    One statement and its own transaction: call it outside of any other.
    """
    with plain_cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "own": list(own),
                "window": settings.ENGINE_WINDOW,
                "now": now,
                "pause": settings.ENGINE_REDISPATCH_SECONDS,
                "doublings": MAX_DOUBLINGS,
            },
        )
        return [Hint(*row) for row in cursor.fetchall()]


def send(hinted: Sequence[Hint]) -> None:
    """Give Celery the hints. Where the broker is away they are taken back, to be sent later."""
    if hinted and not hints.publish(hinted):
        withdraw([hint.node_id for hint in hinted])


def decline(node_id: int, now: datetime) -> datetime:
    """Give a node back that this worker does not know how to execute, for another one to take;
    gives since when workers do so."""
    with plain_cursor() as cursor:
        cursor.execute(_DECLINE, {"node": node_id, "now": now, "pause": MAX_DECLINED})
        row = cursor.fetchone()
    return row[0] if row else now


def withdraw(node_ids: Sequence[int]) -> None:
    """Take hints back, as if they had not been sent."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(_WITHDRAW, [list(node_ids)])


def forget_unheeded(now: datetime) -> int:
    """Make hints that no worker took up due again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGET_HINTS, [now])
        return cursor.rowcount
