"""Hands ready nodes to workers: a bounded window of hints in Celery, the rest in PostgreSQL.

A hint is a message with a node's id. It may be lost or come twice: a worker claims the node in
the recorder, and only one claim succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from runs.driver import plain_cursor
from runs.engine import hints

# A hint that nobody took up is given again after 1, 2, 4 … times the setting, at most so many.
MAX_DOUBLINGS = 5
# Hints can be lost anyway, so their bookkeeping does not wait for the disk.
_TAKE = """
WITH room AS (
    SELECT greatest(%(least)s, %(window)s - count(*)) AS free,
        set_config('synchronous_commit', 'off', true) AS commit FROM (
        SELECT FROM ready_nodes WHERE hint_due IS NOT NULL LIMIT %(window)s
    ) AS hinted
), next AS (
    SELECT node_id FROM ready_nodes WHERE hint_due IS NULL AND ready_at <= %(now)s
    ORDER BY ready_at, node_id
    LIMIT (SELECT free FROM room WHERE commit = 'off') FOR UPDATE SKIP LOCKED
)
UPDATE ready_nodes SET hints = least(hints, %(doublings)s) + 1,
    hint_due = %(now)s + %(pause)s * interval '1 second' * 2 ^ least(hints, %(doublings)s)
FROM next WHERE ready_nodes.node_id = next.node_id RETURNING ready_nodes.node_id
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


def wake() -> None:
    """Send hints for what is ready, once the current transaction is committed."""

    def send_ready() -> None:
        if hints.possible():
            send(take(timezone.now()))

    transaction.on_commit(send_ready, robust=True)


def take(now: datetime, *, least: int = 0) -> list[int]:
    """Node ids to hint at now, oldest first: as many as the window has room for, but `least`.

    One statement and its own transaction: call it outside of any other.
    """
    with plain_cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "least": least,
                "window": settings.ENGINE_WINDOW,
                "now": now,
                "pause": settings.ENGINE_REDISPATCH_SECONDS,
                "doublings": MAX_DOUBLINGS,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def send(node_ids: Sequence[int]) -> None:
    """Give Celery the hints. Where the broker is away they are taken back, to be sent later."""
    if node_ids and not hints.publish(node_ids):
        withdraw(node_ids)


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
