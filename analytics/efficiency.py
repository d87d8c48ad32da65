"""Of the time that a run took, what was work and what was spent on waiting, and for what. Pure.

Times are seconds on one clock; where they are from is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HUMAN = "human"


class Try(NamedTuple):
    """One attempt; `again`: when the next one may begin, where it failed."""

    started: float
    ended: float
    again: float | None = None


class Step(NamedTuple):
    """A node that was executed: its attempts in order, and since when it had waited for a worker
    before the first of them."""

    key: str
    kind: str
    queued: float | None
    tries: Sequence[Try]


@dataclass(frozen=True, slots=True)
class Split:
    """Seconds. `ideal`: with each node begun as soon as those that it needs had ended."""

    actual: float
    ideal: float
    work: float
    # Nothing was executed: because of people, of back-off, of the queue, or of none of these.
    person: float
    backoff: float
    queued: float
    other: float


Interval = tuple[float, float]


def split(
    started: float, ended: float, steps: Sequence[Step], needs: Mapping[str, Sequence[str]]
) -> Split:
    """`needs` tells of each node which others it waits for; what is not among `steps` took no
    time."""
    busy = _union(
        (each.started, each.ended) for step in steps if step.kind != HUMAN for each in step.tries
    )
    idle = _without([(started, ended)], busy)
    spent = {}
    for cause, waits in (
        ("person", [(t.started, t.ended) for s in steps if s.kind == HUMAN for t in s.tries]),
        ("backoff", [(t.ended, t.again) for s in steps for t in s.tries if t.again is not None]),
        ("queued", [(s.queued, s.tries[0].started) for s in steps if s.queued is not None]),
    ):
        left = _without(idle, _union(waits))
        spent[cause] = _length(idle) - _length(left)
        idle = left
    took = {step.key: sum(max(0.0, t.ended - t.started) for t in step.tries) for step in steps}
    return Split(
        actual=max(0.0, ended - started),
        ideal=_longest(took, needs),
        work=sum(took.values()),
        other=_length(idle),
        **spent,
    )


def _longest(took: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> float:
    """The longest chain of nodes that wait for each other. `needs` is in an order in which each
    node comes behind what it needs, as definitions are checked to be."""
    ends: dict[str, float] = {}
    for key in _ordered(needs):
        begin = max((ends.get(need, 0.0) for need in needs[key]), default=0.0)
        ends[key] = begin + took.get(key, 0.0)
    alone = [seconds for key, seconds in took.items() if key not in ends]
    return max([*ends.values(), *alone], default=0.0)


def _ordered(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """What is needed first."""
    left = {key: {need for need in wanted if need in needs} for key, wanted in needs.items()}
    found: list[str] = []
    ready = [key for key, wanted in left.items() if not wanted]
    followers: dict[str, list[str]] = {key: [] for key in needs}
    for key, wanted in left.items():
        for need in wanted:
            followers[need].append(key)
    while ready:
        key = ready.pop()
        found.append(key)
        for follower in followers[key]:
            left[follower].discard(key)
            if not left[follower]:
                ready.append(follower)
    return found


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for begin, end in sorted(each for each in intervals if each[1] > each[0]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _without(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """What is left of ordered intervals without other ordered ones."""
    found: list[Interval] = []
    for begin, end in intervals:
        at = begin
        for other_begin, other_end in taken:
            if other_end <= at:
                continue
            if other_begin >= end:
                break
            if other_begin > at:
                found.append((at, other_begin))
            at = max(at, other_end)
        if at < end:
            found.append((at, end))
    return found


def _length(intervals: Iterable[Interval]) -> float:
    return sum(end - begin for begin, end in intervals)
