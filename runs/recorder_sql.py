"""The recorder's statements. Each takes any number of rows; all writes go as one pipeline."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.rows import class_row

from runs.arrays import literal
from runs.driver import driver, plain_cursor
from runs.fold import Changes
from runs.payload import dump
from runs.rows import AttemptBegun, AttemptEnded, ModelCall, NewEvent, NodeRow, RunRow

if TYPE_CHECKING:
    from runs.recorder import NewRun

_RUN_COLUMNS = (
    "id, version_id, state, state_seq, last_seq, started_at, completed_at, cost, input_tokens,"
    " output_tokens, cached_tokens, nodes_total, nodes_done, current_node, error_node,"
    " error_kind, error_message, ended_by, reason"
)
_NODE_COLUMNS = (
    "run_id, key, position, kind, executor, status, attempts, failures, queued_at, started_at,"
    " completed_at, input_seq, output_seq, error_seq, error_kind, error_message, selected,"
    " progress_done, progress_total, cost"
)
_INSERT_RUNS = """
INSERT INTO jobs (id, workflow_id, version_id, state, state_seq, last_seq, created_at,
    start_deadline, trigger, triggered_by, ref_type, ref_id, retry_of_id, first_id, cost,
    input_tokens, output_tokens, cached_tokens, nodes_total, nodes_done, current_node, error_node,
    error_kind, error_message, ended_by, reason)
SELECT id, workflow, version, 'created', 1, last_seq, %s, deadline, trigger, by, ref_type, ref_id,
    retry_of, first, 0, 0, 0, 0, total, 0, '', '', '', '', '', ''
FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::int[], %s::timestamptz[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::int[])
    AS new(id, workflow, version, last_seq, deadline, trigger, by, ref_type, ref_id, retry_of,
        first, total)
"""
_INSERT_NODES = """
INSERT INTO nodes (run_id, key, position, kind, executor, status, attempts, failures,
    error_kind, error_message, cost)
SELECT *, 0, 0, '', '', 0
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[])
"""
_INSERT_EVENTS = """
INSERT INTO event_tracking
    (run_id, seq, kind, node, attempt, actor, at, data, recorded_at)
SELECT *, %s FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::smallint[],
    %s::text[], %s::timestamptz[], %s::text[]::jsonb[])
"""
_UPDATE_RUNS = """
UPDATE jobs SET state = new.state, state_seq = new.state_seq, last_seq = new.last_seq,
    started_at = new.started_at, completed_at = new.completed_at, cost = new.cost,
    input_tokens = new.input_tokens, output_tokens = new.output_tokens,
    cached_tokens = new.cached_tokens, nodes_done = new.nodes_done,
    current_node = new.current_node, error_node = new.error_node, error_kind = new.error_kind,
    error_message = new.error_message, ended_by = new.ended_by, reason = new.reason
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[],
    %s::numeric[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::text[])
    AS new(id, state, state_seq, last_seq, started_at, completed_at, cost, input_tokens,
        output_tokens, cached_tokens, nodes_done, current_node, error_node, error_kind,
        error_message, ended_by, reason)
WHERE jobs.id = new.id
"""
_TOUCH_RUNS = """
UPDATE jobs SET last_seq = new.last_seq
FROM unnest(%s::uuid[], %s::int[]) AS new(id, last_seq) WHERE jobs.id = new.id
"""
_PASS_THROUGH = """
UPDATE jobs SET state = new.state, state_seq = new.seq, last_seq = greatest(last_seq, new.seq)
FROM unnest(%s::uuid[], %s::text[], %s::int[]) AS new(id, state, seq) WHERE jobs.id = new.id
"""
_UPDATE_NODES = """
UPDATE nodes SET status = new.status, attempts = new.attempts, failures = new.failures,
    queued_at = new.queued_at, started_at = new.started_at, completed_at = new.completed_at,
    input_seq = new.input_seq, output_seq = new.output_seq, error_seq = new.error_seq,
    error_kind = new.error_kind, error_message = new.error_message, selected = new.selected,
    progress_done = new.progress_done, progress_total = new.progress_total, cost = new.cost
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::smallint[], %s::smallint[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::int[], %s::int[], %s::int[],
    %s::text[], %s::text[], %s::text[]::jsonb[], %s::bigint[], %s::bigint[], %s::numeric[])
    AS new(run_id, key, status, attempts, failures, queued_at, started_at, completed_at, input_seq,
        output_seq, error_seq, error_kind, error_message, selected, progress_done,
        progress_total, cost)
