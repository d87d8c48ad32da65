"""Reading the log for streams: a page of one run, or of many runs by one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from django.db import connection

from runs.models import Attempt, Run
from runs.states import AT_HAND, FINAL_STATES, AttemptStatus
from runs.streams.frames import event_frame
from runs.streams.tail import Entry

PAGE_ROWS = 500
# A page ends with the event that makes it larger than this.
PAGE_BYTES = 512 * 1024

# Sizes are first judged as stored, which unpacks nothing; a compressed one counts for more. Only
# what is then left is unpacked, and counted exactly.
_PAGES = """
SELECT want.run_id, page.seq, page.kind, page.node, page.attempt, page.actor, page.at, page.data,
       page.available
FROM unnest(%s::uuid[], %s::int[]) AS want(run_id, after)
CROSS JOIN LATERAL (
    SELECT light.*, sum(octet_length(data)) OVER (ORDER BY seq) - octet_length(data) AS before
    FROM (
        SELECT seq, kind, node, attempt, actor, at, data::text AS data, available
        FROM (
            SELECT rows.*, count(*) OVER () AS available,
                   sum(stored) OVER (ORDER BY seq) - stored AS stored_before
            FROM (
                SELECT seq, kind, node, attempt, actor, at, data,
                       pg_column_size(data)
                       * CASE WHEN pg_column_compression(data) IS NULL THEN 1 ELSE 8 END AS stored
                FROM event_tracking
                WHERE run_id = want.run_id AND seq > want.after ORDER BY seq LIMIT %s
            ) AS rows
        ) AS sized
        WHERE stored_before < %s
    ) AS light
) AS page
WHERE page.before < %s
ORDER BY want.run_id, page.seq
"""


class Page(NamedTuple):
    entries: list[Entry]
    # Whether there may be more behind it.
    full: bool


class _Row(NamedTuple):
    run_id: uuid.UUID
    seq: int
    kind: str
    node: str
    attempt: int | None
    actor: str
    at: datetime
    data: str
    # Rows behind the given number, counted up to a page's.
    available: int


def pages(after: Mapping[uuid.UUID, int], size: int = PAGE_BYTES) -> dict[uuid.UUID, Page]:
    """Each run's events behind the given number; runs without any are left out."""
    with connection.cursor() as cursor:
        limits = [PAGE_ROWS, size, size]
        cursor.execute(_PAGES, [list(after), list(after.values()), *limits])
        rows = [_Row(*row) for row in cursor.fetchall()]
    found: dict[uuid.UUID, list[Entry]] = {}
    available: dict[uuid.UUID, int] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(Entry(row.seq, event_frame(row)))
        available[row.run_id] = row.available
    return {
        run_id: Page(entries, len(entries) < available[run_id] or len(entries) >= PAGE_ROWS)
        for run_id, entries in found.items()
    }


def page(run_id: uuid.UUID, after: int, size: int = PAGE_BYTES) -> list[Entry]:
    """One run's events behind the given number."""
    found = pages({run_id: after}, size).get(run_id)
    return found.entries if found else []


def end_of(run_id: uuid.UUID) -> int | None:
    """The number of the run's last event, or None where there is no such run."""
    return Run.objects.filter(pk=run_id).values_list("last_seq", flat=True).first()


class Extent(NamedTuple):
    """How far a run's log goes."""

    # The number of its last event, and of the last one that is archived and not here; 0: all are.
    end: int
    archived: int
    logs: str


def extent_of(run_id: uuid.UUID) -> Extent | None:
    """None where there is no such run."""
    row = Run.objects.filter(pk=run_id).values_list("last_seq", "archive__last_seq", "logs").first()
    if row is None:
        return None
    end, archived, logs = row
    return Extent(end, 0 if logs in AT_HAND else archived or end, logs)


def gone(run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the runs that there are no more."""
    there = Run.objects.filter(pk__in=run_ids).order_by().values_list("pk", flat=True)
    return set(run_ids) - set(there)


class Ending(Enum):
    """Whether a log has come to its end for good, as far as can be told."""

    OPEN = "the run goes on"
    DRAINING = "it has ended, and nodes are still at what they did"
    OVER = "nothing more is expected"
    GONE = "there is no such run any more"


def ending_of(run_id: uuid.UUID, after: int) -> Ending:
    """How it stands with the log behind this number."""
    row = Run.objects.filter(pk=run_id).values_list("state", "last_seq").first()
    if row is None:
        return Ending.GONE
    state, last = row
    if state not in FINAL_STATES:
        return Ending.OPEN
    at_work = Attempt.objects.filter(run=run_id, status=AttemptStatus.RUNNING)
    # The last of them may have ended, with an event, since the number was read.
    if last > after or at_work.exists() or end_of(run_id) != last:
        return Ending.DRAINING
    return Ending.OVER
