"""The analysis of one run: where its time went, what ran longer than usual, what it cost, and why
it failed.

    found = analysis_of(run, now)
    found.document()    # plain values; money is Decimal, times are aware
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics import figures, run_cost
from analytics import why as failing
from analytics.run_cost import RunCost, cost_of
from analytics.run_time import RunTime, is_human, steps_of, time_of, worked
from analytics.samples import needs_of
from analytics.usual import NodeUsual, Usual, usual_for
from analytics.why import Why
from runs.models import Attempt, Node, Run

# Histograms tell apart what differs by five per cent, no less.
_TOLERANCE = 1.05
# So many times the median are told.
_BEYOND = 1.5


@dataclass(frozen=True, slots=True)
class Compared:
    """Milliseconds, and what is usual; None where that is not known."""

    ms: float
    p50: float | None
    p95: float | None
    growing: bool = False

    @property
    def factor(self) -> float | None:
        return figures.ratio(self.ms, self.p50) if self.p50 else None

    @property
    def excess(self) -> float:
        """Beyond the median."""
        return self.ms - self.p50 if self.p50 is not None else 0.0

    @property
    def is_longer(self) -> bool:
        """Than 95 of 100."""
        return self.p95 is not None and self.ms > self.p95 * _TOLERANCE

    @property
    def words(self) -> str:
        """``5.2 × the median``, ``as usual``."""
        if self.factor is None:
            return ""
        if self.factor >= _BEYOND:
            return f"{_times(self.factor)} × the median"
        if self.is_longer:
            return "longer than 95 of 100"
        if self.growing:
            return "within the usual so far"
        return "shorter" if self.factor < 0.5 else "as usual"


@dataclass(frozen=True, slots=True)
class NodeCompared:
    node: str
    kind: str
    status: str
    attempts: int
    took: Compared
    # Before its first attempt, and what that is on average.
    queued: float
    queued_usual: float | None
    # The runs in which the node ended, that the usual is of.
    of: int

    @property
    def is_longer(self) -> bool:
        return self.took.is_longer

    @property
    def is_queued_longer(self) -> bool:
        return _is_waited_longer(self.queued, self.queued_usual)


@dataclass(frozen=True, slots=True)
class RunAnalysis:
    run: Run
    now: datetime
    # None: it has not started.
    time: RunTime | None
    usual: Usual
    took: Compared | None
    # From creation to start, or to now; and what that is on average.
    waited: float
    # The nodes that were begun, those first that took longest beyond their median.
    nodes: list[NodeCompared]
    cost: RunCost
    why: Why | None

    @property
    def longer(self) -> list[NodeCompared]:
        return [node for node in self.nodes if node.is_longer]

    @property
    def beyond(self) -> NodeCompared | None:
        """Where none is longer than 95 of 100, the one that is furthest beyond its median."""
        first = self.nodes[0] if self.nodes and not self.longer else None
        return first if first and (first.took.factor or 0) >= _BEYOND else None

    @property
    def queued_longest(self) -> NodeCompared | None:
        """Of the nodes that waited longer for a worker than they do, the one that did most."""
        waited = [node for node in self.nodes if node.is_queued_longer]
        return max(waited, key=lambda node: node.queued, default=None)

    @property
    def is_queued_longer(self) -> bool:
        return _is_waited_longer(self.waited, self.usual.waited)

    def document(self) -> dict[str, Any]:
        run, usual = self.run, self.usual
        return {
            "run_id": run.public_id,
            "workflow": run.workflow.slug,
            "version": run.version.number,
            "state": run.state,
            "is_final": run.is_final,
            "usual": {
                "runs": usual.runs,
                "version": usual.version,
                "since": usual.since,
                "until": usual.until,
                "is_known": usual.is_known,
                "parallel_efficiency": usual.efficiency,
            },
            "duration": self.took and _compared(self.took),
            "waited": {"ms": self.waited, "mean_ms": usual.waited},
            "time": self.time and _time(self.time),
            "nodes": [_node(node) for node in self.nodes],
            "cost": _cost(self.cost),
            "failure": failing.document(self.why),
        }


def analysis_of(run: Run, now: datetime) -> RunAnalysis:
    """`run` with its workflow and version. The number of queries is the same for any run."""
    nodes = list(Node.objects.filter(run=run.pk).order_by("position"))
    attempts: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(node__run=run.pk).order_by("node", "number"):
        attempts.setdefault(attempt.node_id, []).append(attempt)
    needs = needs_of(run.version_id)
    steps = steps_of(run, nodes, attempts, needs, now)
    usual = usual_for(run, now)
    by_key = {node.key: node for node in nodes}
    compared = [_compare(by_key[step.key], step, usual.nodes.get(step.key)) for step in steps]
    time = time_of(run, steps, needs, now)
    waited = ((run.started_at or run.completed_at or now) - run.created_at).total_seconds()
    return RunAnalysis(
        run=run,
        now=now,
        time=time,
        usual=usual,
        took=Compared(time.total, usual.p50, usual.p95, not run.is_final) if time else None,
        waited=1000 * waited,
        nodes=sorted(compared, key=_rank),
        cost=cost_of(run, usual.cost),
        why=failing.why(run, now),
    )


def _compare(node: Node, step: Any, usual: NodeUsual | None) -> NodeCompared:
    first = step.tries[0].started
    return NodeCompared(
        node=node.key,
        kind=node.kind,
        status=node.status,
        attempts=max(node.attempts, 0 if is_human(step) else 1),
        took=Compared(
            worked(step),
            usual.p50 if usual else None,
            usual.p95 if usual else None,
            growing=node.completed_at is None,
        ),
        queued=1000 * max(0.0, first - step.queued) if step.queued is not None else 0.0,
        queued_usual=usual.queued if usual else None,
        of=usual.timed if usual else 0,
    )


def _rank(node: NodeCompared) -> tuple[bool, float, float, str]:
    return not node.is_longer, -node.took.excess, -node.took.ms, node.node


def _is_waited_longer(ms: float, usual: float | None) -> bool:
    """By more than a second, and at least twice as long as on average."""
    return usual is not None and ms - usual > 1_000 and ms > 2 * usual


def _times(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"


# -- As a document -----------------------------------------------------------------------------


def _compared(found: Compared) -> dict[str, Any]:
    return {
        "ms": found.ms,
        "p50_ms": found.p50,
        "p95_ms": found.p95,
        "factor": found.factor,
        "is_longer": found.is_longer,
    }


def _time(found: RunTime) -> dict[str, Any]:
    return {
        "total_ms": found.total,
        "spent_on": {part.name: part.ms for part in found.parts},
        "work_ms": found.work,
        "ideal_ms": found.ideal,
        "parallel_efficiency": found.efficiency,
        "critical_path": [
            {"node": each.node, "ms": each.ms, "share": each.share, "waited_ms": each.waited}
            for each in found.path
        ],
    }


def _node(found: NodeCompared) -> dict[str, Any]:
    return {
        "node": found.node,
        "kind": found.kind,
        "status": found.status,
        "attempts": found.attempts,
        **_compared(found.took),
        "of_runs": found.of,
        "queued_ms": found.queued,
        "queued_mean_ms": found.queued_usual,
    }


def _cost(found: RunCost) -> dict[str, Any]:
    return {
        "total": _spent(found.total),
        "stated": found.stated,
        "usual_mean": found.usual,
        "nodes": [{"node": each.node, **_spent(each)} for each in found.nodes],
    }


def _spent(found: run_cost.Spent) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cached_tokens": found.cached_tokens,
        "cost": found.cost,
        "failed_cost": found.failed,
        "failed_calls": found.failed_calls,
    }
