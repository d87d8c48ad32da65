"""How long the runs of each workflow take, or of each version of one, and how much of that was
waiting that need not have been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analytics import asking, figures
from analytics.scope import Scope
from runs.models import Workflow, WorkflowVersion

# Rows that a page shows.
SHOWN = 12
# Below this, runs are too few for a percentile or an efficiency to be worse than another.
ENOUGH = 20
# Longer by half, and so many points of efficiency lost, are worth a look.
SLOWER, LOST = 1.5, 0.1


@dataclass(frozen=True, slots=True)
class WorkflowTime:
    """Milliseconds. `efficiency`: what runs would have taken if each node had begun as soon as
    those that it needs had ended, of what they took; None where no sample is."""

    workflow: str
    # Of one workflow's versions; 0 where a row is a whole workflow.
    version: int
    runs: int
    timed: int
    p50: float | None
    p95: float | None
    p95_before: float | None
    # From creation to start, on average.
    waited: float
    efficiency: float | None
    efficiency_before: float | None
    link: str

    @property
    def name(self) -> str:
        return f"v{self.version}" if self.version else self.workflow

    @property
    def change(self) -> str:
        """Histograms tell apart what differs by five per cent, no less."""
        if self.p95 is None or not self.p95_before or self.timed < ENOUGH:
            return ""
        if abs(self.p95 / self.p95_before - 1) < 0.05:
            return figures.SAME
        return figures.growth(self.p95, self.p95_before)

    @property
    def is_slower(self) -> bool:
        if self.p95 is None or not self.p95_before or self.timed < ENOUGH:
            return False
        return self.p95 >= SLOWER * self.p95_before

    @property
    def efficiency_words(self) -> str:
        return figures.percent(self.efficiency)

    @property
    def efficiency_change(self) -> str:
        if self.efficiency is None or self.efficiency_before is None:
            return ""
        points = round(100 * (self.efficiency - self.efficiency_before))
        return f"{'+' if points > 0 else '−'}{abs(points)} points" if points else figures.SAME

    @property
    def is_less_efficient(self) -> bool:
        if self.efficiency is None or self.efficiency_before is None or self.timed < ENOUGH:
            return False
        return self.efficiency <= self.efficiency_before - LOST


def workflow_times(scope: Scope, before: Scope | None) -> list[WorkflowTime]:
    """Most runs first."""
    key = "version_id" if scope.workflow else "workflow_id"
    rows = asking.total(
        scope, "analytics_runs", [key], ["runs", "timed", "waited_ms"], steps=True
    )  # fmt: skip
    earlier = (
        {row[key]: row for row in asking.total(before, "analytics_runs", [key], steps=True)}
        if before
        else {}
    )
    now, then = _efficiencies(scope, key), _efficiencies(before, key) if before else {}
    named = _names(scope, [row[key] for row in rows])
    found = []
    for row in rows:
        slug, number = named.get(row[key], ("", 0))
        runs = int(row["runs"])
        found.append(
            WorkflowTime(
                workflow=slug,
                version=number,
                runs=runs,
                timed=int(row["timed"]),
                p50=row.percentile(0.5),
                p95=row.percentile(0.95),
                p95_before=earlier[row[key]].percentile(0.95) if row[key] in earlier else None,
                waited=float(row["waited_ms"]) / runs if runs else 0,
                efficiency=now.get(row[key]),
                efficiency_before=then.get(row[key]),
                link=scope.link(workflow=slug, **({"version": number} if number else {})),
            )
        )
    return found


def _efficiencies(scope: Scope, key: str) -> dict[int, float]:
    """By workflow or version; samples are of rollups alone."""
    if not scope.rolled:
        return {}
    rows = asking.total(scope, "analytics_samples", [key], ["actual_ms", "ideal_ms"])
    return {
        row[key]: min(1.0, float(row["ideal_ms"]) / float(row["actual_ms"]))
        for row in rows
        if row["actual_ms"]
    }


def _names(scope: Scope, keys: list[Any]) -> dict[int, tuple[str, int]]:
    if scope.workflow is None:
        slugs = Workflow.objects.filter(pk__in=keys).values_list("pk", "slug")
        return {pk: (slug, 0) for pk, slug in slugs}
    versions = WorkflowVersion.objects.filter(pk__in=keys).values_list("pk", "number")
    return {pk: (scope.workflow.slug, number) for pk, number in versions}