WHERE nodes.run_id = new.run_id AND nodes.key = new.key
"""
_BEGIN_ATTEMPTS = """
WITH new AS (
    SELECT nodes.id AS node_id, new.* FROM unnest(%s::uuid[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::timestamptz[])
        AS new(run_id, key, number, worker, started_at, input_seq, expires_at, deadline)
    JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
), lease AS (
    INSERT INTO leases (node_id, run_id, attempt, worker, renewed_at, expires_at, deadline)
    SELECT node_id, run_id, number, worker, started_at, expires_at, deadline FROM new
    ON CONFLICT (node_id) DO UPDATE SET attempt = excluded.attempt, worker = excluded.worker,
        renewed_at = excluded.renewed_at, expires_at = excluded.expires_at,
        deadline = excluded.deadline
)
INSERT INTO attempts (node_id, run_id, number, status, worker, started_at, input_seq, error_kind,
    error_message)
SELECT node_id, run_id, number, 'running', worker, started_at, input_seq, '', '' FROM new
"""
_END_ATTEMPTS = """
WITH ended AS (
    SELECT nodes.id AS node_id, new.* FROM unnest(%s::uuid[], %s::text[], %s::smallint[],
        %s::text[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::text[], %s::text[])
        AS new(run_id, key, number, status, completed_at, result_seq, retry_at, error_kind,
            error_message)
    JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
), lease AS (
    DELETE FROM leases USING ended
    WHERE leases.node_id = ended.node_id AND leases.attempt = ended.number
)
UPDATE attempts SET status = ended.status, completed_at = ended.completed_at,
    result_seq = ended.result_seq, retry_at = ended.retry_at, error_kind = ended.error_kind,
    error_message = ended.error_message
FROM ended WHERE attempts.node_id = ended.node_id AND attempts.number = ended.number
"""
_SET_READY = """
INSERT INTO ready_nodes (node_id, run_id, ready_at, hints)
SELECT nodes.id, new.run_id, new.ready_at, 0
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS new(run_id, key, ready_at)
JOIN nodes ON nodes.run_id = new.run_id AND nodes.key = new.key
ON CONFLICT (node_id) DO UPDATE SET ready_at = excluded.ready_at, hint_due = NULL, hints = 0
"""
_UNSET_READY = """
DELETE FROM ready_nodes USING nodes, unnest(%s::uuid[], %s::text[]) AS gone(run_id, key)
WHERE nodes.run_id = gone.run_id AND nodes.key = gone.key AND ready_nodes.node_id = nodes.id
"""
_INSERT_MODEL_CALLS = """
INSERT INTO llm_calls (run_id, seq, node, attempt, model, input_tokens, output_tokens,
    cached_tokens, cost, at)
SELECT * FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::smallint[], %s::text[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::numeric[], %s::timestamptz[])
"""
_INSERT_OUTBOX = """
INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)
SELECT *, %s FROM unnest(%s::uuid[], %s::int[], %s::int[])
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


def append(
    events: Mapping[uuid.UUID, Sequence[NewEvent]], now: datetime
) -> list[tuple[uuid.UUID, str, int, int]]:
    """Lock, number and log in one trip what changes no other row. Outside of a transaction it is
    one by itself: the server commits at the end of the pipeline.

    Gives (run, its state, first number, last number) of the runs that there are.
    """
    rows = [
        (run_id, place, e.kind.value, e.node, e.attempt, e.actor, e.at or now, dump(e.data))
        for run_id, batch in events.items()
        for place, e in enumerate(batch, 1)
    ]
    if not rows:
        return []
    columns = map(literal, zip(*rows, strict=True))
    with plain_cursor() as cursor:
        with driver().pipeline():
            # A statement of its own: the next one sees what was committed while this one waited.
            cursor.execute(_LOCK, [literal(sorted(events))])
            cursor.execute(_APPEND, [*columns, now, now], binary=True)
        cursor.nextset()
        return cursor.fetchall()


def lock_runs(run_ids: Sequence[uuid.UUID]) -> list[RunRow]:
    """The runs' rows, locked in id order against other writers (not against readers)."""
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(driver(), row_factory=class_row(RunRow)) as cursor,
    ):
        return cursor.execute(
            f"SELECT {_RUN_COLUMNS} FROM jobs WHERE id = ANY(%s::uuid[])"
            " ORDER BY id FOR NO KEY UPDATE",
            [literal(run_ids)],
            binary=True,
        ).fetchall()


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


@contextmanager
def batch() -> Iterator[Batch]:
    """Collects statements and sends them in one go; errors show at the end of the block."""
    raw = driver()
    with connection.wrap_database_errors, raw.pipeline(), psycopg.Cursor(raw) as cursor:
        yield Batch(cursor)


