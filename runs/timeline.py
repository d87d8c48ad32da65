"""Nodes + attempts + now → bars, gaps with their causes, axis, critical path. Pure.

Everything is placed in per cent of the axis, as the page's stylesheet wants it. Durations are
seconds; putting them into words is the page's matter.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from runs.states import NODE_FINAL, AttemptStatus, NodeStatus

REUSED = "reused"
QUEUED, DEPENDENCY, BACKOFF, PERSON = "queued", "dep", "backoff", "person"
# A gap narrower than this (per cent) would be drawn wider than it is, over its bar.
LEAST_GAP = 0.25
# From this many rows on they are drawn thin, in a scroll of their own.
LONG = 60
# From this many rows on one looks for a node by its name.
SEARCHABLE = 15
_MOST_INTERVALS = 6
# A run that waited so many times as long as it ran is shown from its start.
_LONG_WAIT = 3
# Where the critical path of a run under way ends, in per cent.
_BEYOND = 150
_STEPS = (
    *(digit * 10.0**power for power in range(-3, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0),
    *(hours * 3_600.0 for hours in (1, 2, 3, 6, 12)),
    *(days * 86_400.0 for days in (1, 2, 7, 14, 28, 56, 112, 364)),
)
# How an attempt is drawn. A late one belongs to a run or an attempt that was over already.
_DRAWN = {
    AttemptStatus.RUNNING: "running",
    AttemptStatus.COMPLETED: "completed",
    AttemptStatus.FAILED: "failed",
    AttemptStatus.LOST: "failed",
    AttemptStatus.LATE: "terminated",
}


class RunTimes(Protocol):
    @property
    def created_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...


class NodeTimes(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def queued_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...


class AttemptTimes(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def completed_at(self) -> datetime | None: ...
    @property
    def retry_at(self) -> datetime | None: ...
    @property
    def error_kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt, or the tag of a skipped or reused node (attempt 0)."""

    state: str
    x: float
    w: float
    attempt: int
    status: str
    seconds: float
    error_kind: str
    growing: bool


@dataclass(frozen=True, slots=True)
class Gap:
    cause: str
    x: float
    w: float
    seconds: float
    growing: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A node, by its key."""

    key: str
    bars: list[Bar]
    gaps: list[Gap]
    # When it first waited for a worker; the node itself tells that of its newest attempt.
    queued_at: datetime | None
    # From the first attempt's start to the last one's end, or to now; None: never begun.
    seconds: float | None
    growing: bool
    critical: bool


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    rows: list[Row]
    ticks: list[Tick]
    # Grid intervals on the axis; seldom whole, since it ends with the run or with now.
    intervals: float
    # The axis: its length in seconds; whether its end is now.
    span: float
    growing: bool
    # Where the axis says 0, in seconds from its beginning.
    zero: float
    # Seconds that the run waited before what the axis shows; 0 where the axis shows all.
    waited: float
    # An SVG path: x in per cent, y in rows. "" where nothing has run.
    critical_path: str
    # Between start and end: seconds in which no node ran, and what most of them were spent on.
    total: float
    idle: float
    idle_cause: str

    @property
    def is_long(self) -> bool:
        return len(self.rows) > LONG

    @property
    def is_searchable(self) -> bool:
        return len(self.rows) > SEARCHABLE


@dataclass(slots=True)
class _Stretch:
    """A bar or gap before it is placed: times instead of per cent."""

    start: datetime
    end: datetime
    growing: bool = False
    cause: str = ""

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(slots=True)
class _Lane:
    node: NodeTimes
    attempts: Sequence[AttemptTimes]
    bars: list[_Stretch] = field(default_factory=list)
    gaps: list[_Stretch] = field(default_factory=list)
    queued_at: datetime | None = None

    @property
    def end(self) -> datetime | None:
        return max((bar.end for bar in self.bars), default=None)

    @property
    def answered(self) -> _Stretch | None:
        """What its end is the end of: the last attempt, or a person's time to answer."""
        waits = [gap for gap in self.gaps if gap.cause == PERSON]
        return max(self.bars or waits, key=lambda each: each.end, default=None)


