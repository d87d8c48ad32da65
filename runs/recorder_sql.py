"""What the recorder asks of runs that it locks, and the one trip for lines that change no row."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from psycopg.rows import class_row

from runs.arrays import literal
from runs.driver import driver, plain_cursor
from runs.payload import dump
from runs.rows import NewEvent, NodeRow, RunRow

_RUN_COLUMNS = (
    "id, version_id, state, state_seq, last_seq, started_at, completed_at, cost, input_tokens,"
    " output_tokens, cached_tokens, nodes_total, nodes_done, current_node, error_node,"
    " error_kind, error_message, ended_by, reason, source_id, created_at"
)
_NODE_COLUMNS = (
    "run_id, key, position, kind, executor, status, attempts, failures, queued_at, started_at,"
    " completed_at, input_seq, output_seq, error_seq, error_kind, error_message, selected,"
    " progress_done, progress_total, cost"
)
_LOCK_RUNS = (
    f"SELECT {_RUN_COLUMNS} FROM jobs WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
)
_SOME_NODES = f"SELECT {_NODE_COLUMNS} FROM nodes WHERE run_id = %s AND key = ANY(%s::text[])"
_UNDER_WAY = f"""
SELECT {_NODE_COLUMNS} FROM nodes
WHERE run_id = %s AND (key = ANY(%s::text[]) OR status IN ('running', 'failed'))
ORDER BY position
"""
# What reports name, and what the end of a run would end or blame.
_REPORTED_NODES = f"""
SELECT {_NODE_COLUMNS} FROM nodes WHERE run_id = ANY(%s::uuid[])
    AND (key = ANY(%s::text[]) OR status IN ('pending', 'queued', 'running', 'waiting', 'failed'))
ORDER BY run_id, position
"""
_KNOWN = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS given(run, source, told)
)
SELECT source, told FROM given
JOIN event_tracking ON source_id = source AND sender_id = told COLLATE "C"
UNION ALL
SELECT source, told FROM given
JOIN archives ON run_id = run AND hashtextextended(told, source) = ANY(senders)
"""
_LOCK = "SELECT FROM jobs WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_APPEND = """
WITH new AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::text[]::jsonb[])
        AS new(run_id, place, kind, node, attempt, actor, at, data)
), grown AS MATERIALIZED (
    SELECT id, state, last_seq + 1 AS first_seq, last_seq + count AS last_seq
    FROM jobs JOIN (SELECT run_id, max(place) AS count FROM new GROUP BY run_id) AS of_run
        ON of_run.run_id = id
), touched AS (
    UPDATE jobs SET last_seq = grown.last_seq FROM grown WHERE jobs.id = grown.id
), logged AS (
    INSERT INTO event_tracking (run_id, seq, kind, node, attempt, actor, at, data, recorded_at)
    SELECT run_id, first_seq - 1 + place, kind, node, attempt, actor, at, data, %s
    FROM new JOIN grown ON grown.id = run_id
), told AS (
    INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)
    SELECT id, first_seq, last_seq, %s FROM grown
)
SELECT id, state, first_seq, last_seq FROM grown
"""
# As _APPEND, for what others report: without what is stored already, and of runs of that source
# whose nodes are all known.
_APPEND_REPORTED = """
WITH new AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::text[]::jsonb[], %s::bigint[], %s::text[])
        AS new(run_id, place, kind, node, attempt, actor, at, data, source, sender)
), of_run AS (
    SELECT new.run_id, min(source) AS source
    FROM new LEFT JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.node
    GROUP BY new.run_id HAVING bool_and(node = '' OR nodes.id IS NOT NULL)
), judged AS (
    SELECT new.*, state, last_seq, EXISTS (
        SELECT FROM event_tracking AS told
        WHERE told.source_id = new.source AND told.sender_id = sender COLLATE "C"
    ) OR CASE WHEN logs <> 'live' THEN EXISTS (
        SELECT FROM archives
        WHERE archives.run_id = new.run_id
            AND hashtextextended(new.sender, new.source) = ANY(senders)
    ) ELSE false END AS known
    FROM new JOIN of_run USING (run_id)
    JOIN jobs ON jobs.id = run_id AND jobs.source_id = of_run.source
), numbered AS MATERIALIZED (
    SELECT *, last_seq
        + count(*) FILTER (WHERE NOT known) OVER (PARTITION BY run_id ORDER BY place) AS seq
    FROM judged
), grown AS MATERIALIZED (
    SELECT run_id AS id, min(state) AS state, min(last_seq) + 1 AS first_seq,
        max(seq)::int AS last_seq
    FROM numbered GROUP BY run_id
), touched AS (
    UPDATE jobs SET last_seq = grown.last_seq FROM grown
    WHERE jobs.id = grown.id AND grown.last_seq >= first_seq
), logged AS (
    INSERT INTO event_tracking (run_id, seq, kind, node, attempt, actor, at, data, source_id,
        sender_id, recorded_at)
    SELECT run_id, seq, kind, node, attempt, actor, at, data, source, sender, %s
    FROM numbered WHERE NOT known
), told AS (
    INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)
    SELECT id, first_seq, last_seq, %s FROM grown WHERE last_seq >= first_seq
)
SELECT id, state, first_seq, last_seq FROM grown
"""
# Of a run: its state, and the first and the last number of what was appended.
Appended = list[tuple[uuid.UUID, str, int, int]]


def event_columns(event: NewEvent, now: datetime) -> tuple[Any, ...]:
    """Kind, node, attempt, actor, time and data as they are stored."""
    return (
        event.kind.value,
        event.node,
        event.attempt,
        event.actor,
        event.at or now,
        event.json or dump(event.data),
    )


def append(events: Mapping[uuid.UUID, Sequence[NewEvent]], now: datetime) -> Appended:
    """Lock, number and log in one trip what changes no other row. Outside of a transaction it is
    one by itself: the server commits at the end of the pipeline.

    Gives (run, its state, first number, last number) of the runs that there are.
    """
    rows = [
        (run_id, place, *event_columns(e, now))
        for run_id, batch in events.items()
        for place, e in enumerate(batch, 1)
    ]
    if not rows:
        return []
    return _append(_APPEND, sorted(events), rows, now)


def append_reported(events: Mapping[uuid.UUID, Sequence[NewEvent]], now: datetime) -> Appended:
    """The same for what others report; where all of a run was stored before, its last number is
    before its first. Runs that are left out take their events another way."""
    rows = [
        (run_id, place, *event_columns(e, now), e.source, e.sender_id)
        for run_id, batch in events.items()
        for place, e in enumerate(batch, 1)
    ]
    return _append(_APPEND_REPORTED, sorted(events), rows, now) if rows else []


def _append(
    statement: str, run_ids: Sequence[uuid.UUID], rows: Sequence[tuple], now: datetime
) -> Appended:
    columns = map(literal, zip(*rows, strict=True))
    with plain_cursor() as cursor:
        with driver().pipeline():
            # A statement of its own: the next one sees what was committed while this one waited.
            cursor.execute(_LOCK, [literal(run_ids)])
            cursor.execute(statement, [*columns, now, now], binary=True)
        cursor.nextset()
        return cursor.fetchall()


def lock_runs(run_ids: Sequence[uuid.UUID]) -> list[RunRow]:
    """The runs' rows, locked in id order against other writers (not against readers)."""
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(driver(), row_factory=class_row(RunRow)) as cursor,
    ):
        return cursor.execute(_LOCK_RUNS, [literal(run_ids)], binary=True).fetchall()


