"""ANALYZE → Failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analytics import failures, figures, trend
from analytics.failures import Failures, Group
from analytics.scope import Scope
from analytics.views.base import AnalysisPage, figures_document

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
            "bar_words": trend.bar_words(found.scope.bar),
            "table": table,
            "chart": trend.chart(
                found.scope,
                found.bars,
                [*named, *([rest] if any(others) else [])],
                kind="bars",
                unit="count",
            ),
            "heads": self.sorted_by("runs"),
            "groups": [(group, _spark(group.trend)) for group in found.groups],
            "newer": self.address.with_(page=page - 1).query() if page > 1 else "",
            "older": self.address.with_(page=page + 1).query() if page < pages else "",
        }

    def document(self, found: Failures) -> dict[str, Any]:
        return {
            "figures": figures_document(found.figures),
            "trend": [
                {"at": at, "failed": count}
                for at, count in zip(found.bars, found.by_bar, strict=True)
            ],
            "groups": [_told(group) for group in found.groups],
            "group_count": found.total,
        }

    def rows(self, found: Failures) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        told = [_told(group) for group in found.groups]
        heads = list(_told_heads())
        return heads, ([_flat(row[head]) for head in heads] for row in told)


def _told(group: Group) -> dict[str, Any]:
    known = group.known
    return {
        "id": group.public_id,
        "kind": known.kind if known else "",
        "node": known.node if known else "",
        "message": known.message if known else "",
        "sample": known.sample if known else "",
        "workflows": group.workflows,
        "runs": group.runs,
        "retried": group.retried,
        "recovered": group.recovered,
        "median_ms_to_failure": group.to_failure_ms,
        "since": group.since,
        "is_new": group.is_new,
        "mark": known.mark if known else "",
        "first_seen": known.first_seen if known else None,
        "last_seen": known.last_seen if known else None,
    }


def _told_heads() -> Iterable[str]:
    return _told(Group(0, None, 0, 0, 0, None, []))


def _flat(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def _spark(counts: Sequence[int]) -> dict[str, Any]:
    """Bars of a small chart, 20 high; what is not nothing is to be seen."""
    peak = max(counts, default=0)
    bars = []
    for place, count in enumerate(counts):
        height = max(1, round(18 * count / peak)) if count else 1
        bars.append({"x": 4 * place, "y": 20 - height, "height": height, "none": not count})
    return {"bars": bars, "width": max(4, 4 * len(counts)), "peak": peak}