class Batch:
    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def _each(self, sql: str, rows: Sequence[Sequence[Any]], *first: Any) -> None:
        """Run `sql` with the rows turned into one array a column, after the `first` parameters."""
        if rows:
            self._cursor.execute(sql, [*first, *map(literal, zip(*rows, strict=True))])

    def insert_runs(self, new: Sequence[NewRun], rows: Sequence[RunRow], now: datetime) -> None:
        self._each(
            _INSERT_RUNS,
            [
                (
                    n.id,
                    n.workflow_id,
                    n.version_id,
                    row.last_seq,
                    n.start_deadline,
                    n.trigger,
                    n.triggered_by,
                    n.ref_type,
                    n.ref_id,
                    n.retry_of,
                    n.first,
                    row.nodes_total,
                )
                for n, row in zip(new, rows, strict=True)
            ],
            now,
        )

    def insert_nodes(self, nodes: Sequence[NodeRow]) -> None:
        self._each(
            _INSERT_NODES,
            [(n.run_id, n.key, n.position, n.kind, n.executor, "pending") for n in nodes],
        )

    def insert_events(
        self, batches: Sequence[tuple[uuid.UUID, int, list[NewEvent]]], now: datetime
    ) -> None:
        self._each(
            _INSERT_EVENTS,
            [
                (
                    run_id,
                    seq,
                    e.kind.value,
                    e.node,
                    e.attempt,
                    e.actor,
                    e.at or now,
                    dump(e.data),
                )
                for run_id, first, events in batches
                for seq, e in enumerate(events, first)
            ],
            now,
        )

    def update_runs(self, changes: Sequence[Changes], *, created: bool) -> None:
        plain = [c for c in changes if not c.visible]
        if not created:
            self._each(_TOUCH_RUNS, [(c.run.id, c.run.last_seq) for c in plain])
        # The database allows single steps only: states passed through go first, in order.
        for step in range(max((len(c.states) for c in changes), default=0) - 1):
            self._each(
                _PASS_THROUGH,
                [(c.run.id, *c.states[step]) for c in changes if step < len(c.states) - 1],
            )
        full = [c.run for c in changes if c.visible and (c.states or not created)]
        self._each(
            _UPDATE_RUNS,
            [
                (
                    r.id,
                    r.state,
                    r.state_seq,
                    r.last_seq,
                    r.started_at,
                    r.completed_at,
                    r.cost,
                    r.input_tokens,
                    r.output_tokens,
                    r.cached_tokens,
                    r.nodes_done,
                    r.current_node,
                    r.error_node,
                    r.error_kind,
                    r.error_message,
                    r.ended_by,
                    r.reason,
                )
                for r in full
            ],
        )

    def update_nodes(self, nodes: Sequence[NodeRow]) -> None:
        self._each(
            _UPDATE_NODES,
            [
                (
                    n.run_id,
                    n.key,
                    n.status,
                    n.attempts,
                    n.failures,
                    n.queued_at,
                    n.started_at,
                    n.completed_at,
                    n.input_seq,
                    n.output_seq,
                    n.error_seq,
                    n.error_kind,
                    n.error_message,
                    None if n.selected is None else dump(n.selected),
                    n.progress_done,
                    n.progress_total,
                    n.cost,
                )
                for n in nodes
            ],
        )

    def begin_attempts(self, attempts: Sequence[AttemptBegun]) -> None:
        lease = timedelta(seconds=settings.ENGINE_LEASE_SECONDS)
        rows = []
        for a in attempts:
            deadline = a.started_at + timedelta(seconds=a.timeout)
            expires = min(a.started_at + lease, deadline)
            rows.append(
                (
                    a.run_id,
                    a.node,
                    a.number,
                    a.worker,
                    a.started_at,
                    a.input_seq,
                    expires,
                    deadline,
                )
            )
        self._each(_BEGIN_ATTEMPTS, rows)

    def end_attempts(self, attempts: Sequence[AttemptEnded]) -> None:
        self._each(
            _END_ATTEMPTS,
            [
                (
                    a.run_id,
                    a.node,
                    a.number,
                    a.status,
                    a.completed_at,
                    a.result_seq,
                    a.retry_at,
                    a.error_kind,
                    a.error_message,
                )
                for a in attempts
            ],
        )

    def set_ready(self, rows: Sequence[tuple[uuid.UUID, str, datetime | None]]) -> None:
        self._each(_UNSET_READY, [(run, key) for run, key, at in rows if at is None])
        self._each(_SET_READY, [row for row in rows if row[2] is not None])

    def insert_model_calls(self, calls: Sequence[ModelCall]) -> None:
        self._each(
            _INSERT_MODEL_CALLS,
            [
                (
                    c.run_id,
                    c.seq,
                    c.node,
                    c.attempt,
                    c.model,
                    c.input_tokens,
                    c.output_tokens,
                    c.cached_tokens,
                    c.cost,
                    c.at,
                )
                for c in calls
            ],
        )

    def insert_outbox(self, lines: Sequence[tuple[uuid.UUID, int, int]], now: datetime) -> None:
        self._each(_INSERT_OUTBOX, lines, now)