class Reported(NamedTuple):
    """What there is of what is reported on; the runs are locked."""

    runs: list[RunRow]
    nodes: dict[uuid.UUID, dict[str, NodeRow]]
    known: set[tuple[int, str]]


def lock_reported(
    run_ids: Sequence[uuid.UUID], events: Sequence[tuple[uuid.UUID, int, str]], keys: Sequence[str]
) -> Reported:
    """Lock the runs, in id order, and look up which of the events, each its run, a source and its
    id there, are stored already, or archived with the run. In one trip."""
    raw = driver()
    nodes: dict[uuid.UUID, dict[str, NodeRow]] = {}
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(raw, row_factory=class_row(RunRow)) as of_runs,
        psycopg.Cursor(raw, row_factory=class_row(NodeRow)) as of_nodes,
        psycopg.Cursor(raw) as of_events,
    ):
        with raw.pipeline():
            listed = literal(run_ids)
            of_runs.execute(_LOCK_RUNS, [listed], binary=True)
            of_events.execute(_KNOWN, list(map(literal, zip(*events, strict=True))), binary=True)
            of_nodes.execute(_REPORTED_NODES, [listed, literal(keys)], binary=True)
        for row in of_nodes:
            nodes.setdefault(row.run_id, {})[row.key] = row
        return Reported(of_runs.fetchall(), nodes, set(of_events.fetchall()))


def load_nodes(run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, NodeRow]]:
    """Each run's nodes by key, in the definition's order. Their run must be locked."""
    found: dict[uuid.UUID, dict[str, NodeRow]] = {}
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(driver(), row_factory=class_row(NodeRow)) as cursor,
    ):
        rows = cursor.execute(
            f"SELECT {_NODE_COLUMNS} FROM nodes WHERE run_id = ANY(%s::uuid[])"
            " ORDER BY run_id, position",
            [literal(run_ids)],
            binary=True,
        )
        for row in rows:
            found.setdefault(row.run_id, {})[row.key] = row
    return found


def load_part(run_id: uuid.UUID, keys: Collection[str], *, under_way: bool) -> dict[str, NodeRow]:
    """Some of a run's nodes by key; `under_way`: also those that run or have failed. Their run
    must be locked."""
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(driver(), row_factory=class_row(NodeRow)) as cursor,
    ):
        _ask_for_part(cursor, run_id, keys, under_way=under_way)
        return {row.key: row for row in cursor}


def lock_with_part(
    run_id: uuid.UUID, keys: Collection[str], *, under_way: bool
) -> tuple[RunRow | None, dict[str, NodeRow]]:
    """`lock_runs` and `load_part` of one run, in one trip, which also begins the transaction."""
    raw = driver()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(raw, row_factory=class_row(RunRow)) as of_run,
        psycopg.Cursor(raw, row_factory=class_row(NodeRow)) as of_nodes,
    ):
        with raw.pipeline():
            of_run.execute(_LOCK_RUNS, [literal([run_id])], binary=True)
            # A statement of its own: it sees what was committed while the first one waited.
            _ask_for_part(of_nodes, run_id, keys, under_way=under_way)
        return of_run.fetchone(), {row.key: row for row in of_nodes}


def _ask_for_part(
    cursor: psycopg.Cursor[NodeRow], run_id: uuid.UUID, keys: Collection[str], *, under_way: bool
) -> None:
    statement = _UNDER_WAY if under_way else _SOME_NODES
    cursor.execute(statement, [run_id, literal(sorted(keys))], binary=True)
