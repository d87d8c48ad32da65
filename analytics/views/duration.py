"""ANALYZE → Duration."""

from __future__ import annotations

from typing import Any

from analytics import documents, durations, trend, workflow_times
from analytics.durations import Durations
from analytics.scope import Scope
from analytics.views.base import AnalysisPage
from analytics.workflow_times import WorkflowTime


class DurationPage(AnalysisPage):
    title = "Duration"
    name = "duration"
    sorts = durations.SORTS
    template = "analytics/duration.html"

    def answer(self, scope: Scope, before: Scope | None) -> Durations:
        return durations.durations(scope, before, self.address.sort or "share", self.address.page)

    def context(self, found: Durations) -> dict[str, Any]:
        lines = [
            trend.Series("95 % within", found.p95, "s1"),
            trend.Series("Median", found.p50, "s2"),
        ]
        page, pages = self.address.page, -(-found.node_count // durations.SHOWN)
        return {
            "found": found,
            "bar_words": trend.bar_words(found.scope.bar),
            "chart": trend.chart(found.scope, found.bars, lines, kind="lines", unit="ms",
                                 timed="yes"),
            "heads": self.sorted_by("share"),
            "columns": [
                ("p50", "Median"), ("p95", "95 %"), ("change", "Change"), ("longest", "Longest"),
                ("queued", "Queued"), ("share", "Share"),
            ],
            "timed_link": found.scope.link(timed="yes"),
            "slowest_link": found.scope.link(timed="yes", sort="duration"),
            "workflow_times": [
                (each, self._only(each)) for each in found.workflows[: workflow_times.SHOWN]
            ],
            "more_workflows": max(0, len(found.workflows) - workflow_times.SHOWN),
            "newer": self.address.with_(page=min(page - 1, pages)).query() if page > 1 else "",
            "older": self.address.with_(page=page + 1).query() if page < pages else "",
        }  # fmt: skip

    def _only(self, each: WorkflowTime) -> str:
        """This page of that workflow or version alone."""
        changes: dict[str, Any] = {"workflow": each.workflow}
        if each.version:
            changes["version"] = each.version
        return self.address.with_(**changes).query()

    def document(self, found: Durations) -> dict[str, Any]:
        return documents.durations(found)

    def rows(self, found: Durations) -> documents.Table:
        return documents.durations_table(found)
