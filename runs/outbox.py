"""Reading across runs without a gap: each reader has a cursor of its own.

Ids are handed out before commits, so the highest id seen hides those that commit later. A line
is shown only when every transaction that began before its own has ended, and cursors go by
(transaction, line).

So a writing transaction that stays open, anywhere on the server, holds back every reader until it
ends: `held_back_since` tells.

Transaction numbers belong to a server. One that a dump was loaded into may not have come so far:
new lines would stand before the cursors, and never be read. `mend_after_restore` sees to that.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from runs.models import OutboxCursor

logger = logging.getLogger(__name__)

_READ = """
SELECT xid::text::bigint, id, run_id, first_seq, last_seq FROM outbox
WHERE (xid, id) > (%s::text::xid8, %s) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT %s
"""
_PRUNE = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox
    WHERE recorded_at < %s AND xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (xid, id) <= (
        SELECT coalesce(min(xid), (SELECT max(xid) FROM outbox)),
               coalesce((array_agg(line ORDER BY xid, line))[1], (SELECT max(id) FROM outbox))
        FROM outbox_cursors
    )
    ORDER BY xid, id LIMIT %s
)
"""


_NEXT = """
SELECT recorded_at FROM outbox WHERE (xid, id) > (%s::text::xid8, %s) ORDER BY xid, id LIMIT 1
"""
_OLDEST_WRITER = """
SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One commit's events of one run: numbers `first_seq` to `last_seq`."""

    xid: int
    id: int
    run_id: uuid.UUID
    first_seq: int
    last_seq: int


# Whether there are numbers that no transaction of this server has had yet, apart from this one's.
_IS_FOREIGN = """
SELECT known >= pg_snapshot_xmax(pg_current_snapshot())
    AND known > coalesce(pg_current_xact_id_if_assigned(), '0'::xid8)
FROM (SELECT greatest(
    (SELECT max(xid) FROM outbox), (SELECT max(xid) FROM outbox_cursors)
)) AS stored(known)
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('outbox restored', 7))"
# All that is there goes before all that comes: 1 is no transaction's number. A cursor keeps its
# place by the lines' ids, before the first line that its reader may not have seen; some lines may
# be read twice, which every reader has to bear. One statement, and so one look at both tables.
_REBASE = """
WITH moved AS (
    UPDATE outbox_cursors AS cursors SET xid = '1'::xid8, line = coalesce(
        (SELECT min(id) - 1 FROM outbox WHERE (outbox.xid, outbox.id) > (cursors.xid, cursors.line)
            OR outbox.recorded_at > cursors.moved_at),
        (SELECT max(id) FROM outbox), 0)
)
UPDATE outbox SET xid = '1'::xid8
"""
_END = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""


def mend_after_restore() -> bool:
    """Number lines and cursors anew if they came from a server that was further on; whether it was
    so. Asked before anything is read or pruned."""
    with connection.cursor() as cursor:
        if not _is_foreign(cursor):
            return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not _is_foreign(cursor):  # another process was first
            return False
        cursor.execute(_REBASE)
    logger.warning("the outbox came from another server, and was numbered anew")
    return True


def _is_foreign(cursor: Any) -> bool:
    cursor.execute(_IS_FOREIGN)
    (is_foreign,) = cursor.fetchone()
    return bool(is_foreign)


def begin(reader: str, now: datetime) -> bool:
    """Let a reader that is new begin with what comes from now on; whether it was new. Within a
    transaction: what that one then reads of the rows is from before any line that comes."""
    if OutboxCursor.objects.filter(reader=reader).exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute(_END)
        (xid,) = cursor.fetchone()
    # Lines of this transaction number and later ones: what was open then is read, too.
    _, made = OutboxCursor.objects.get_or_create(
        reader=reader, defaults={"xid": xid - 1, "line": 2**62, "moved_at": now}
    )
    return made


def heard_until(reader: str, now: datetime) -> datetime | None:
    """Since when a reader has not heard what was told; None: it has heard all that can be read."""
    cursor_row = OutboxCursor.objects.filter(reader=reader).first()
    if cursor_row is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [str(cursor_row.xid), cursor_row.line])
        found = cursor.fetchone()
    return min(found[0], now) if found else None


def read(reader: str, limit: int = 500) -> list[Line]:
    """The next lines for this reader, within a transaction.

    The cursor's row is locked: where `advance` is called in the same transaction, two processes
    of one reader take turns. Who calls it later may read what another one reads too.
    """
    mend_after_restore()
    cursor_row, _ = OutboxCursor.objects.get_or_create(
        reader=reader, defaults={"xid": 0, "line": 0, "moved_at": datetime.now().astimezone()}
    )
    cursor_row = OutboxCursor.objects.select_for_update().get(reader=reader)
    with connection.cursor() as cursor:
        cursor.execute(_READ, [str(cursor_row.xid), cursor_row.line, limit])
        return [Line(*row) for row in cursor.fetchall()]


def advance(reader: str, line: Line, now: datetime) -> None:
    """Move the reader on to `line`; never back, where another process of it has come further."""
    behind = Q(xid__lt=line.xid) | Q(xid=line.xid, line__lt=line.id)
    cursor = OutboxCursor.objects.filter(behind, reader=reader)
    cursor.update(xid=line.xid, line=line.id, moved_at=now)


def prune(now: datetime, keep: timedelta = timedelta(minutes=10), batch: int = 10_000) -> int:
    """Delete lines all readers have passed, oldest first; gives how many of at most `batch`."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PRUNE, [now - keep, batch])
        return cursor.rowcount


def prune_all(now: datetime, seconds: float = 20, batch: int = 10_000) -> int:
    """Prune batch after batch until nothing is left to prune or the time is up."""
    end, total = time.monotonic() + seconds, 0
    mend_after_restore()
    while True:
        pruned = prune(now, batch=batch)
        total += pruned
        if pruned < batch or time.monotonic() >= end:
            return total


def held_back_since(now: datetime) -> timedelta:
    """The age of the oldest open transaction that writes: nothing later is readable yet."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_WRITER)
        (since,) = cursor.fetchone()
    return timedelta(0) if since is None else max(timedelta(0), now - since)
