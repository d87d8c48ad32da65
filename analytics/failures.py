"""What fails: how often, how alike, since which version, and whether a retry helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from analytics import asking, figures, histogram, trend
from analytics.figures import Figure
from analytics.models import FailureGroup
from analytics.models.failures import Mark
from analytics.scope import Scope
from runs.fingerprint import public
from runs.models import Workflow

ENDED = ("completed", "failed", "terminated")
# Groups that a page shows, and those that the chart tells apart.
SHOWN = 25
SERIES = 4
# By the name in the address: what the table is sorted by, largest first.
SORTS = ("runs", "last_seen", "first_seen", "retry")
# The version with which a group first came, of any workflow.
_SINCE = """
SELECT wanted.id, versions.number, workflows.slug
FROM unnest(%s::bigint[]) AS wanted(id) CROSS JOIN LATERAL (
    SELECT version_id, workflow_id FROM analytics_failures
    WHERE "group" = wanted.id AND span = 0 ORDER BY at, version_id LIMIT 1
) AS first
JOIN workflow_versions AS versions ON versions.id = first.version_id
JOIN workflows ON workflows.id = first.workflow_id
"""


@dataclass(slots=True)
class Group:
    """Of the runs that are asked about."""

    id: int
    known: FailureGroup | None
    runs: int
    retried: int
    recovered: int
    to_failure_ms: float | None
    workflows: list[str]
    is_new: bool = False
    since: str = ""
    trend: list[int] = field(default_factory=list)
    # Its runs; those of them that were retried; and those of which a retry completed.
    link: str = ""
    retried_link: str = ""
    recovered_link: str = ""

    @property
    def public_id(self) -> str:
        return public(self.id)

    @property
    def name(self) -> str:
        """What stands in a chart's legend."""
        if self.known is None:
            return self.public_id
        return f"{self.known.kind} · {self.known.node}" if self.known.node else self.known.kind

    @property
    def retry_share(self) -> float | None:
        return figures.ratio(self.recovered, self.retried)

    @property
    def retry_words(self) -> str:
        return figures.percent(self.retry_share)

    @property
    def is_back(self) -> bool:
        """It was said to be resolved, and came again."""
        return bool(self.known and self.known.reopened_at and self.known.mark == Mark.NEW)

    @property
    def others(self) -> int:
        return len(self.workflows) - 1


@dataclass(slots=True)
class Failures:
    scope: Scope
    figures: list[Figure]
    bars: list[datetime]
    # All failed runs by bar; the chart's groups are the first of `largest`.
    by_bar: list[int]
    groups: list[Group]
    largest: list[Group]
    total: int
    # Where more groups were found than are told.
    is_cut: bool = False

    @property
    def others(self) -> list[int]:
        """Failed runs by bar, of the groups that the chart does not tell apart."""
        told = zip(*(group.trend for group in self.largest), strict=True)
        named = [sum(each) for each in told] or [0] * len(self.bars)
        return [max(0, whole - part) for whole, part in zip(self.by_bar, named, strict=True)]


def failures(scope: Scope, before: Scope | None, sort: str = "runs", page: int = 1) -> Failures:
    """`page` is of the groups, from 1."""
    rows = asking.total(
        scope, "analytics_failures", ["group", "workflow_id"],
        ["runs", "retried", "recovered"], steps=True,
    )  # fmt: skip
    groups = _groups(rows, scope)
    ordered = sorted(groups, key=lambda each: _rank(each, sort), reverse=True)
    shown = ordered[(page - 1) * SHOWN : page * SHOWN]
    largest = sorted(groups, key=lambda each: each.runs, reverse=True)[:SERIES]
    at = trend.bars(scope)
    _add_trends({each.id: each for each in [*shown, *largest]}.values(), scope, at)
    _add_since(shown)
    whole = asking.total(
        scope, "analytics_runs", sums=["runs"], bar=scope.bar, where="state = 'failed'"
    )
    by_bar = trend.along(at, {row["at"]: int(row["runs"]) for row in whole})
    return Failures(
        scope=scope,
        figures=_figures(scope, before, rows),
        bars=at,
        by_bar=by_bar,
        groups=shown,
        largest=largest,
        total=len(groups),
        is_cut=len(rows) == asking.MOST,
    )


