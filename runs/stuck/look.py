"""Looks at all open runs, or at some, and judges each.

Nothing is asked of what has ended, so it costs as much with ten runs as with ten millions; each
question is bounded, and one that cannot be answered leaves what is known of its causes as it was.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError

from runs.engine import gates
from runs.engine.trouble import Trouble
from runs.graph import USUAL_QUEUE
from runs.models import Run
from runs.states import RunState
from runs.stuck import attempts, limits, others, rows, waits
from runs.stuck.finding import Finding, StuckKind
from runs.stuck.rows import Asked, Attempted, Reported, Runs, Waiting
from runs.stuck.usual import WHOLE, is_kept, usual
from runs.stuck.world import World
from runs.timeouts import statement_timeout

# Seconds that one of the questions may take, and workflows of which it is asked what is usual:
# those that are left come with the next look.
SECONDS = 1.5
MOST_ASKED = 40

OfWorkflow = TypeVar("OfWorkflow", Attempted, Asked, Reported)
_trouble = Trouble(logging.getLogger(__name__), "what is in the way of runs cannot be told")


@dataclass(slots=True)
class Seen:
    at: datetime
    findings: list[Finding] = field(default_factory=list)
    # Of these nothing could be found out.
    unknown: set[StuckKind] = field(default_factory=set)


def look(now: datetime, runs: Runs = None) -> Seen:
    """`runs`: only at these."""
    seen, world = Seen(now), World(now)
    found: dict[tuple[uuid.UUID, str], Finding] = {}
    failed = False
    # The broker is asked before any transaction is open.
    is_told = world.told is not None
    # A run or node has one finding: that of the first who finds one.
    for ask, kinds in _QUESTIONS:
        try:
            with statement_timeout(SECONDS):
                for finding in ask(world, runs):
                    found.setdefault(finding.key, finding)
        except DatabaseError as error:
            failed = True
            _trouble.met(error)
            seen.unknown |= kinds
    if not failed:
        _trouble.over()
    if not is_told:
        seen.unknown |= {StuckKind.QUEUE}
    seen.findings = list(found.values())
    return seen


def of_run(run: Run, now: datetime) -> list[Finding]:
    """As it is this moment, the worst first. Raises a DatabaseError."""
    if run.is_final:
        return []
    world, order = World(now), list(StuckKind)
    only, found = [run.pk], dict[tuple[uuid.UUID, str], Finding]()
    for ask, _ in _QUESTIONS_OF_ELSEWHERE if run.is_elsewhere else _QUESTIONS:
        for finding in ask(world, only):
            found.setdefault(finding.key, finding)
    return sorted(found.values(), key=lambda each: (order.index(each.kind), each.since))


def _locks(world: World, runs: Runs) -> Iterable[Finding]:
    for row in rows.blocked(runs):
        if found := others.lock(row, world):
            yield found


def _attempts(world: World, runs: Runs) -> Iterable[Finding]:
    now = world.now
    found = rows.attempted(now - limits.floor(), now - limits.UNRESCUED, limits.lost(), runs)
    # How others ended is only asked of those that are likely to be told of.
    doubtful = [row for row in found if _is_doubtful(row, world)]
    before = rows.earlier([row.node_id for row in doubtful])
    for row in _in_turn(doubtful):
        known = usual(row.workflow_id, row.node, now)
        if finding := attempts.judge(row, before.get(row.node_id, ()), known, world):
            yield finding


def _in_turn(found: Iterable[OfWorkflow]) -> Iterable[OfWorkflow]:
    """Those of workflows of which it is known what is usual, or few enough to be asked about."""
    asked: set[int] = set()
    for row in found:
        if row.workflow_id not in asked and not is_kept(row.workflow_id):
            if len(asked) == MOST_ASKED:
                continue
            asked.add(row.workflow_id)
        yield row


def _is_doubtful(row: Attempted, world: World) -> bool:
    if row.lost >= limits.lost() or row.expires_at < world.now - limits.UNRESCUED:
        return True
    return world.now - row.heard_at > limits.floor()


def _waiting(world: World, runs: Runs) -> Iterable[Finding]:
    found, paused = (_all_waiting(world)) if runs is None else (rows.waiting_of(runs), [])
    paused += [row for row in found if row.attempts]
    before = rows.earlier([row.node_id for row in paused])
    for row in paused:
        if finding := attempts.judge_pause(row, before.get(row.node_id, ())):
            yield finding
    for row in found:
        if finding := waits.judge(row, world):
            yield finding


def _all_waiting(world: World) -> tuple[list[Waiting], list[Waiting]]:
    """What may be stuck, and what waits to be tried again."""
    now = world.now
    cut = now - limits.queue()
    queues = rows.queues()
    served = world.served or {}
    found = rows.declined(cut)
    if world.served is not None:
        doubtful = [
            queue for queue in queues if not (at := served.get(queue or USUAL_QUEUE)) or at.is_idle
        ]
        found += rows.offered(doubtful, cut)
    found += rows.held(gates.held(), cut)
    return found, [row for row in rows.in_pause(queues, now) if row.attempts]


def _persons(world: World, runs: Runs) -> Iterable[Finding]:
    cut = world.now - min(limits.PERSON_FLOOR, limits.person())
    for row in _in_turn(rows.asked(cut, runs)):
        if found := others.person(row, usual(row.workflow_id, row.node, world.now), world):
            yield found


def _reported(world: World, runs: Runs) -> Iterable[Finding]:
    for row in _in_turn(rows.reported(world.now - limits.source(), runs)):
        if found := others.source(row, usual(row.workflow_id, WHOLE, world.now), world):
            yield found


def _idle(world: World, runs: Runs) -> Iterable[Finding]:
    cut = world.now - waits.SOON
    found = []
    if runs is None:
        found += rows.idle([RunState.ACTIVE], rows.MOST_ACTIVE, cut, runs)
        found += rows.idle([RunState.CREATED], rows.MOST_QUEUED, cut, runs)
    else:
        found += rows.idle([RunState.ACTIVE, RunState.CREATED], len(runs), cut, runs)
    for row in found:
        yield others.broken(row, world)


Question = tuple[Callable[[World, Runs], Iterable[Finding]], frozenset[StuckKind]]
_OF_SOURCES: Question = (_reported, frozenset({StuckKind.SOURCE}))
_OF_LOCKS: Question = (_locks, frozenset({StuckKind.LOCK}))
_QUESTIONS: tuple[Question, ...] = (
    _OF_LOCKS,
    (_attempts, frozenset({StuckKind.CRASH, StuckKind.NETWORK, StuckKind.EXECUTOR})),
    (
        _waiting,
        frozenset({
            StuckKind.QUEUE, StuckKind.LIMIT, StuckKind.PAUSED, StuckKind.CRASH, StuckKind.NETWORK,
        }),
    ),
    (_idle, frozenset({StuckKind.BROKEN})),
    _OF_SOURCES,
    (_persons, frozenset({StuckKind.PERSON})),
)  # fmt: skip
_QUESTIONS_OF_ELSEWHERE = (_OF_LOCKS, _OF_SOURCES)


def open_ids(run_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Those of the runs that have not ended, in id order."""
    found = Run.objects.open().filter(pk__in=run_ids).order_by("id")
    return list(found.values_list("pk", flat=True))
