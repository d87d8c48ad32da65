"""How long runs take, which nodes it is spent in, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics import asking, figures, trend
from analytics.figures import Figure
from analytics.scope import Scope
from analytics.workflow_times import WorkflowTime, workflow_times
from runs.models import Workflow

# Nodes that a page shows.
SHOWN = 25
SORTS = ("share", "p50", "p95", "longest", "queued", "change")
# Below this, nodes of so few runs are said to be nothing: one of them makes a percentile.
ENOUGH = 5
# A node is slower where its p95 grew by half.
SLOWER = 1.5


@dataclass(frozen=True, slots=True)
class NodeTime:
    """A node of a workflow; milliseconds."""

    node: str
    workflow: str
    kind: str
    executed: int
    failed: int
    p50: float | None
    p95: float | None
    longest: int
    # Of all time that nodes worked.
    share: float
    # On average, of those that were executed.
    queued: float
    backoff: float
    p95_before: float | None
    queued_before: float | None
    # The runs in which it was executed, and those in which it has failed.
    link: str
    failed_link: str = ""

    @property
    def growth(self) -> float | None:
        if self.p95 is None or not self.p95_before or self.executed < ENOUGH:
            return None
        return self.p95 / self.p95_before

    @property
    def change(self) -> str:
        """Histograms tell apart what differs by five per cent, no less."""
        if self.growth is None:
            return ""
        if abs(self.growth - 1) < 0.05:
            return figures.SAME
        return figures.growth(self.p95 or 0, self.p95_before)

    @property
    def is_queued_longer(self) -> bool:
        """By more than a second, and at least twice as long."""
        if self.queued_before is None or self.executed < ENOUGH:
            return False
        return self.queued - self.queued_before > 1_000 and self.queued > 2 * self.queued_before

    @property
    def is_worse(self) -> bool:
        return self.growth is not None and self.growth >= SLOWER

    @property
    def percent(self) -> str:
        return figures.percent(self.share)


@dataclass(frozen=True, slots=True)
class Cause:
    """What the time of the sampled runs was spent on."""

    name: str
    words: str
    ms: int
    share: float
    before: float | None

    @property
    def percent(self) -> str:
        return figures.percent(self.share)

    @property
    def change(self) -> str:
        if self.before is None:
            return ""
        points = round(100 * (self.share - self.before), 1)
        return f"{'+' if points > 0 else '−'}{abs(points):g} points" if points else figures.SAME


@dataclass(frozen=True, slots=True)
class Sampled:
    """Where the time of a sample of completed runs went."""

    runs: int
    actual_ms: int
    ideal_ms: int
    work_ms: int
    causes: list[Cause]

    @property
    def efficiency(self) -> float | None:
        """What runs would take if nothing waited that need not, of what they took."""
        return figures.ratio(min(self.ideal_ms, self.actual_ms), self.actual_ms)

    @property
    def efficiency_words(self) -> str:
        return figures.percent(self.efficiency)

    @property
    def abreast(self) -> float | None:
        """How many nodes worked at once, on average."""
        return figures.ratio(self.work_ms, self.actual_ms)


@dataclass(frozen=True, slots=True)
class Durations:
    scope: Scope
    figures: list[Figure]
    timed: int
    bars: list[datetime]
    p50: list[float | None]
    p95: list[float | None]
    nodes: list[NodeTime]
    node_count: int
    # None where rollups have none: samples are not taken for other filters.
    sampled: Sampled | None
    # Of one workflow its versions.
    workflows: list[WorkflowTime]


def durations(scope: Scope, before: Scope | None, sort: str = "share", page: int = 1) -> Durations:
    now, then = _total(scope), _total(before) if before else None
    at = trend.bars(scope)
    rows = asking.total(scope, "analytics_runs", sums=["timed"], steps=True, bar=scope.bar)
    by_bar = {row["at"]: row for row in rows}
    nodes = sorted(_nodes(scope, before), key=lambda each: _rank(each, sort), reverse=True)
    return Durations(
        scope=scope,
        figures=_figures(scope, now, then),
        timed=int(now["timed"]),
        bars=at,
        p50=[by_bar[bar].percentile(0.5) if bar in by_bar else None for bar in at],
        p95=[by_bar[bar].percentile(0.95) if bar in by_bar else None for bar in at],
        nodes=nodes[(page - 1) * SHOWN : page * SHOWN],
        node_count=len(nodes),
        sampled=_sampled(scope, before),
        workflows=workflow_times(scope, before),
    )


def _total(scope: Scope) -> asking.Row:
    [row] = asking.total(
        scope, "analytics_runs", sums=["runs", "timed", "duration_ms", "waited_ms"],
        largest=["longest_ms"], steps=True,
    )  # fmt: skip
    return row


def _figures(scope: Scope, now: asking.Row, then: asking.Row | None) -> list[Figure]:
    # Of what has not started or not ended no duration is told.
    link = scope.link(timed="yes")

    def waited(row: asking.Row) -> float | None:
        return figures.ratio(float(row["waited_ms"]), float(row["runs"]))

    return [
        figures.length(
            "Median", now.percentile(0.5), then.percentile(0.5) if then else None, link
        ),
        figures.length(
            "95 % within", now.percentile(0.95), then.percentile(0.95) if then else None, link
        ),
        figures.length(
            "Longest", now["longest_ms"] or None, (then["longest_ms"] or None) if then else None,
            scope.link(timed="yes", sort="duration"),
        ),
        figures.length(
            "Waited for a start", waited(now), waited(then) if then else None, scope.link()
        ),
    ]  # fmt: skip


def _nodes(scope: Scope, before: Scope | None) -> list[NodeTime]:
    keys = ["workflow_id", "node", "kind"]
    rows = asking.total(
        scope, "analytics_nodes", keys,
        ["duration_ms", "executed", "failed", "queued_ms", "backoff_ms"],
        largest=["longest_ms"], steps=True,
    )  # fmt: skip
    earlier = (
        asking.total(before, "analytics_nodes", keys, ["executed", "queued_ms"], steps=True)
        if before
        else []
    )
    told_before = {tuple(row[key] for key in keys): row for row in earlier}
    slugs = dict(Workflow.objects.values_list("pk", "slug"))
    # People take their time: what they take is no work.
    whole = sum(row["duration_ms"] for row in rows if row["kind"] != "human")
    found = []
    for row in rows:
        executed = int(row["executed"])
        then = told_before.get(tuple(row[key] for key in keys))
        slug = slugs.get(row["workflow_id"], "")
        found.append(
            NodeTime(
                node=row["node"],
                workflow=slug,
                kind=row["kind"],
                executed=executed,
                failed=int(row["failed"]),
                p50=row.percentile(0.5),
                p95=row.percentile(0.95),
                longest=int(row["longest_ms"]),
                share=float(row["duration_ms"] / whole) if whole and row["kind"] != "human" else 0,
                queued=_each(row, "queued_ms"),
                backoff=_each(row, "backoff_ms"),
                p95_before=then.percentile(0.95) if then else None,
                queued_before=_each(then, "queued_ms") if then else None,
                link=scope.link(workflow=slug, node=row["node"]),
                failed_link=scope.link(workflow=slug, node=row["node"], node_status="failed"),
            )
        )
    return found


def _each(row: asking.Row, name: str) -> float:
    """On average of the runs in which the node was executed."""
    return float(row[name]) / float(row["executed"]) if row["executed"] else 0


def _rank(node: NodeTime, sort: str) -> tuple[Any, ...]:
    value = node.growth if sort == "change" else getattr(node, sort)
    return (value or 0, node.executed, node.workflow, node.node)


_CAUSES = (
    ("queued_ms", "Waiting for a worker"),
    ("person_ms", "Waiting for a person"),
    ("backoff_ms", "Waiting for the next attempt"),
    ("other_ms", "Nothing of these"),
)


def _sampled(scope: Scope, before: Scope | None) -> Sampled | None:
    if not scope.rolled:
        return None
    now = _split(scope)
    if not now["runs"]:
        return None
    then = _split(before) if before else None
    actual = int(now["actual_ms"])
    before_working = _of_time(_working(then), then) if then else None
    causes = [_cause("working", "Nodes at work", _working(now), actual, before_working)]
    for name, words in _CAUSES:
        share = _of_time(int(then[name]), then) if then else None
        causes.append(_cause(name.removesuffix("_ms"), words, int(now[name]), actual, share))
    return Sampled(int(now["runs"]), actual, int(now["ideal_ms"]), int(now["work_ms"]), causes)


def _split(scope: Scope) -> asking.Row:
    sums: Sequence[str] = (
        "runs", "actual_ms", "ideal_ms", "work_ms", *(name for name, _ in _CAUSES),
    )  # fmt: skip
    [row] = asking.total(scope, "analytics_samples", sums=sums)
    return row


def _working(row: asking.Row) -> int:
    """Time in which some node was at work, side by side or not."""
    return max(0, int(row["actual_ms"]) - sum(int(row[name]) for name, _ in _CAUSES))


def _of_time(ms: int, row: asking.Row) -> float | None:
    return figures.ratio(ms, int(row["actual_ms"]))


def _cause(name: str, words: str, ms: int, actual: int, before: float | None) -> Cause:
    return Cause(name, words, ms, ms / actual if actual else 0, before)