def _figures(scope: Scope, before: Scope | None, rows: Sequence[asking.Row]) -> list[Figure]:
    now, then = _counts(scope), _counts(before) if before else None
    took = histogram.percentile(_merged(rows), 0.5)
    took_before = _took(before) if before else None
    link = scope.link(state="failed")
    return [
        figures.count("Failed runs", now.failed, then.failed if then else None, link, bad=True),
        figures.share(
            "Failure rate", now.rate, then.rate if then else None, link, bad=True,
            note="Failed runs, of those that have ended",
        ),
        figures.share(
            "Retries that succeeded", now.retry, then.retry if then else None,
            scope.link(state="failed", retried="recovered"), bad=False,
            note=f"{now.recovered:,} of {now.retried:,} failed runs that were retried",
        ),
        figures.length("Median time to failure", took, took_before, link, bad=False),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Counts:
    ended: int
    failed: int
    retried: int
    recovered: int

    @property
    def rate(self) -> float | None:
        return figures.ratio(self.failed, self.ended)

    @property
    def retry(self) -> float | None:
        return figures.ratio(self.recovered, self.retried)


def _counts(scope: Scope) -> _Counts:
    rows = asking.total(scope, "analytics_runs", ["state"], ["runs", "retried", "recovered"])
    by_state = {row["state"]: int(row["runs"]) for row in rows}
    return _Counts(
        sum(by_state.get(state, 0) for state in ENDED),
        by_state.get("failed", 0),
        sum(int(row["retried"]) for row in rows),
        sum(int(row["recovered"]) for row in rows),
    )


def _took(scope: Scope) -> float | None:
    """The median time to failure; by the runs' own rollup, which has fewer rows than the groups'.
    Runs that failed before they started are not in it."""
    [row] = asking.total(
        scope, "analytics_runs", sums=["runs"], steps=True, where="state = 'failed'"
    )
    return row.percentile(0.5)


def _merged(rows: Iterable[asking.Row]) -> Mapping[int, int]:
    return histogram.merged((row.steps.keys(), row.steps.values()) for row in rows)


def _groups(rows: Sequence[asking.Row], scope: Scope) -> list[Group]:
    slugs = dict(
        Workflow.objects.filter(pk__in={row["workflow_id"] for row in rows}).values_list(
            "pk", "slug"
        )
    )
    known = FailureGroup.objects.in_bulk({row["group"] for row in rows})
    by_group: dict[int, list[asking.Row]] = {}
    for row in rows:
        by_group.setdefault(row["group"], []).append(row)
    return [_group(key, own, known.get(key), slugs, scope) for key, own in by_group.items()]


def _group(
    key: int,
    rows: Sequence[asking.Row],
    known: FailureGroup | None,
    slugs: Mapping[int, str],
    scope: Scope,
) -> Group:
    return Group(
        id=key,
        known=known,
        runs=sum(int(row["runs"]) for row in rows),
        retried=sum(int(row["retried"]) for row in rows),
        recovered=sum(int(row["recovered"]) for row in rows),
        to_failure_ms=histogram.percentile(_merged(rows), 0.5),
        workflows=[slugs.get(row["workflow_id"], "–") for row in rows],
        is_new=known is not None and known.first_seen >= scope.since,
        link=scope.link(state="failed", group=public(key)),
        retried_link=scope.link(state="failed", group=public(key), retried="yes"),
        recovered_link=scope.link(state="failed", group=public(key), retried="recovered"),
    )


def _rank(group: Group, sort: str) -> tuple[Any, ...]:
    # Ties in one order, so that pages neither repeat nor leave out.
    tie = (group.runs, group.id)
    if sort in ("last_seen", "first_seen"):
        seen = getattr(group.known, sort, None)
        return (seen.timestamp() if seen else 0, *tie)
    if sort == "retry":
        share = group.retry_share
        return (-1 if share is None else share, *tie)
    return tie


def _add_trends(groups: Iterable[Group], scope: Scope, at: Sequence[datetime]) -> None:
    by_id = {group.id: group for group in groups}
    rows = asking.total(
        scope, "analytics_failures", ["group"], ["runs"], bar=scope.bar,
        where='"group" = ANY(%s)', given=[list(by_id)],
    )  # fmt: skip
    found: dict[int, dict[datetime, int]] = {}
    for row in rows:
        found.setdefault(row["group"], {})[row["at"]] = int(row["runs"])
    for key, group in by_id.items():
        group.trend = trend.along(at, found.get(key, {}))


def _add_since(groups: Sequence[Group]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [[group.id for group in groups]])
        found = {key: (number, slug) for key, number, slug in cursor.fetchall()}
    for group in groups:
        if group.id in found:
            number, slug = found[group.id]
            group.since = f"v{number}" if len(group.workflows) == 1 else f"v{number} of {slug}"
