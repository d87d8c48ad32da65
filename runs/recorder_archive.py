"""Moving a run's events between the database and storage: the part of the door for that.

A log is a line of text per event, which PostgreSQL renders and reads: every number in a payload
keeps all its digits, and a row that comes back is the row that went.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from runs.arrays import literal
from runs.driver import plain_cursor
from runs.states import FINAL_STATES, LogState

# Events, and bytes as stored, that are read at a time; one event at least.
PAGE_EVENTS = 2_000
PAGE_BYTES = 2_000_000
# Events that one statement deletes or puts back.
TOGETHER = 5_000

_FINAL = ", ".join(f"'{state}'" for state in FINAL_STATES)
# What can be archived. The rest is being archived, or has been.
_RIPE = f"('{LogState.LIVE}', '{LogState.PARTLY}', '{LogState.RESTORED}')"
# Of restored ones, those whose time was over at a moment, where one is given.
_EXPIRED = f"""(jobs.logs <> '{LogState.RESTORED}' OR NOT EXISTS (
    SELECT FROM archives AS back
    WHERE back.run_id = jobs.id AND back.expires_at > COALESCE(%s::timestamptz, 'infinity')
))"""

_CANDIDATES = f"""
SELECT jobs.id, jobs.last_seq, jobs.logs, jobs.completed_at, jobs.held_at IS NOT NULL,
    jobs.state IN ({_FINAL}), workflows.slug, versions.number, jobs.state, jobs.created_at,
    jobs.started_at, COALESCE(archives.name, ''), COALESCE(archives.last_seq, 0),
    COALESCE(archives.sha256, ''),
    COALESCE(events.count, 0), COALESCE(events.first, 0), COALESCE(events.stored, 0)
FROM jobs
JOIN workflows ON workflows.id = jobs.workflow_id
JOIN workflow_versions AS versions ON versions.id = jobs.version_id
LEFT JOIN archives ON archives.run_id = jobs.id
LEFT JOIN LATERAL (
    SELECT count(*) AS count, min(seq) AS first, sum(pg_column_size(data)) AS stored
    FROM event_tracking WHERE run_id = jobs.id
) AS events ON true
WHERE jobs.id = ANY(%s::uuid[])
ORDER BY jobs.id
"""
_LINE = """json_build_object('seq', seq, 'kind', kind, 'node', node, 'attempt', attempt,
    'actor', actor, 'at', at, 'recorded_at', recorded_at, 'id', id, 'source', source_id,
    'sender_id', sender_id, 'data', data)::text"""
_LINES = f"""
SELECT run_id, {_LINE} FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS part(run, after, last)
JOIN event_tracking ON run_id = run AND seq > after AND seq <= last ORDER BY run_id, seq
"""
# Sizes as stored: to measure the text would unpack what is not on this page.
_PAGE = f"""
SELECT seq, {_LINE} FROM (
    SELECT rows.*, sum(stored) OVER (ORDER BY seq) - stored AS before
    FROM (
        SELECT *, pg_column_size(data) AS stored FROM event_tracking
        WHERE run_id = %s AND seq > %s AND seq <= %s ORDER BY seq LIMIT {PAGE_EVENTS}
    ) AS rows
) AS sized WHERE before < {PAGE_BYTES} ORDER BY seq
"""
_LOCK = "SELECT id FROM jobs WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_NAMED = "SELECT run_id, name FROM archives WHERE run_id = ANY(%s::uuid[])"
_CLAIM = f"""
SELECT id FROM jobs WHERE id = ANY(%s::uuid[]) AND state IN ({_FINAL}) AND held_at IS NULL
    AND logs IN {_RIPE} AND {_EXPIRED}
"""
_NAME = f"""
WITH given AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
        AS given(run_id, name, last_seq, unpacked, bytes, sha256)
), moved AS (
    UPDATE jobs SET logs = '{LogState.ARCHIVING}' FROM given
    WHERE jobs.id = given.run_id AND jobs.state IN ({_FINAL}) AND jobs.held_at IS NULL
        AND jobs.logs IN {_RIPE} AND {_EXPIRED} AND jobs.last_seq >= given.last_seq
    RETURNING jobs.id, jobs.completed_at, jobs.source_id
)
INSERT INTO archives (run_id, name, last_seq, unpacked, bytes, sha256, archived_at, verified_at,
    completed_at, senders)
