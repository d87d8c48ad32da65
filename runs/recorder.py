"""The one door for changes of runs.

In one transaction it locks the runs in id order, numbers and appends their events, folds them
into the rows, and adds a line each to the outbox. After the commit it rings one bell per run.
All statements are set-based: their number does not grow with runs or events.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from runs import live, recorder_batch, recorder_sql
from runs.fold import NODELESS_KINDS, PLAIN_KINDS, Changes, fold
from runs.rows import NewEvent, NodeRow, RunRow
from runs.states import RunState


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded. `events` begin with its run_created."""

    id: uuid.UUID
    workflow_id: int
    version_id: int
    trigger: str
    triggered_by: str
    ref_type: str
    ref_id: str
    events: Sequence[NewEvent]
    # (key, kind, executor) in the definition's order.
    nodes: Sequence[tuple[str, str, str]]
    retry_of: uuid.UUID | None = None
    first: uuid.UUID | None = None
    start_deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A locked run: what a decision is made on. Not to be changed by who decides."""

    run: RunRow
    nodes: dict[str, NodeRow]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one run."""

    run: RunRow
    first_seq: int
    last_seq: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers that a run's new events got."""

    first_seq: int
    last_seq: int


Decide = Callable[[Snapshot], Sequence[NewEvent]]


def create(new_runs: Sequence[NewRun], *, now: datetime) -> list[Recorded]:
    """Record runs that did not exist. Their ids must be fresh."""
    if not new_runs:
        return []
    done = []
    for new in new_runs:
        run = RunRow(
            id=new.id,
            version_id=new.version_id,
            state=RunState.CREATED,
            state_seq=1,
            last_seq=0,
            nodes_total=len(new.nodes),
        )
        nodes = {
            key: NodeRow(new.id, key, position, kind, executor, "pending")
            for position, (key, kind, executor) in enumerate(new.nodes)
        }
        changes = fold(run, nodes, list(new.events), now)
        done.append(Recorded(run, 1, run.last_seq, changes))
    with transaction.atomic():
        with recorder_batch.batch() as sql:
            sql.insert_runs(new_runs, [entry.run for entry in done], now)
            sql.insert_nodes([n for entry in done for n in entry.changes.nodes.values()])
            _write(sql, done, [list(new.events) for new in new_runs], now, created=True)
        _ring_on_commit([_bell(entry) for entry in done])
    return done


def transact(
    run_ids: Iterable[uuid.UUID], decide: Decide, *, now: datetime, nodes: bool = True
) -> dict[uuid.UUID, Recorded]:
    """Lock runs, ask `decide` for each one's events, record them.

    `decide` sees the run (and its nodes unless `nodes` is False) as nobody can change them
    meanwhile; no events mean that nothing happens to this run. Ids without a run are passed
    over. Gives what was recorded, by run.
    """
    wanted = sorted(set(run_ids))  # id order: two who lock the same runs must not deadlock
    with transaction.atomic():
        rows = recorder_sql.lock_runs(wanted)
        by_run = recorder_sql.load_nodes([row.id for row in rows]) if nodes else {}
        done, written = [], []
        for run in rows:
            own = by_run.get(run.id, {})
            events = list(decide(Snapshot(run, own)))
            if not events:
                continue
            first = run.last_seq + 1
            changes = fold(run, own, events, now)
            done.append(Recorded(run, first, run.last_seq, changes))
            written.append(events)
        if done:
            with recorder_batch.batch() as sql:
                _write(sql, done, written, now, created=False)
            _ring_on_commit([_bell(entry) for entry in done])
    return {entry.run.id: entry for entry in done}


def record(
    events: Mapping[uuid.UUID, Sequence[NewEvent]], *, now: datetime
) -> dict[uuid.UUID, Numbers]:
    """Append events to runs without looking at them first."""
    kinds = {event.kind for batch in events.values() for event in batch}
    if kinds <= PLAIN_KINDS:
        return _append(events, now)
    done = transact(
        events,
        lambda found: events[found.run.id],
        now=now,
        nodes=not kinds <= NODELESS_KINDS,
    )
    return {run_id: Numbers(entry.first_seq, entry.last_seq) for run_id, entry in done.items()}


def _append(
    events: Mapping[uuid.UUID, Sequence[NewEvent]], now: datetime
) -> dict[uuid.UUID, Numbers]:
    """Record lines that change no row: in one trip, so that runs are locked for as long as the
    database works, and not while we do."""
    rows = recorder_sql.append(events, now)
    _ring_on_commit(
        [live.Bell(run, last, state, new=False, visible=False) for run, state, _, last in rows]
    )
    return {run_id: Numbers(first, last) for run_id, _, first, last in rows}


def _write(
    sql: recorder_batch.Batch,
    done: list[Recorded],
    events: list[list[NewEvent]],
    now: datetime,
    *,
    created: bool,
) -> None:
    changes = [entry.changes for entry in done]
    sql.insert_events(
        [(entry.run.id, entry.first_seq, batch) for entry, batch in zip(done, events, strict=True)],
        now,
    )
    sql.update_runs(changes, created=created)
    sql.update_nodes(
        [change.nodes[key] for change in changes for key in sorted(change.changed_nodes)]
    )
    sql.begin_attempts([a for change in changes for a in change.begun])
    sql.end_attempts([a for change in changes for a in change.ended])
    sql.set_ready([(c.run.id, key, at) for c in changes for key, at in sorted(c.ready.items())])
    sql.insert_model_calls([call for change in changes for call in change.model_calls])
    sql.insert_outbox([(e.run.id, e.first_seq, e.last_seq) for e in done], now)


def _bell(entry: Recorded) -> live.Bell:
    return live.Bell(
        entry.run.id,
        entry.last_seq,
        entry.run.state,
        new=entry.first_seq == 1,
        visible=entry.changes.visible,
    )


def _ring_on_commit(bells: list[live.Bell]) -> None:
    transaction.on_commit(lambda: live.ring(bells), robust=True)
