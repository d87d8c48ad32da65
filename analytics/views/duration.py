"""ANALYZE → Duration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analytics import durations, trend
from analytics.durations import Durations, NodeTime
from analytics.scope import Scope
from analytics.views.base import AnalysisPage, figures_document


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
            "chart": trend.chart(found.scope, found.bars, lines, kind="lines", unit="ms"),
            "heads": self.sorted_by("share"),
            "columns": [
                ("p50", "Median"), ("p95", "95 %"), ("change", "Change"), ("longest", "Longest"),
                ("queued", "Queued"), ("share", "Share"),
            ],
            "timed_link": found.scope.link(timed="yes"),
            "slowest_link": found.scope.link(timed="yes", sort="duration"),
            "newer": self.address.with_(page=page - 1).query() if page > 1 else "",
            "older": self.address.with_(page=page + 1).query() if page < pages else "",
        }  # fmt: skip

    def document(self, found: Durations) -> dict[str, Any]:
        sampled = found.sampled
        return {
            "figures": figures_document(found.figures),
            "runs": found.timed,
            "trend": [
                {"at": at, "p50_ms": p50, "p95_ms": p95}
                for at, p50, p95 in zip(found.bars, found.p50, found.p95, strict=True)
            ],
            "nodes": [_told(node) for node in found.nodes],
            "node_count": found.node_count,
            "sample": sampled
            and {
                "runs": sampled.runs,
                "parallel_efficiency": sampled.efficiency,
                "nodes_at_once": sampled.abreast,
                "spent_on": {cause.name: cause.share for cause in sampled.causes},
            },
        }

    def rows(self, found: Durations) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        told = [_told(node) for node in found.nodes]
        heads = list(_told(_NONE))
        return heads, ([row[head] for head in heads] for row in told)


_NONE = NodeTime("", "", "", 0, 0, None, None, 0, 0, 0, 0, None, "")


def _told(node: NodeTime) -> dict[str, Any]:
    return {
        "workflow": node.workflow,
        "node": node.node,
        "kind": node.kind,
        "executed": node.executed,
        "failed": node.failed,
        "p50_ms": node.p50,
        "p95_ms": node.p95,
        "p95_ms_before": node.p95_before,
        "longest_ms": node.longest,
        "share": node.share,
        "queued_ms": node.queued,
        "backoff_ms": node.backoff,
    }