def timeline(
    run: RunTimes,
    nodes: Iterable[NodeTimes],
    attempts: Mapping[str, Sequence[AttemptTimes]],
    needs: Mapping[str, Sequence[str]],
    now: datetime,
) -> Timeline:
    """`attempts` and `needs` by the nodes' keys; attempts in the order of their numbers."""
    ordered = in_graph_order(nodes, needs)
    lanes = {node.key: _lane(node, attempts.get(node.key, ()), now) for node in ordered}
    for lane in lanes.values():
        _add_waits(run, lane, [lanes[key].node for key in _known(needs, lane.node.key, lanes)], now)
    draining = any(bar.growing for lane in lanes.values() for bar in lane.bars)
    growing = run.completed_at is None or draining
    ends = [lane.end for lane in lanes.values() if lane.end is not None]
    end = now if growing else max([run.completed_at or now, *ends])
    zero, start, step, waited = _axis(run, end)
    span = max((end - start).total_seconds(), 0.001)
    scale = _Scale(start, span)
    path = _critical_chain(lanes, needs)
    critical = set(path)
    begun = run.started_at or end
    idle, cause = _idle(list(lanes.values()), begun, run.completed_at or end)
    return Timeline(
        rows=[_row(lane, scale, lane.node.key in critical) for lane in lanes.values()],
        ticks=_ticks(scale, zero, step, growing=growing),
        intervals=round(span / step, 4),
        span=span,
        growing=growing,
        zero=(zero - start).total_seconds(),
        waited=waited,
        critical_path=_drawn_path(path, lanes, scale),
        total=max(((run.completed_at or end) - begun).total_seconds(), 0.0),
        idle=idle,
        idle_cause=cause,
    )


def in_graph_order(
    nodes: Iterable[NodeTimes], needs: Mapping[str, Sequence[str]]
) -> list[NodeTimes]:
    """Each node after what it needs, else as in the definition.

    Not by start: rows of a live timeline would then move under the pointer.
    """
    by_key = {node.key: node for node in nodes}
    open_needs = {key: len(_known(needs, key, by_key)) for key in by_key}
    followers: dict[str, list[str]] = {key: [] for key in by_key}
    for key in by_key:
        for need in _known(needs, key, by_key):
            followers[need].append(key)
    heap = [(node.position, key) for key, node in by_key.items() if not open_needs[key]]
    heapq.heapify(heap)
    done: list[NodeTimes] = []
    while heap:
        _, key = heapq.heappop(heap)
        done.append(by_key[key])
        for follower in followers[key]:
            open_needs[follower] -= 1
            if not open_needs[follower]:
                heapq.heappush(heap, (by_key[follower].position, follower))
    return done


def _known(needs: Mapping[str, Sequence[str]], key: str, known: Mapping[str, object]) -> list[str]:
    return [need for need in needs.get(key, ()) if need in known]


def _lane(node: NodeTimes, attempts: Sequence[AttemptTimes], now: datetime) -> _Lane:
    lane = _Lane(node, attempts)
    for attempt in attempts:
        end = attempt.completed_at or max(now, attempt.started_at)
        lane.bars.append(_Stretch(attempt.started_at, end, attempt.completed_at is None))
    return lane


