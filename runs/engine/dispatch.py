"""Hands ready nodes to workers: a bounded window of hints in Celery, the rest in PostgreSQL.

A hint is a message with a node's id. It may be lost or come twice: a worker claims the node in
the recorder, and only one claim succeeds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from runs.driver import plain_cursor

logger = logging.getLogger(__name__)

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
UPDATE ready_nodes SET hints = hints + 1,
    hint_due = %(now)s + %(pause)s * interval '1 second' * 2 ^ least(hints, %(doublings)s)
FROM next WHERE ready_nodes.node_id = next.node_id RETURNING ready_nodes.node_id
"""
_FORGET_HINTS = """
UPDATE ready_nodes SET hint_due = NULL WHERE node_id IN (
    SELECT node_id FROM ready_nodes WHERE hint_due < %s ORDER BY hint_due LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
"""


def wake() -> None:
    """Send hints for what is ready, once the current transaction is committed."""
    transaction.on_commit(lambda: send(take(timezone.now())), robust=True)


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
    from runs.engine.tasks import execute

    if not node_ids:
        return
    try:
        with execute.app.producer_pool.acquire(block=True, timeout=5) as producer:
            for node_id in node_ids:
                execute.apply_async([node_id], producer=producer, retry=False)
    except Exception as error:  # kombu raises whatever its transport does
        logger.warning("hints wait for the broker: %s", error)
        withdraw(node_ids)


def withdraw(node_ids: Sequence[int]) -> None:
    from runs.models import ReadyNode

    ReadyNode.objects.filter(node_id__in=node_ids).update(hint_due=None)


def forget_unheeded(now: datetime) -> int:
    """Make hints that no worker took up due again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGET_HINTS, [now])
        return cursor.rowcount
