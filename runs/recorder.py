"""The one door for changes of runs.

In one transaction it locks the runs in id order, numbers and appends their events, folds them
into the rows, and adds a line each to the outbox. After the commit it rings one bell per run.
All statements are set-based: their number does not grow with runs or events.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from django.db import transaction

from runs import live, recorder_batch, recorder_deletion, recorder_sql
from runs.fold import NODELESS_KINDS, OWN_NODE_KINDS, PLAIN_KINDS, Changes, apply, fold
from runs.models import Run
from runs.rows import AttemptBegun, AttemptEnded, NewEvent, NodeRow, Refused, RunRow
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
    # Celery queues by node, where that is not the usual one.
    queues: Mapping[str, str] = field(default_factory=dict)
    # What its first nodes wait for: see `engine.gates`.
    gate: str = ""
    # For a run that is executed elsewhere.
    source_id: int | None = None
    external_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A locked run: what a decision is made on. Not to be changed by who decides."""

    run: RunRow
    nodes: dict[str, NodeRow]
    # Whether these are all of the run's nodes.
    whole: bool = True


class NotEnough(Exception):  # noqa: N818
    """A decision needs all of the run's nodes. It is made again, with them."""


class Part(NamedTuple):
    """The nodes that a decision takes, if it is an ordinary one: a run may have a thousand."""

    keys: Collection[str]
    # Also whatever runs or has failed.
    under_way: bool = False


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
Look = Callable[[RunRow], Part]


class Report(Protocol):
    """An event as somebody else tells it."""

    @property
    def key(self) -> tuple[int, str]:
        """Its source, and its id there."""

    @property
    def node(self) -> str: ...

    @property
    def is_line(self) -> bool:
        """Whether it only adds a line to a history, whatever the run is in."""

    def line(self) -> NewEvent: ...

    def events(self, found: Snapshot) -> Sequence[NewEvent]:
        """What is to be recorded of it, at least one event, as the run now is. Or it is Refused."""


R = TypeVar("R", bound=Report)


@dataclass(frozen=True, slots=True)
class Reports(Generic[R]):
    """What is told of one run, in order of arrival; `new` where there is no such run yet."""

    run_id: uuid.UUID
    reports: Sequence[R]
    new: NewRun | None = None


@dataclass(slots=True)
class TakenIn(Generic[R]):
    """What became of reports."""

    stored: int = 0
    duplicates: int = 0
    refused: list[tuple[R, Refused]] = field(default_factory=list)


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
            key: NodeRow(
                new.id, key, position, kind, executor, "pending", queue=new.queues.get(key, "")
            )
            for position, (key, kind, executor) in enumerate(new.nodes)
        }
        changes = fold(run, nodes, list(new.events), now)
        done.append(Recorded(run, 1, run.last_seq, changes))
    with transaction.atomic():
        with recorder_batch.batch() as sql:
            sql.insert_runs(new_runs, [entry.run for entry in done], now)
            sql.insert_nodes([n for entry in done for n in entry.changes.nodes.values()])
            gates = {new.id: new.gate for new in new_runs if new.gate}
            events = [list(new.events) for new in new_runs]
            _write(sql, done, events, now, created=True, gates=gates)
        _ring_on_commit([_bell(entry) for entry in done])
    return done


def transact(
    run_ids: Iterable[uuid.UUID],
    decide: Decide,
    *,
    now: datetime,
    nodes: bool | Part | Look = True,
) -> dict[uuid.UUID, Recorded]:
    """Lock runs, ask `decide` for each one's events, record them.

    `decide` sees the run (and its nodes unless `nodes` is False) as nobody can change them
    meanwhile; no events mean that nothing happens to this run. Where `nodes` tells which of them
    it takes, it raises NotEnough for want of the others, and is asked again. Told without a look
    at the run, they come with it. Ids without a run are passed over. Gives what was recorded, by
    run.
    """
    wanted = sorted(set(run_ids))  # id order: two who lock the same runs must not deadlock
    with transaction.atomic():
        rows, by_run = _lock(wanted, nodes)
        done, written = [], []
        for run in rows:
            own = by_run.get(run.id, {})
            if isinstance(nodes, bool):
                events = list(decide(Snapshot(run, own)))
            else:
                if callable(nodes):
                    keys, under_way = nodes(run)
                    own = recorder_sql.load_part(run.id, keys, under_way=under_way)
                own, events = _decide_on_part(run, own, decide)
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


