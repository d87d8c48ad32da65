"""A run played through the engine's rules and folded by the recorder's reader, in no time.

What comes out is what the recorder would have written for the same events at the same times.
"""

from __future__ import annotations

import heapq
import itertools
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from runs.engine import steps
from runs.fold import fold
from runs.graph import Graph, NodeSpec
from runs.recorder import Snapshot
from runs.rows import AttemptBegun, AttemptEnded, ModelCall, NewEvent, NodeRow, RunRow
from runs.states import Kind, NodeStatus, RunState
from runs.synthetic import errors
from runs.synthetic.workflows import LARGE, SMALL, VISION, Step

# What differs from run to run; told apart from all text by characters that no text has.
DOCUMENT, BY, WHO, RUN_ID = "\ue000", "\ue001", "\ue002", "\ue003"
ZERO = datetime(2000, 1, 1, tzinfo=UTC)
# US dollars for a million tokens: input, output.
_PRICES = {SMALL: (40, 160), LARGE: (300, 1500), VISION: (30, 250)}
_NOBODY = uuid.UUID(int=0)
WORKERS = tuple(f"runs@node-{number}" for number in range(1, 7))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of the run. `failing` is the node that fails it; `ends_at`, in seconds,
    is when somebody ends it or, for a run still open, until when it is told.
    """

    outcome: str
    failing: str = ""
    fault: errors.Fault | None = None
    ends_at: float = 0.0
    # Chance of a passing error or a lost worker at each attempt.
    trouble: float = 0.02
    # Log lines at each attempt, on average.
    lines: float = 0.0


@dataclass(slots=True)
class Told:
    seq: int
    at: datetime
    event: NewEvent


@dataclass(slots=True)
class Story:
    run: RunRow
    nodes: dict[str, NodeRow]
    events: list[Told] = field(default_factory=list)
    begun: list[AttemptBegun] = field(default_factory=list)
    ended: dict[tuple[str, int], AttemptEnded] = field(default_factory=dict)
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return (self.events[-1].at - ZERO).total_seconds()


def tell(kind_steps: Sequence[Step], graph: Graph, plan: Plan, rng: random.Random) -> Story:
    return _Play(kind_steps, graph, plan, rng).tell()


class _Play:
    def __init__(
        self, kind_steps: Sequence[Step], graph: Graph, plan: Plan, rng: random.Random
    ) -> None:
        self.graph, self.plan, self.rng = graph, plan, rng
        self.steps = {step.id: step for step in kind_steps}
        run = RunRow(_NOBODY, 0, RunState.CREATED, 1, 0, nodes_total=len(graph.nodes))
        nodes = {
            spec.id: NodeRow(
                _NOBODY, spec.id, spec.position, spec.kind, spec.executor, NodeStatus.PENDING
            )
            for spec in graph.nodes.values()
        }
        self.story = Story(run, nodes)
        self.found = Snapshot(run, nodes)
        self.clock = ZERO
        self._todo: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def tell(self) -> Story:
        first = [NewEvent(Kind.RUN_CREATED, actor=BY, data={"input": {"document": DOCUMENT}})]
        if self.plan.outcome == "refused":
            self._record(first)
            self._refuse()
            return self.story
        self._record(first + [NewEvent(Kind.NODE_QUEUED, node=key) for key in self.graph.roots])
        if self.plan.outcome in ("terminated", "unstarted"):
            self._in(self.plan.ends_at, self._terminate)
        limit = None
        if self.plan.outcome in ("active", "created"):
            limit = ZERO + timedelta(seconds=self.plan.ends_at)
        while self._todo:
            at, _, act = heapq.heappop(self._todo)
            if limit is not None and at > limit:
                break
            self.clock = at
            act()
        return self.story

    # -- Recording ---------------------------------------------------------------------------

    def _record(self, events: Sequence[NewEvent]) -> None:
        if not events:
            return
        story, first = self.story, self.story.run.last_seq + 1
        changes = fold(story.run, story.nodes, list(events), self.clock)
        story.events += [Told(seq, self.clock, event) for seq, event in enumerate(events, first)]
        story.begun += changes.begun
        story.ended |= {(ended.node, ended.number): ended for ended in changes.ended}
        story.calls += changes.model_calls
        for key, at in changes.ready.items():
            if at is not None and self.plan.outcome not in ("created", "unstarted"):
                wait = (at - self.clock).total_seconds() + self.rng.uniform(0.004, 0.4)
                self._in(wait, lambda key=key: self._claim(key))  # type: ignore[misc]

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        # Odd microseconds keep moments apart, so that their order is one.
        at = self.clock + timedelta(seconds=seconds, microseconds=self.rng.randrange(1, 900))
        heapq.heappush(self._todo, (at, next(self._order), act))

    # -- What happens ------------------------------------------------------------------------

    def _claim(self, key: str) -> None:
        spec, step = self.graph.nodes[key], self.steps[key]
        if step.after and not self._may_begin(step.after):
            self._in(0.1, lambda: self._claim(key))
            return
        worker = self.rng.choice(WORKERS)
        inputs = {"document": DOCUMENT, "attempt_of": key} if spec.input else {}
        before = self.story.nodes[key].attempts
        events = steps.claim(self.found, key, before, worker, inputs, spec)
        self._record(events)
        if not events:
            return
        attempt = self.story.nodes[key].attempts
        length = step.seconds * self.rng.lognormvariate(0, 0.45)
        for event in self._says(step, attempt):
            self._in(self.rng.uniform(0.05, 0.95) * length, lambda e=event: self._say(e))  # type: ignore[misc]
        self._in(length, lambda: self._end(spec, step, attempt, worker))

    def _may_begin(self, after: str) -> bool:
        return self.story.run.is_final or self.story.nodes[after].completed_at is not None

    def _says(self, step: Step, attempt: int) -> list[NewEvent]:
        said = []
        count = int(self.plan.lines + self.rng.random())
        for _ in range(0 if step.chooses else count):
            level, line = self.rng.choice(errors.LINES)
            data = {"level": level, "message": line.replace("{}", DOCUMENT)}
            said.append(NewEvent(Kind.LOG, step.id, attempt, data=data))
        for _ in range(step.calls if step.model else 0):
            said.append(NewEvent(Kind.LLM_CALL, step.id, attempt, data=self._call(step.model)))
        return said

    def _call(self, model: str) -> dict[str, object]:
        tokens = int(self.rng.lognormvariate(8.1, 0.7))
        cached = tokens // 2 if self.rng.random() < 0.3 else 0
        answer = int(self.rng.lognormvariate(5.9, 0.6))
        dear, dearer = _PRICES[model]
        units = (tokens - cached) * dear + cached * dear // 10 + answer * dearer
        return {
            "model": model,
            "input_tokens": tokens,
            "output_tokens": answer,
            "cached_tokens": cached,
            "cost": f"{units // 10**8}.{units % 10**8:08d}",
        }

    def _say(self, event: NewEvent) -> None:
        node = self.story.nodes[event.node]
        if not self.story.run.is_final and node.attempts == event.attempt:
            self._record([event])

    def _end(self, spec: NodeSpec, step: Step, attempt: int, worker: str) -> None:
        fails = spec.id == self.plan.failing
        chance = self.rng.random()
        if chance < self.plan.trouble / 5 and not fails:
            events = steps.lose(self.found, spec, attempt, worker, self.clock)
        elif fails or (chance < self.plan.trouble and attempt <= spec.retries):
            fault = (self.plan.fault if fails else None) or errors.fault(
                self.rng, model=bool(step.model), outage=True
            )
            error = errors.error(self.rng, fault, spec.id, DOCUMENT)
            events = steps.fail(
                self.found, spec, attempt, error, self.clock, permanent=fault.permanent,
            )  # fmt: skip
        else:
            events = self._complete(spec, step, attempt)
        self._record(events)

    def _complete(self, spec: NodeSpec, step: Step, attempt: int) -> list[NewEvent]:
        chosen = path = None
        output: dict[str, object] = {
            "key": f"results/{DOCUMENT}.{spec.id}.json",
            "lines": self.rng.randrange(3, 80),
            "summary": f"{DOCUMENT}: {spec.id} done",
        }
        if step.chooses:
            path = self.rng.choices(step.chooses, (4, 1)[: len(step.chooses)])[0]
            chosen, output = [path], {"path": path, "to": [path]}
            path = "default" if path == step.chooses[0] else path
        return steps.complete(
            self.found, self.graph, spec.id, attempt, output, path=path, selected=chosen
        )

    def _refuse(self) -> None:
        kind, message = self.rng.choice(errors.REFUSALS)
        self.clock += timedelta(seconds=900 if kind == "StartDeadlinePassed" else 0)
        error = {"node": "", "kind": kind, "message": message}
        self._record(steps.refuse(self.found, error))

    def _terminate(self) -> None:
        self._record(steps.terminate(self.found, WHO, self.rng.choice(errors.REASONS)))


def plan(kind_steps: Sequence[Step], outcome: str, rng: random.Random, lines: float) -> Plan:
    """A plan with this outcome: which node fails and why, when somebody ends it."""
    usual = Plan(outcome, lines=lines, trouble=0.03)
    length = sum(step.seconds for step in kind_steps)
    if outcome in ("failed", "outage"):
        able = [step for step in kind_steps if not step.chooses]
        # Later nodes may stand on a path that is not chosen; the run completes then.
        failing = rng.choice(able[: max(2, len(able) - 1)])
        fault = errors.fault(rng, model=bool(failing.model), outage=outcome == "outage")
        return replace(usual, failing=failing.id, fault=fault, trouble=0.0)
    if outcome == "planted":
        failing = next(step for step in kind_steps if step.fault is not None)
        return replace(usual, failing=failing.id, fault=failing.fault, trouble=0.0)
    if outcome in ("terminated", "active"):
        return replace(usual, ends_at=rng.uniform(0.15, 0.7) * length)
    if outcome in ("unstarted", "created"):
        return replace(usual, ends_at=rng.uniform(1, 90))
    return usual