def _add_waits(run: RunTimes, lane: _Lane, needed: Sequence[NodeTimes], now: datetime) -> None:
    """The gaps of `lane`: waiting for dependencies, a worker, the next attempt, a person."""
    node = lane.node
    settled = [need.completed_at for need in needed if need.completed_at is not None]
    if node.status == NodeStatus.PENDING and settled and run.completed_at is None:
        _gap(lane, DEPENDENCY, min(settled), now, growing=True)
    if node.status == NodeStatus.SKIPPED or (node.queued_at is None and not lane.bars):
        return  # its turn never came
    is_open = node.status not in NODE_FINAL and run.completed_at is None
    until = now if is_open else (node.completed_at or now)
    # A node that waits for a person begins with its question, and has no attempts.
    first = lane.bars[0].start if lane.bars else node.started_at
    ready = max(settled, default=run.created_at)
    # A retry sets `queued_at` anew; it is the first one's while it stands before its start.
    if node.queued_at is not None and (first is None or node.queued_at <= first):
        ready = node.queued_at
    lane.queued_at = ready
    if settled:
        _gap(lane, DEPENDENCY, min(settled), ready)
    _gap(lane, QUEUED, ready, first or until, growing=first is None and is_open)
    if first is not None and not lane.bars:
        _gap(lane, PERSON, first, until, growing=is_open)
    starts = [bar.start for bar in lane.bars[1:]]
    for number, attempt in enumerate(lane.attempts):
        following = starts[number] if number < len(starts) else None
        ended = attempt.completed_at
        if ended is None or (following is None and attempt.retry_at is None):
            continue
        end = following or until
        again = min(max(attempt.retry_at or ended, ended), end)
        waiting = following is None and is_open
        _gap(lane, BACKOFF, ended, again, growing=waiting and again == end)
        _gap(lane, QUEUED, again, end, growing=waiting)


def _gap(lane: _Lane, cause: str, start: datetime, end: datetime, *, growing: bool = False) -> None:
    if end > start:
        lane.gaps.append(_Stretch(start, end, growing, cause))


def _axis(run: RunTimes, end: datetime) -> tuple[datetime, datetime, float, float]:
    """What the axis calls 0, where it begins, its step, and the waiting that it leaves out.

    A run that queued for much longer than it ran would be a sliver at the right: the axis then
    begins one step before its start.
    """
    whole = _step((end - run.created_at).total_seconds())
    if run.started_at is None:
        return run.created_at, run.created_at, whole, 0.0
    waited, ran = run.started_at - run.created_at, end - run.started_at
    if waited <= _LONG_WAIT * max(ran, timedelta(milliseconds=1)):
        return run.created_at, run.created_at, whole, 0.0
    step = _step(ran.total_seconds())
    start = run.started_at - timedelta(seconds=step)
    return run.started_at, start, step, waited.total_seconds()


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    span: float

    def x(self, at: datetime) -> float:
        """Where on the axis, in per cent; what stands before it is at its beginning."""
        share = (at - self.start).total_seconds() / self.span * 100
        return round(min(max(share, 0.0), 100.0), 3)


def _step(seconds: float) -> float:
    return next((step for step in _STEPS if seconds / step <= _MOST_INTERVALS), _STEPS[-1])


def _ticks(scale: _Scale, zero: datetime, step: float, *, growing: bool) -> list[Tick]:
    offset = (zero - scale.start).total_seconds()
    # At the end of the axis stands "now", or its edge, over which no label reaches.
    room = scale.span * (0.9 if growing else 0.96) - offset
    count = min(math.floor(round(room / step, 6)) + 1, _MOST_INTERVALS + 2)
    return [
        Tick(round((offset + number * step) / scale.span * 100, 3), _tick_words(number * step))
        for number in range(count)
    ]