def _lock(
    wanted: list[uuid.UUID], nodes: bool | Part | Look
) -> tuple[list[RunRow], dict[uuid.UUID, dict[str, NodeRow]]]:
    """The runs, locked, and those of their nodes that can be told without a look at them."""
    if isinstance(nodes, Part):
        [run_id] = wanted  # a part is of one run
        run, own = recorder_sql.lock_with_part(run_id, nodes.keys, under_way=nodes.under_way)
        return ([run], {run.id: own}) if run else ([], {})
    rows = recorder_sql.lock_runs(wanted)
    return rows, recorder_sql.load_nodes([row.id for row in rows]) if nodes is True else {}


def _decide_on_part(
    run: RunRow, part: dict[str, NodeRow], decide: Decide
) -> tuple[dict[str, NodeRow], list[NewEvent]]:
    """The nodes that were taken, and what was decided on them."""
    try:
        return part, list(decide(Snapshot(run, part, whole=False)))
    except NotEnough:
        own = recorder_sql.load_nodes([run.id]).get(run.id, {})
        return own, list(decide(Snapshot(run, own)))


def record(
    events: Mapping[uuid.UUID, Sequence[NewEvent]], *, now: datetime
) -> dict[uuid.UUID, Numbers]:
    """Append events to runs without looking at them first."""
    kinds = {event.kind for batch in events.values() for event in batch}
    if kinds <= PLAIN_KINDS:
        return _append(events, now)
    nodes: bool | Look = not kinds <= NODELESS_KINDS
    if kinds <= OWN_NODE_KINDS:
        nodes = lambda run: Part({event.node for event in events[run.id]})  # noqa: E731
    done = transact(events, lambda found: events[found.run.id], now=now, nodes=nodes)
    return {run_id: Numbers(entry.first_seq, entry.last_seq) for run_id, entry in done.items()}


