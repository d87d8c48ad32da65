"""ANALYZE → Failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytics import documents, failures, figures, trend
from analytics.failures import Failures
from analytics.scope import Scope
from analytics.views.base import AnalysisPage

SHADES = ("s1", "s2", "s3", "s4")
_REST = "s5"


class FailuresPage(AnalysisPage):
    title = "Failures"
    name = "failures"
    sorts = failures.SORTS
    template = "analytics/failures.html"

    def answer(self, scope: Scope, before: Scope | None) -> Failures:
        sort = self.address.sort or "runs"
        return failures.failures(scope, before, sort, self.address.page)

    def context(self, found: Failures) -> dict[str, Any]:
        named = [
            trend.Series(group.name, group.trend, shade)
            for group, shade in zip(found.largest, SHADES, strict=False)
        ]
        others, total = found.others, sum(found.by_bar)
        rest = trend.Series("Others", others, _REST)
        table = [
            {
                "name": group.name,
                "title": str(group.known or group.name),
                "shade": shade,
                "runs": group.runs,
                "share": figures.percent(figures.ratio(group.runs, total)),
                "peak": max(group.trend, default=0),
                "link": group.link,
                "peak_link": found.scope.link(
                    state="failed", group=group.public_id, at=trend.peak(found.bars, group.trend)
                ),
            }
            for group, shade in zip(found.largest, SHADES, strict=False)
        ]
        if any(others):
            table.append(
                {
                    "name": "Others",
                    "shade": _REST,
                    "runs": sum(others),
                    "share": figures.percent(figures.ratio(sum(others), total)),
                    "peak": max(others),
                    "link": "",
                }
            )
        pages = -(-found.total // failures.SHOWN)
        page = self.address.page
        return {
            "found": found,
            "total": total,
            "peak": max(found.by_bar, default=0),
            "all_link": found.scope.link(state="failed"),
            "peak_link": found.scope.link(state="failed", at=trend.peak(found.bars, found.by_bar)),
            "bar_words": trend.bar_words(found.scope.bar),
            "table": table,
            "chart": trend.chart(
                found.scope,
                found.bars,
                [*named, *([rest] if any(others) else [])],
                kind="bars",
                unit="count",
                state="failed",
            ),
            "heads": self.sorted_by("runs"),
            "groups": [(group, _spark(group.trend)) for group in found.groups],
            "newer": self.address.with_(page=min(page - 1, pages)).query() if page > 1 else "",
            "older": self.address.with_(page=page + 1).query() if page < pages else "",
        }

    def document(self, found: Failures) -> dict[str, Any]:
        return documents.failures(found)

    def rows(self, found: Failures) -> documents.Table:
        return documents.failures_table(found)


def _spark(counts: Sequence[int]) -> dict[str, Any]:
    """Bars of a small chart, 20 high; what is not nothing is to be seen."""
    peak = max(counts, default=0)
    bars = []
    for place, count in enumerate(counts):
        height = max(1, round(18 * count / peak)) if count else 1
        bars.append({"x": 4 * place, "y": 20 - height, "height": height, "none": not count})
    return {"bars": bars, "width": max(4, 4 * len(counts)), "peak": peak}