SELECT given.run_id, name, last_seq, unpacked, bytes, sha256, %s, %s, completed_at,
    CASE WHEN source_id IS NOT NULL THEN (
        SELECT array_agg(hashtextextended(sender_id, event.source_id)) FROM event_tracking AS event
        WHERE event.run_id = given.run_id AND seq <= last_seq AND sender_id IS NOT NULL
    ) END
FROM given JOIN moved ON moved.id = given.run_id ORDER BY given.run_id
ON CONFLICT (run_id) DO UPDATE SET name = excluded.name, last_seq = excluded.last_seq,
    unpacked = excluded.unpacked, bytes = excluded.bytes, sha256 = excluded.sha256,
    archived_at = CASE WHEN archives.name = excluded.name THEN archives.archived_at
        ELSE excluded.archived_at END,
    verified_at = excluded.verified_at, problem = '', expires_at = NULL,
    -- A run that was restored has the old ones in the database too.
    senders = ARRAY(SELECT DISTINCT unnest(archives.senders || excluded.senders))
RETURNING run_id
"""
_PURGE_ON = "SELECT set_config('runs.purge', 'on', true)"
_PURGE_OFF = "SELECT set_config('runs.purge', 'off', true)"
_LEAVING = f"""
SELECT jobs.id, archives.last_seq,
    (SELECT min(seq) FROM event_tracking WHERE run_id = jobs.id AND seq <= archives.last_seq)
FROM jobs JOIN archives ON archives.run_id = jobs.id
WHERE jobs.id = ANY(%s::uuid[]) AND jobs.logs = '{LogState.ARCHIVING}' ORDER BY jobs.id
"""
_PURGE = """
DELETE FROM event_tracking USING unnest(%s::uuid[], %s::int[]) AS upto(run, seq)
WHERE event_tracking.run_id = upto.run AND event_tracking.seq <= upto.seq
"""
_SETTLE = f"""
WITH settled AS (
    UPDATE jobs SET logs = CASE WHEN jobs.last_seq > archives.last_seq THEN '{LogState.PARTLY}'
        ELSE '{LogState.ARCHIVED}' END
    FROM archives WHERE archives.run_id = jobs.id AND jobs.id = ANY(%s::uuid[])
        AND jobs.logs = '{LogState.ARCHIVING}'
    RETURNING jobs.id
)
UPDATE archives SET restored_at = NULL, expires_at = NULL FROM settled WHERE run_id = settled.id
RETURNING run_id
"""
_PUT_BACK = """
INSERT INTO event_tracking (id, run_id, seq, kind, node, attempt, actor, at, recorded_at,
    source_id, sender_id, data)
SELECT (line->>'id')::bigint, run, (line->>'seq')::int, line->>'kind', line->>'node',
    (line->>'attempt')::smallint, line->>'actor', (line->>'at')::timestamptz,
    (line->>'recorded_at')::timestamptz, (line->>'source')::bigint, line->>'sender_id',
    line->'data'
FROM (
    SELECT run, text::jsonb AS line FROM unnest(%s::uuid[], %s::text[]) AS told(run, text)
) AS lines
ON CONFLICT (run_id, seq) DO NOTHING
"""
# Events whose ids their sender has used for other runs' too, when these were not known any more.
_USED_AGAIN = """
SELECT DISTINCT ON (told.run) told.run, told.line->>'sender_id', other.run_id
FROM (
    SELECT run, text::jsonb AS line FROM unnest(%s::uuid[], %s::text[]) AS told(run, text)
    WHERE run IN (SELECT id FROM jobs WHERE id = ANY(%s::uuid[]) AND source_id IS NOT NULL)
) AS told
JOIN event_tracking AS other ON other.source_id = (told.line->>'source')::bigint
    AND other.sender_id = told.line->>'sender_id' AND other.run_id <> told.run
ORDER BY told.run, other.run_id
"""


class Candidate(NamedTuple):
    """A run as it was when it was looked at, without a lock."""

    id: uuid.UUID
    last_seq: int
    logs: str
    completed_at: datetime | None
    held: bool
    final: bool
    workflow: str
    version: int
    state: str
    created_at: datetime
    started_at: datetime | None
    # Of the object that there is: its name or "", the last event in it, and the events' SHA-256.
    name: str
    archived_seq: int
    archived_sha256: str
    # Of the events that are in the database.
    events: int
    first: int
    stored: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was read back and found whole."""

    run_id: uuid.UUID
    name: str
    last_seq: int
    unpacked: int
    bytes: int
    sha256: str


