"""Of one run: what its time was spent on, and which nodes the end waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics import figures
from analytics.efficiency import HUMAN, Step, Try, split
from runs.models import Attempt, Node, Run


@dataclass(frozen=True, slots=True)
class PathNode:
    """A node on the critical path; `waited`: since what it waited for had ended, without its own
    back-off."""

    node: str
    kind: str
    ms: float
    share: float
    waited: float

    @property
    def percent(self) -> str:
        return figures.percent(self.share)


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of the time was spent on."""

    name: str
    words: str
    ms: float
    share: float

    @property
    def percent(self) -> str:
        return figures.percent(self.share)

    @property
    def width(self) -> str:
        return f"{100 * self.share:.1f}%"


@dataclass(frozen=True, slots=True)
class RunTime:
    """Milliseconds, from start to end, or so far."""

    total: float
    # Some node was at work; then the causes of there being none. Together they are the total.
    parts: list[Part]
    # All nodes' work, one after the other; with each begun as soon as it could.
    work: float
    ideal: float
    path: list[PathNode]

    @property
    def efficiency(self) -> float | None:
        return figures.ratio(min(self.ideal, self.total), self.total)

    @property
    def efficiency_words(self) -> str:
        return figures.percent(self.efficiency)

    @property
    def lost(self) -> float:
        """What need not have been waited."""
        return max(0.0, self.total - self.ideal)

    @property
    def idle(self) -> float:
        return sum(part.ms for part in self.parts[1:])

    @property
    def path_work(self) -> float:
        return sum(node.ms for node in self.path)

    @property
    def path_percent(self) -> str:
        return figures.percent(figures.ratio(self.path_work, self.total))


_CAUSES = (
    ("queued", "Waiting for a worker"),
    ("person", "Waiting for a person"),
    ("backoff", "Waiting for the next attempt"),
    ("other", "Nothing of these"),
)


def steps_of(
    run: Run,
    nodes: Sequence[Node],
    attempts: Mapping[int, Sequence[Attempt]],
    needs: Mapping[str, Sequence[str]],
    now: datetime,
) -> list[Step]:
    """The nodes that were begun in this run, in the order of the definition."""
    ended = {node.key: node.completed_at for node in nodes if node.completed_at}
    found = []
    for node in nodes:
        if node.reused_from or (node.started_at is None and not attempts.get(node.pk)):
            continue
        tries = [
            Try(
                each.started_at.timestamp(),
                (each.completed_at or max(now, each.started_at)).timestamp(),
                each.retry_at.timestamp() if each.retry_at else None,
            )
            for each in attempts.get(node.pk, ())
        ]
        if not tries and node.started_at:
            end = node.completed_at or run.completed_at or max(now, node.started_at)
            tries = [Try(node.started_at.timestamp(), end.timestamp())]
        queued = node.queued_at
        # A retry sets it anew; the first attempt waited from when all was there.
        if queued is None or queued.timestamp() > tries[0].started:
            before = [ended[key] for key in needs.get(node.key, ()) if key in ended]
            queued = max(before, default=run.started_at)
        found.append(Step(node.key, node.kind, queued.timestamp() if queued else None, tries))
    return found


def worked(step: Step) -> float:
    """Milliseconds that all attempts of a node took; of a person's, that the answer took."""
    return 1000 * sum(max(0.0, each.ended - each.started) for each in step.tries)


def time_of(
    run: Run, steps: Sequence[Step], needs: Mapping[str, Sequence[str]], now: datetime
) -> RunTime | None:
    """None where it has not started."""
    if run.started_at is None:
        return None
    begin, end = run.started_at.timestamp(), (run.completed_at or now).timestamp()
    found = split(begin, end, steps, needs)
    total = 1000 * found.actual
    idle = {name: 1000 * float(getattr(found, name)) for name, _ in _CAUSES}
    busy = max(0.0, total - sum(idle.values()))
    parts = [_part("working", "Nodes at work", busy, total)]
    parts += [_part(name, words, idle[name], total) for name, words in _CAUSES]
    return RunTime(
        total=total,
        parts=parts,
        work=1000 * found.work,
        ideal=1000 * found.ideal,
        path=_path(begin, steps, needs, total),
    )


def _part(name: str, words: str, ms: float, total: float) -> Part:
    return Part(name, words, ms, figures.ratio(ms, total) or 0.0)


def _path(
    begin: float, steps: Sequence[Step], needs: Mapping[str, Sequence[str]], total: float
) -> list[PathNode]:
    """From the node that ended last back through what each one waited for, first to last."""
    by_key = {step.key: step for step in steps}
    chain: list[Step] = []
    candidates = list(by_key)
    while candidates:
        last = max(candidates, key=lambda key: (by_key[key].tries[-1].ended, key))
        chain.append(by_key[last])
        candidates = [key for key in needs.get(last, ()) if key in by_key]
    found, at = [], begin
    for step in reversed(chain):
        ms = worked(step)
        waited = 1000 * max(0.0, step.tries[0].started - at)
        at = step.tries[-1].ended
        found.append(PathNode(step.key, step.kind, ms, figures.ratio(ms, total) or 0.0, waited))
    return found


def is_human(step: Step) -> bool:
    return step.kind == HUMAN