def delete(
    run_ids: Sequence[uuid.UUID],
    may_go: Callable[[Run], bool],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> list[uuid.UUID]:
    """Take out those of the runs that `may_go`, with all that belongs to them.

    `may_go` sees each run as nobody can change it meanwhile. Gives the runs that are gone.
    """
    with transaction.atomic():
        gone = [run for run in recorder_deletion.lock(run_ids) if may_go(run)]
        if gone:
            recorder_deletion.delete(gone, by=by, reason=reason, now=now)
            _ring_on_commit([live.deletion_of(run.pk, run.last_seq) for run in gone])
    return [run.pk for run in gone]


def take_in(told: Sequence[Reports[R]], *, now: datetime) -> TakenIn[R]:
    """Store reports that are not stored yet, each judged by the run as those before it left it.

    A run that is new is recorded with the first report that is not refused.
    """
    taken: TakenIn[R] = TakenIn()
    if not told:
        return taken
    with transaction.atomic():
        found = recorder_sql.lock_reported(
            sorted(each.run_id for each in told if each.new is None),
            [(each.run_id, *report.key) for each in told for report in each.reports],
            sorted({report.node for each in told for report in each.reports if report.node}),
        )
        rows = {row.id: row for row in found.runs}
        new, done, written = [], [], []
        for each in told:
            run = rows.get(each.run_id) if each.new is None else _unborn(each.new)
            if run is None:  # deleted since it was looked up
                gone = Refused("run", "there is no such run")
                taken.refused += [(report, gone) for report in each.reports]
                continue
            first = run.last_seq + 1
            changes = Changes(run, found.nodes.get(run.id, {}))
            events = _take(each.reports, changes, found.known, taken, now)
            if events:
                done.append(Recorded(run, first, run.last_seq, changes))
                written.append(events)
                if each.new is not None:
                    new.append((each.new, run))
        if done:
            with recorder_batch.batch() as sql:
                # In order of their ids elsewhere: two who make the same ones must not deadlock.
                new.sort(key=lambda pair: (pair[0].source_id or 0, pair[0].external_id))
                sql.insert_runs([each for each, _ in new], [run for _, run in new], now)
                sql.insert_nodes([n for entry in done for n in entry.changes.new_nodes])
                _write(sql, done, written, now, created=False)
            _ring_on_commit([_bell(entry) for entry in done])
    return taken


def append_lines(
    told: Sequence[Reports[R]], *, now: datetime
) -> tuple[TakenIn[R], list[Reports[R]]]:
    """Store reports that are lines only, of runs that are there, in one trip: runs are locked for
    as long as the database works. Gives also those that `take_in` must judge, such as lines of
    nodes that were not heard of yet: nothing of these is stored."""
    taken: TakenIn[R] = TakenIn()
    if not told:
        return taken, []
    seen: set[tuple[int, str]] = set()
    lines: dict[uuid.UUID, list[NewEvent]] = {}
    for each in told:
        own = lines[each.run_id] = []
        for report in each.reports:
            if report.key not in seen:
                seen.add(report.key)
                own.append(report.line())
    rows = recorder_sql.append_reported(lines, now)
    grown = [row for row in rows if row[3] >= row[2]]
    _ring_on_commit(
        [live.Bell(run, last, state, new=False, visible=False) for run, state, _, last in grown]
    )
    stored = {run: last - first + 1 for run, _, first, last in rows}
    left = [each for each in told if each.run_id not in stored]
    taken.stored = sum(stored.values())
    taken.duplicates = (
        sum(len(each.reports) for each in told if each.run_id in stored) - taken.stored
    )
    return taken, left


def _unborn(new: NewRun) -> RunRow:
    return RunRow(
        id=new.id,
        version_id=new.version_id,
        state=RunState.CREATED,
        state_seq=1,
        last_seq=0,
        source_id=new.source_id,
        created_at=new.created_at,
    )


def _take(
    reports: Sequence[R],
    changes: Changes,
    known: set[tuple[int, str]],
    taken: TakenIn[R],
    now: datetime,
) -> list[NewEvent]:
    """Fold one run's reports into `changes`; gives what is to be written."""
    written: list[NewEvent] = []
    snapshot = Snapshot(changes.run, changes.nodes)
    for report in reports:
        if report.key in known:
            taken.duplicates += 1
            continue
        try:
            events = report.events(snapshot)
        except Refused as refused:
            taken.refused.append((report, refused))
            continue
        known.add(report.key)
        taken.stored += 1
        for event in events:
            apply(changes, event, now)
        written += events
    return written


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
    gates: Mapping[uuid.UUID, str] | None = None,
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
    sql.mark_reused([c.nodes[key] for c in changes for key in sorted(c.reused)])
    sql.begin_attempts(_begun([a for change in changes for a in change.begun]))
    sql.end_attempts(_ended([a for change in changes for a in change.ended]))
    sql.set_ready(
        [(c.run.id, key, at) for c in changes for key, at in sorted(c.ready.items())], gates or {}
    )
    sql.insert_decisions([question for change in changes for question in change.asked])
    sql.close_decisions([answer for change in changes for answer in change.answered])
    sql.insert_model_calls([call for change in changes for call in change.model_calls])
    sql.insert_outbox([(e.run.id, e.first_seq, e.last_seq) for e in done], now)


def _begun(attempts: list[AttemptBegun]) -> list[AttemptBegun]:
    """One row an attempt: its start may be told after its result."""
    found: dict[tuple[uuid.UUID, str, int], AttemptBegun] = {}
    for each in attempts:
        key = each.run_id, each.node, each.number
        before = found.get(key)
        earliest = min(before.started_at, each.started_at) if before else each.started_at
        found[key] = replace(each, started_at=earliest) if before else each
    return list(found.values())


def _ended(attempts: list[AttemptEnded]) -> list[AttemptEnded]:
    """One row an attempt, the last: what was lost may have a result, if a late one."""
    return list({(each.run_id, each.node, each.number): each for each in attempts}.values())


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
