"""ANALYZE → Cost."""

from __future__ import annotations

from typing import Any

from analytics import costs, documents, figures, trend
from analytics.costs import Costs
from analytics.scope import Scope
from analytics.views.base import AnalysisPage

SHADES = ("s1", "s2", "s3", "s4")
_REST = "s5"


class CostPage(AnalysisPage):
    title = "Cost"
    name = "cost"
    sorts = costs.SORTS
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
                    **_links(found, each),
                }
                for each in series
            ],
            "breakdowns": [(each, documents.ordered(each, sort)) for each in found.breakdowns],
            "heads": self.sorted_by("cost"),
            "all_link": found.scope.link(),
            "dearest_link": found.scope.link(sort="cost"),
        }

    def document(self, found: Costs) -> dict[str, Any]:
        return documents.costs(found, self.address.sort or "cost")

    def rows(self, found: Costs) -> documents.Table:
        return documents.costs_table(found, self.address.sort or "cost")


def _links(found: Costs, series: trend.Series) -> dict[str, str]:
    """To the runs of what the chart tells apart, and to those of its peak."""
    if series.shade == _REST:
        return {}
    own = {"model" if found.scope.workflow else "workflow": series.name}
    return {
        "link": found.scope.link(**own),
        "peak_link": found.scope.link(**own, at=trend.peak(found.bars, series.values)),
    }
