"""What a batch of changes writes: any number of rows a statement, all in one pipeline."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from django.conf import settings
from django.db import connection

from runs import recorder_statements as statements
from runs.arrays import literal
from runs.driver import driver
from runs.fingerprint import fingerprint
from runs.fold import Changes
from runs.payload import dump
from runs.recorder_sql import event_columns
from runs.rows import (
    Answer,
    AttemptBegun,
    AttemptEnded,
    ModelCall,
    NewEvent,
    NodeRow,
    Question,
    RunRow,
)
from runs.states import RunState

if TYPE_CHECKING:
    from runs.recorder import NewRun


def _group_of(run: RunRow) -> int | None:
    """What it failed alike with, if it failed."""
    if run.state != RunState.FAILED:
        return None
    return fingerprint(run.error_kind, run.error_message, run.error_node)


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
            statements.INSERT_RUNS,
            [
                (
                    n.id,
                    n.workflow_id,
                    n.version_id,
                    row.last_seq,
                    row.created_at or now,
                    n.start_deadline,
                    n.trigger,
                    n.triggered_by,
                    n.ref_type,
                    n.ref_id,
                    n.retry_of,
                    n.first,
                    row.nodes_total,
                    row.nodes_done,
                    row.source_id,
                    n.external_id,
                )
                for n, row in zip(new, rows, strict=True)
            ],
        )

    def insert_nodes(self, nodes: Sequence[NodeRow]) -> None:
        self._each(
            statements.INSERT_NODES,
            [(n.run_id, n.key, n.position, n.kind, n.executor, n.queue, "pending") for n in nodes],
        )

    def insert_events(
        self, batches: Sequence[tuple[uuid.UUID, int, list[NewEvent]]], now: datetime
    ) -> None:
        rows: list[tuple[Any, ...]] = []
        copies: list[tuple[Any, ...]] = []
        for run_id, first, events in batches:
            for seq, e in enumerate(events, first):
                row = (run_id, seq, *event_columns(e, now))
                if e.copied is None:
                    rows.append((*row, e.source, e.sender_id))
                else:
                    copied = e.copied
                    copies.append((*row, copied.run_id, copied.input_seq, copied.output_seq))
        self._each(statements.INSERT_EVENTS, rows, now)
        self._each(statements.COPY_EVENTS, copies, now)

    def update_runs(self, changes: Sequence[Changes], *, created: bool) -> None:
        plain = [c for c in changes if not c.visible]
        if not created:
            self._each(statements.TOUCH_RUNS, [(c.run.id, c.run.last_seq) for c in plain])
        # The database allows single steps only: states passed through go first, in order.
        for step in range(max((len(c.states) for c in changes), default=0) - 1):
            self._each(
                statements.PASS_THROUGH,
                [(c.run.id, *c.states[step]) for c in changes if step < len(c.states) - 1],
            )
        full = [c.run for c in changes if c.visible and (c.states or not created)]
        self._each(
            statements.UPDATE_RUNS,
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
                    r.nodes_total,
                    r.nodes_done,
                    r.current_node,
                    r.error_node,
                    r.error_kind,
                    r.error_message,
                    _group_of(r),
                    r.ended_by,
                    r.reason,
                )
                for r in full
            ],
        )

    def update_nodes(self, nodes: Sequence[NodeRow]) -> None:
        self._each(
            statements.UPDATE_NODES,
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

    def mark_reused(self, nodes: Sequence[NodeRow]) -> None:
        self._each(statements.MARK_REUSED, [(n.run_id, n.key, n.reused_from) for n in nodes])

    def begin_attempts(self, attempts: Sequence[AttemptBegun]) -> None:
        lease = timedelta(seconds=settings.ENGINE_LEASE_SECONDS)
        rows = []
        for a in attempts:
            deadline = expires = None
            if a.timeout is not None:
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
        self._each(statements.BEGIN_ATTEMPTS, rows)

    def end_attempts(self, attempts: Sequence[AttemptEnded]) -> None:
        self._each(
            statements.END_ATTEMPTS,
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

    def set_ready(
        self,
        rows: Sequence[tuple[uuid.UUID, str, datetime | None]],
        gates: Mapping[uuid.UUID, str],
    ) -> None:
        """The nodes of runs with a gate are held there."""
        self._each(statements.UNSET_READY, [(run, key) for run, key, at in rows if at is None])
        self._each(
            statements.SET_READY,
            [(*row, gates.get(row[0], "")) for row in rows if row[2] is not None],
        )

    def insert_decisions(self, questions: Sequence[Question]) -> None:
        self._each(
            statements.INSERT_DECISIONS,
            [
                (q.run_id, q.node, q.title, dump(q.people), dump(q.groups), q.asked_at, q.due_at)
                for q in questions
            ],
        )

    def close_decisions(self, answers: Sequence[Answer]) -> None:
        self._each(
            statements.CLOSE_DECISIONS,
            [(a.run_id, a.node, a.act, a.decided_by, a.decided_at) for a in answers],
        )

    def insert_model_calls(self, calls: Sequence[ModelCall]) -> None:
        self._each(
            statements.INSERT_MODEL_CALLS,
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
        self._each(statements.INSERT_OUTBOX, lines, now)