def candidates(run_ids: Sequence[uuid.UUID]) -> list[Candidate]:
    """In id order; those that there are."""
    with plain_cursor() as cursor:
        cursor.execute(_CANDIDATES, [literal(run_ids)])
        return [Candidate(*row) for row in cursor.fetchall()]


def lines(parts: Mapping[uuid.UUID, tuple[int, int]]) -> dict[uuid.UUID, list[str]]:
    """The events behind one number, up to another, of runs that have few.

    By their numbers, never by their places: others archive and restore meanwhile.
    """
    found: dict[uuid.UUID, list[str]] = {run_id: [] for run_id in parts}
    bounds = ([each[0] for each in parts.values()], [each[1] for each in parts.values()])
    with plain_cursor() as cursor:
        given = [literal(list(parts)), *map(literal, bounds)]
        for run_id, line in cursor.execute(_LINES, given, binary=True):
            found[run_id].append(line)
    return found


def pages(run_id: uuid.UUID, last_seq: int, after: int = 0) -> Iterator[list[str]]:
    """The events behind number `after`, up to `last_seq`, of a run that may have many."""
    while after < last_seq:
        with plain_cursor() as cursor:
            rows = cursor.execute(_PAGE, [run_id, after, last_seq], binary=True).fetchall()
        if not rows:
            return
        yield [line for _, line in rows]
        after = rows[-1][0]


# -- Within a transaction --------------------------------------------------------------------


def lock(run_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the runs that there are, locked in id order as by all who change them."""
    with plain_cursor() as cursor:
        cursor.execute(_LOCK, [literal(sorted(run_ids))])
        return {run_id for (run_id,) in cursor.fetchall()}


def archivable(run_ids: Sequence[uuid.UUID], expired: datetime | None = None) -> set[uuid.UUID]:
    """Those of the locked runs that have ended, are not held, and are in nobody's hands; of
    restored ones, where `expired` is given, those whose time was over then."""
    with plain_cursor() as cursor:
        cursor.execute(_CLAIM, [literal(run_ids), expired])
        return {run_id for (run_id,) in cursor.fetchall()}


def names(run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What the runs' objects are called, of those that have one."""
    with plain_cursor() as cursor:
        cursor.execute(_NAMED, [literal(run_ids)])
        return dict(cursor.fetchall())


def name(
    stored: Sequence[Stored], now: datetime, expired: datetime | None = None
) -> set[uuid.UUID]:
    """Let these objects stand for the events of the locked runs; gives the runs of which they do.
    Their events may be deleted from now on."""
    columns = zip(
        *(
            (each.run_id, each.name, each.last_seq, each.unpacked, each.bytes, each.sha256)
            for each in stored
        ),
        strict=True,
    )
    with plain_cursor() as cursor:
        cursor.execute(_NAME, [*map(literal, columns), expired, now, now])
        return {run_id for (run_id,) in cursor.fetchall()}


def leaving(run_ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, int, int | None]]:
    """Of the locked runs that are being archived: the last event in the object, and the first of
    these that is still in the database."""
    with plain_cursor() as cursor:
        cursor.execute(_LEAVING, [literal(run_ids)])
        return cursor.fetchall()


def purge(upto: dict[uuid.UUID, int]) -> int:
    """Delete each run's events up to a number; gives how many these were."""
    if not upto:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_PURGE_ON)
        cursor.execute(_PURGE, [list(upto), list(upto.values())])
        gone: int = cursor.rowcount
        cursor.execute(_PURGE_OFF)
    return gone


def settle(run_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Their events have left: from now on they are archived, wholly or in part."""
    with plain_cursor() as cursor:
        cursor.execute(_SETTLE, [literal(sorted(run_ids))])
        return {run_id for (run_id,) in cursor.fetchall()}


def used_again(events: Sequence[tuple[uuid.UUID, str]]) -> dict[uuid.UUID, tuple[str, uuid.UUID]]:
    """The runs whose lines cannot be put back, because an event of another run has the same id of
    the same sender: that id, and the other run."""
    if not events:
        return {}
    run_ids, texts = zip(*events, strict=True)
    with plain_cursor() as cursor:
        given = [*map(literal, (run_ids, texts)), literal(sorted(set(run_ids)))]
        cursor.execute(_USED_AGAIN, given)
        return {run_id: (sender_id, other) for run_id, sender_id, other in cursor.fetchall()}


def put_back(events: Sequence[tuple[uuid.UUID, str]]) -> None:
    """Insert events from their lines; those that are there stay as they are."""
    with plain_cursor() as cursor:
        cursor.execute(_PUT_BACK, list(map(literal, zip(*events, strict=True))))