def _tick_words(seconds: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{round(seconds, 3):g} s"
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(round(seconds), size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def _row(lane: _Lane, scale: _Scale, critical: bool) -> Row:
    bars = [
        Bar(
            state=_DRAWN[AttemptStatus(attempt.status)],
            x=scale.x(stretch.start),
            w=round(scale.x(stretch.end) - scale.x(stretch.start), 3),
            attempt=attempt.number,
            status=attempt.status,
            seconds=stretch.seconds,
            error_kind=attempt.error_kind,
            growing=stretch.growing,
        )
        for attempt, stretch in zip(lane.attempts, lane.bars, strict=True)
    ]
    if lane.node.status == NodeStatus.SKIPPED and lane.node.completed_at is not None:
        at = scale.x(lane.node.completed_at)
        bars.append(Bar("skipped", at, 0.0, 0, NodeStatus.SKIPPED, 0.0, "", growing=False))
    elif _is_reused(lane):
        bars.append(Bar("reused", 0.0, 0.0, 0, REUSED, 0.0, "", growing=False))
    gaps = []
    for stretch in lane.gaps:
        x = scale.x(stretch.start)
        w = round(scale.x(stretch.end) - x, 3)
        if w >= LEAST_GAP:
            gaps.append(Gap(stretch.cause, x, w, stretch.seconds, stretch.growing))
    end = lane.end
    seconds = None if end is None else (end - lane.bars[0].start).total_seconds()
    growing = any(bar.growing for bar in lane.bars)
    return Row(lane.node.key, bars, gaps, lane.queued_at, seconds, growing, critical)


def _is_reused(lane: _Lane) -> bool:
    """Whether its result was taken over: it completed and was never begun."""
    never_begun = lane.node.started_at is None and not lane.bars
    return never_begun and lane.node.status == NodeStatus.COMPLETED


def _critical_chain(lanes: Mapping[str, _Lane], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """From the node that ended last back through what each one waited for, first to last."""
    lasts = {key: lane.answered for key, lane in lanes.items()}
    ends = {key: last.end for key, last in lasts.items() if last is not None}
    chain: list[str] = []
    candidates = list(ends)
    while candidates:
        key = max(candidates, key=lambda candidate: (ends[candidate], candidate))
        chain.append(key)
        candidates = _known(needs, key, ends)
    return chain[::-1]


def _drawn_path(chain: Sequence[str], lanes: Mapping[str, _Lane], scale: _Scale) -> str:
    if not chain:
        return ""
    rows = {key: number for number, key in enumerate(lanes)}
    lane = lanes[chain[0]]
    begin = min(stretch.start for stretch in [*lane.gaps, *lane.bars])
    parts = [f"M{scale.x(begin):g},{rows[chain[0]] + 0.665:g}"]
    for number, key in enumerate(chain):
        if number:
            parts.append(f"V{rows[key] + 0.665:g}")
        lane = lanes[key]
        # What still runs leads on past now: the page draws no further than that.
        last = lane.answered
        growing = any(bar.growing for bar in lane.bars) or (last is not None and last.growing)
        end = _BEYOND if growing else scale.x(last.end if last else begin)
        parts.append(f"H{end:g}")
    return " ".join(parts)


Interval = tuple[datetime, datetime]


def _idle(lanes: Sequence[_Lane], begin: datetime, end: datetime) -> tuple[float, str]:
    busy = _union((bar for lane in lanes for bar in lane.bars), begin, end)
    idle = _complement(busy, begin, end)
    by_cause = {}
    for cause in (QUEUED, DEPENDENCY, BACKOFF, PERSON):
        gaps = (gap for lane in lanes for gap in lane.gaps if gap.cause == cause)
        by_cause[cause] = _overlap(idle, _union(gaps, begin, end))
    most = max(by_cause, key=lambda cause: by_cause[cause])
    total = sum((stop - start).total_seconds() for start, stop in idle)
    return total, most if by_cause[most] > 0 else ""


def _union(stretches: Iterable[_Stretch], begin: datetime, end: datetime) -> list[Interval]:
    merged: list[Interval] = []
    for stretch in sorted(stretches, key=lambda s: s.start):
        start, stop = max(stretch.start, begin), min(stretch.end, end)
        if stop <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _complement(busy: Sequence[Interval], begin: datetime, end: datetime) -> list[Interval]:
    holes, at = [], begin
    for start, stop in busy:
        if start > at:
            holes.append((at, start))
        at = stop
    if end > at:
        holes.append((at, end))
    return holes


def _overlap(left: Sequence[Interval], right: Sequence[Interval]) -> float:
    """Seconds that both cover. Each is sorted and without overlaps of its own."""
    seconds, i, j = 0.0, 0, 0
    while i < len(left) and j < len(right):
        start, stop = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        seconds += max((stop - start).total_seconds(), 0.0)
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return seconds
