"""ANALYZE → Cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analytics import costs, figures, trend
from analytics.costs import Costs, Line
from analytics.scope import Scope
from analytics.views.base import AnalysisPage, figures_document

SHADES = ("s1", "s2", "s3", "s4")
_REST = "s5"
SORTS = ("cost", "tokens", "count")


class CostPage(AnalysisPage):
    title = "Cost"
    name = "cost"
    sorts = SORTS
    template = "analytics/cost.html"

    def answer(self, scope: Scope, before: Scope | None) -> Costs:
        return costs.costs(scope, before)

    def context(self, found: Costs) -> dict[str, Any]:
        series = [
            trend.Series(name, values, shade)
            for (name, values), shade in zip(found.series, SHADES, strict=False)
        ]
        if any(found.others):
            series.append(trend.Series("Others", found.others, _REST))
        sort = self.address.sort or "cost"
        return {
            "found": found,
            "bar_words": trend.bar_words(found.scope.bar),
            "of": "model" if found.scope.workflow else "workflow",
            "chart": trend.chart(found.scope, found.bars, series, kind="bars", unit="money"),
            "table": [
                {
                    "name": each.name,
                    "shade": each.shade,
                    "cost": sum(each.values),
                    "share": figures.percent(
                        figures.ratio(float(sum(each.values)), float(found.total))
                    ),
                    "peak": max(each.values),
                }
                for each in series
            ],
            "breakdowns": [
                (each, sorted(each.lines, key=lambda line: getattr(line, sort), reverse=True))
                for each in found.breakdowns
            ],
            "heads": self.sorted_by("cost"),
            "all_link": found.scope.link(),
            "dearest_link": found.scope.link(sort="cost"),
        }

    def document(self, found: Costs) -> dict[str, Any]:
        return {
            "figures": figures_document(found.figures),
            "total": found.total,
            "calls": found.calls,
            "input_tokens": found.input_tokens,
            "output_tokens": found.output_tokens,
            "cached_tokens": found.cached_tokens,
            "on_failed_attempts": found.failed_cost,
            "on_retries": found.retry_cost,
            "trend": [
                {"at": at, "cost": cost} for at, cost in zip(found.bars, found.by_bar, strict=True)
            ],
            **{each.name: [_told(line) for line in each.lines] for each in found.breakdowns},
            "not_listed": {each.name: each.more_cost for each in found.breakdowns},
            "runs": [
                {"id": run.public_id, "workflow": run.workflow.slug, "cost": run.cost}
                for run in found.runs
            ],
        }

    def rows(self, found: Costs) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        heads = ("by", "name", "cost", "share", "tokens", "calls_or_runs", "on_failed_attempts",
                 "on_retries", "before")  # fmt: skip
        rows: list[Sequence[Any]] = [
            (each.name, line.name, line.cost, round(line.share, 6), line.tokens, line.count,
             line.failed_cost, line.retry_cost, line.before)
            for each in found.breakdowns
            for line in each.lines
        ]  # fmt: skip
        total = ("total", "", found.total, 1, found.input_tokens + found.output_tokens,
                 found.calls, found.failed_cost, found.retry_cost, None)  # fmt: skip
        return heads, [*rows, total]


def _told(line: Line) -> dict[str, Any]:
    return {
        "name": line.name,
        "cost": line.cost,
        "before": line.before,
        "tokens": line.tokens,
        "count": line.count,
    }
