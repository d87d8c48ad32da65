"""What is usual for a workflow: how long its runs and nodes take, from the rollups of 30 days.

The same version is what a run is compared with, where enough of its runs are known; else all
versions of its workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse

from analytics import asking, figures
from analytics.scope import DAY, Scope, scope_of
from runs.filters import RunFilter
from runs.models import Run, Workflow

DAYS = 30
# Of fewer runs nothing is usual; of fewer of one version all versions are asked.
LEAST = 5
ENOUGH = 20


@dataclass(frozen=True, slots=True)
class NodeUsual:
    """Milliseconds; `timed`: how many have ended, which the percentiles are of."""

    p50: float
    p95: float
    timed: int
    # On average, from when it was ready to when a worker took it.
    queued: float


@dataclass(frozen=True, slots=True)
class Usual:
    """Milliseconds. `runs` are those that completed: what failed early says nothing of how long
    it takes."""

    runs: int
    # None: of all versions.
    version: int | None
    since: datetime
    until: datetime
    p50: float | None = None
    p95: float | None = None
    # From creation to start, on average, and what a run costs, of those that completed.
    waited: float | None = None
    cost: Decimal | None = None
    # Of what sampled runs took, what they would have taken had nothing waited that need not.
    efficiency: float | None = None
    nodes: Mapping[str, NodeUsual] = field(default_factory=dict)
    # The runs behind it, and the page that tells more, as query string and address.
    link: str = ""
    page: str = ""

    @property
    def is_known(self) -> bool:
        return self.runs >= LEAST

    @property
    def words(self) -> str:
        """``1,204 runs of version 3``, ``87 runs of all versions``."""
        noun = "run" if self.runs == 1 else "runs"
        of = f"of version {self.version}" if self.version else "of all versions"
        return f"{self.runs:,} {noun} {of}"

    @property
    def nothing_words(self) -> str:
        if not self.runs:
            return f"Nothing to compare with yet: no run completed in {DAYS} days."
        noun = "run" if self.runs == 1 else "runs"
        return f"Nothing to compare with yet: {self.runs} {noun} completed in {DAYS} days."


def usual_for(run: Run, now: datetime) -> Usual:
    """Around the time of the run: the last 30 days, or those up to an older run."""
    scope = _scope(run, now)
    rows = asking.total(
        scope, "analytics_runs", ["version_id"], ["timed", "runs", "waited_ms", "cost"],
        steps=True, where="state = 'completed'",
    )  # fmt: skip
    own = [row for row in rows if row["version_id"] == run.version_id]
    is_enough = bool(own) and int(own[0]["timed"]) >= ENOUGH
    chosen = own if is_enough else rows
    if is_enough:
        scope = scope.of_version(run.version)
    timed = sum(int(row["timed"]) for row in chosen)
    version = run.version.number if is_enough else None
    told: dict[str, Any] = {
        "link": scope.link(state="completed"),
        "page": reverse("analysis_duration") + scope.narrowed().query(),
    }
    if timed < LEAST:
        return Usual(timed, version, scope.since, scope.until, **told)
    steps: dict[int, int] = {}
    for row in chosen:
        for step, count in row.steps.items():
            steps[step] = steps.get(step, 0) + count
    whole = asking.Row({}, {}, steps)
    runs = sum(int(row["runs"]) for row in chosen)
    return Usual(
        timed,
        version,
        scope.since,
        scope.until,
        p50=whole.percentile(0.5),
        p95=whole.percentile(0.95),
        waited=sum(float(row["waited_ms"]) for row in chosen) / runs,
        cost=figures.per(sum((row["cost"] for row in chosen), Decimal(0)), runs),
        efficiency=_efficiency(scope),
        nodes=_nodes(scope),
        **told,
    )


def _scope(run: Run, now: datetime) -> Scope:
    until = now if now - run.created_at < timedelta(days=DAYS) else run.created_at + DAY
    wanted = RunFilter(
        workflow=run.workflow.slug, created_from=until - timedelta(days=DAYS), created_to=until
    )
    return scope_of(wanted, now)


def _nodes(scope: Scope) -> dict[str, NodeUsual]:
    rows = asking.total(
        scope, "analytics_nodes", ["node"], ["executed", "timed", "queued_ms"], steps=True
    )
    found = {}
    for row in rows:
        p50, p95 = row.percentile(0.5), row.percentile(0.95)
        if p50 is None or p95 is None or int(row["timed"]) < LEAST:
            continue
        queued = float(row["queued_ms"]) / float(row["executed"])
        found[row["node"]] = NodeUsual(p50, p95, int(row["timed"]), queued)
    return found


def _efficiency(scope: Scope) -> float | None:
    [row] = asking.total(scope, "analytics_samples", sums=["actual_ms", "ideal_ms"])
    return figures.ratio(float(min(row["ideal_ms"], row["actual_ms"])), float(row["actual_ms"]))


def node_times(workflow_id: int, now: datetime) -> Mapping[str, tuple[float, float, int]]:
    """By node, and of runs as a whole under "": the median and the 95th percentile in seconds, and
    of how many. Over all versions of 30 days; what has too few is left out."""
    workflow = Workflow.objects.filter(pk=workflow_id).first()
    if workflow is None:
        return {}
    wanted = RunFilter(
        workflow=workflow.slug, created_from=now - timedelta(days=DAYS), created_to=now
    )
    scope = scope_of(wanted, now)
    found = {
        node: (told.p50 / 1000, told.p95 / 1000, told.timed) for node, told in _nodes(scope).items()
    }
    [whole] = asking.total(
        scope, "analytics_runs", sums=["timed"], steps=True, where="state = 'completed'"
    )
    p50, p95 = whole.percentile(0.5), whole.percentile(0.95)
    if p50 is not None and p95 is not None and int(whole["timed"]) >= LEAST:
        found[""] = p50 / 1000, p95 / 1000, int(whole["timed"])
    return found
