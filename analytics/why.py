"""Why a run failed: the failure group that it belongs to, and what is known of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from analytics import asking, figures
from analytics.models import FailureGroup, FailureRollup, Span
from analytics.models.failures import Mark
from analytics.scope import scope_of
from runs.filters import RunFilter
from runs.fingerprint import normalised, public
from runs.models import Run
from runs.states import RunState

RANGE = "7d"


@dataclass(frozen=True, slots=True)
class Why:
    """`runs`, `retried` and `recovered` are of 7 days, over all workflows. What the rollups have
    not heard of yet has no `known`."""

    group: str
    kind: str
    node: str
    message: str
    known: FailureGroup | None
    # The first version with it, as far as rollups tell; that of another workflow with its name.
    since: str
    runs: int
    retried: int
    recovered: int
    # The list's question for these runs, and the page of failures.
    link: str
    page: str

    @property
    def retry_share(self) -> float | None:
        return figures.ratio(self.recovered, self.retried)

    @property
    def retry_words(self) -> str:
        if not self.retried:
            return "none of them was retried yet"
        return f"{figures.percent(self.retry_share)} of {self.retried:,} retried succeeded"

    @property
    def is_back(self) -> bool:
        return bool(self.known and self.known.reopened_at and self.known.mark == Mark.NEW)

    @property
    def mark_words(self) -> str:
        if self.is_back:
            return "back after it was resolved"
        if self.known is None or self.known.mark == Mark.NEW:
            return ""
        return f"marked as {self.known.get_mark_display().lower()}"


def why(run: Run, now: datetime) -> Why | None:
    if run.state != RunState.FAILED or run.error_group is None:
        return None
    known = FailureGroup.objects.filter(pk=run.error_group).first()
    scope = scope_of(RunFilter(created=RANGE), now)
    [row] = asking.total(
        scope, "analytics_failures", sums=["runs", "retried", "recovered"],
        where='"group" = %s', given=[run.error_group],
    )  # fmt: skip
    group = public(run.error_group)
    return Why(
        group=group,
        kind=known.kind if known else run.error_kind,
        node=known.node if known else run.error_node,
        message=known.message if known else normalised(run.error_message),
        known=known,
        since=_since(run, run.error_group),
        runs=int(row["runs"]),
        retried=int(row["retried"]),
        recovered=int(row["recovered"]),
        link=scope.link(state="failed", group=group),
        page=f"{reverse('analysis_failures')}?{_query(run)}#group-{group}",
    )


def _query(run: Run) -> str:
    return RunFilter(workflow=run.workflow.slug, created=RANGE).query().lstrip("?")


def _since(run: Run, group: int) -> str:
    first = (
        FailureRollup.objects.filter(group=group, span=Span.HOUR)
        .order_by("at", "version_id")
        .values_list("version__number", "workflow__slug", "workflow_id")
        .first()
    )
    if first is None:
        return ""
    number, slug, workflow = first
    return f"version {number}" if workflow == run.workflow_id else f"{slug} version {number}"


def document(found: Why | None) -> dict[str, Any] | None:
    if found is None:
        return None
    known = found.known
    return {
        "group": found.group,
        "kind": found.kind,
        "node": found.node,
        "message": found.message,
        "first_seen": known.first_seen if known else None,
        "last_seen": known.last_seen if known else None,
        "since": found.since,
        "mark": known.mark if known else "",
        "note": known.note if known else "",
        "days": 7,
        "runs": found.runs,
        "retried": found.retried,
        "recovered": found.recovered,
        "filter": found.link,
    }
