"""What an operator sees first: what runs now, how the last day compares with usual, what changed.

“Usual” is the seven days before the last 24 hours; of money spent today, the median of those days
at the same time of day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from analytics import asking, figures, trend
from analytics.changes import Change, changes
from analytics.figures import Figure
from analytics.scope import DAY, HOUR, Scope, scope_of
from runs import contents
from runs.filters import RunFilter
from runs.models import BulkOperation, Decision, Run, Workflow
from runs.models.bulk import BulkState
from runs.states import RunState
from runs.timeouts import statement_timeout

USUAL_DAYS = 7
# What runs now is counted so far, and this may take so many seconds.
CAP, SECONDS = 9_999, 2
# Questions, operations and workflows that are shown.
WAITING, OPERATIONS, WORKFLOWS = 4, 4, 8
# Runs and their state's name in the list's address.
STATES = (("completed", "Completed"), ("failed", "Failed"), ("terminated", "Terminated"))


@dataclass(frozen=True, slots=True)
class Now:
    """Counted no further than CAP each."""

    active: int
    queued: int
    waiting: int
    stuck: int


@dataclass(frozen=True, slots=True)
class WorkflowDay:
    """A workflow in the last 24 hours. Milliseconds, dollars, shares of the runs that ended."""

    workflow: str
    runs: int
    failed: int
    rate: float | None
    rate_before: float | None
    p95: float | None
    cost: Decimal

    @property
    def rate_words(self) -> str:
        return figures.percent(self.rate)

    @property
    def rate_before_words(self) -> str:
        return figures.percent(self.rate_before)

    @property
    def is_worse(self) -> bool:
        return self.rate is not None and self.rate - (self.rate_before or 0) >= 0.05


@dataclass(frozen=True, slots=True)
class Overview:
    scope: Scope
    now: Now
    figures: list[Figure]
    changes: list[Change]
    bars: list[datetime]
    # By state, as many as bars.
    by_state: dict[str, list[int]]
    workflows: list[WorkflowDay]
    workflow_count: int
    decisions: list[Decision]
    operations: list[BulkOperation]
    # False: there has never been a run.
    has_runs: bool


def overview(now: datetime) -> Overview:
    """Raises a DatabaseError where it takes too long."""
    scope = scope_of(RunFilter(created="24h"), now)
    usual = scope.moved(scope.since - USUAL_DAYS * DAY, scope.since)
    bars = trend.bars(scope)
    workflows = _workflows(scope, usual)
    return Overview(
        scope=scope,
        now=running(),
        figures=[*_day(scope, usual), _spent(now)],
        changes=changes(scope, usual),
        bars=bars,
        by_state=_by_state(scope, bars),
        workflows=workflows[:WORKFLOWS],
        workflow_count=len(workflows),
        decisions=list(
            Decision.objects.open()
            .select_related("node", "run", "run__workflow")
            .defer("run__workflow__description")
            .order_by("asked_at")[:WAITING]
        ),
        operations=list(
            BulkOperation.objects.summed_up()
            .filter(state__in=[BulkState.RUNNING, BulkState.PAUSED])
            .newest_first()[:OPERATIONS]
        ),
        has_runs=Run.objects.order_by().values("pk")[:1].exists(),
    )


def running() -> Now:
    """By the index of what has not ended."""
    parts: list[str] = []
    given: list[Any] = []
    for rows in (
        Run.objects.filter(state=RunState.ACTIVE),
        Run.objects.filter(state=RunState.CREATED),
        Decision.objects.open(),
        contents.stuck(Run.objects.all(), ""),
    ):
        sql, params = rows.order_by().values("pk")[: CAP + 1].query.sql_with_params()
        parts.append(f"(SELECT count(*) FROM ({sql}) AS capped)")
        given += params
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", given)
        return Now(*cursor.fetchone())


def _day(scope: Scope, usual: Scope) -> list[Figure]:
    link = scope.link()
    (rate, runs, p95), (rate_before, runs_before, p95_before) = map(_ended, (scope, usual))
    a_day = round(runs_before / USUAL_DAYS)
    return [
        figures.count("Runs in 24 hours", runs, a_day if runs_before else None, link),
        figures.share(
            "Failed", rate, rate_before, scope.link(state="failed"), bad=True,
            note="Of the runs that completed or failed; usual: the seven days before",
        ),
        figures.length(
            "95 % within", p95, p95_before, scope.link(timed="yes", sort="duration")
        ),
    ]  # fmt: skip


def _ended(scope: Scope) -> tuple[float | None, int, float | None]:
    """The share that failed, how many runs there are, and the 95th percentile in ms."""
    rows = asking.total(scope, "analytics_runs", ["state"], ["runs"], steps=True)
    counts = {row["state"]: int(row["runs"]) for row in rows}
    steps: dict[int, int] = {}
    for row in rows:
        for step, count in row.steps.items():
            steps[step] = steps.get(step, 0) + count
    failed, completed = counts.get("failed", 0), counts.get("completed", 0)
    whole = asking.Row({}, {}, steps)
    rate = figures.ratio(failed, failed + completed)
    return rate, sum(counts.values()), whole.percentile(0.95)


def _spent(now: datetime) -> Figure:
    """Since midnight here, against the same time of the days before."""
    here = timezone.localtime(now)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    days = []
    for number in range(USUAL_DAYS + 1):
        begin = midnight - number * DAY
        days.append((begin.astimezone(UTC), (begin + (here - midnight)).astimezone(UTC)))
    scope = scope_of(RunFilter(created_from=days[-1][0], created_to=now), now)
    rows = asking.total(scope, "analytics_runs", sums=["cost"], bar=HOUR)
    costs = {row["at"]: row["cost"] for row in rows}
    since = days[0][0]
    today = _first_part(since) + sum((costs[at] for at in costs if at >= since), Decimal(0))
    earlier = [_usually(costs, *each) for each in days[1:]]
    usually = Decimal(median(earlier)) if any(earlier) else None
    link = RunFilter(created_from=midnight, created_to=now).query()
    return figures.money("Spent today", today, usually, link)


def _first_part(since: datetime) -> Decimal:
    """What the rollups, which are by the hour, don't tell of a day that begins within one: that of
    a zone such as Nepal's."""
    begun = since.replace(minute=0)
    if begun == since:
        return Decimal(0)
    runs = Run.objects.order_by().filter(created_at__gte=since, created_at__lt=begun + HOUR)
    return runs.aggregate(cost=Sum("cost"))["cost"] or Decimal(0)


def _usually(costs: Mapping[datetime, Decimal], since: datetime, until: datetime) -> Decimal:
    """Of hours that are not within as a whole, as much as is."""
    spent = Decimal(0)
    for at, cost in costs.items():
        within = min(at + HOUR, until) - max(at, since)
        if within > timedelta(0):
            spent += cost * Decimal(within / HOUR)
    return spent


def _by_state(scope: Scope, bars: list[datetime]) -> dict[str, list[int]]:
    rows = asking.total(scope, "analytics_runs", ["state"], ["runs"], bar=scope.bar)
    counts = {(row["state"], row["at"]): int(row["runs"]) for row in rows}
    return {
        state: [counts.get((state, bar), 0) for bar in bars]
        for state in (*(name for name, _ in STATES), "active", "created")
    }


def _workflows(scope: Scope, usual: Scope) -> list[WorkflowDay]:
    """Most failed first, then most runs."""
    slugs = dict(Workflow.objects.values_list("pk", "slug"))
    keys = ["workflow_id", "state"]
    found: dict[int, dict[str, asking.Row]] = {}
    for row in asking.total(scope, "analytics_runs", keys, ["runs", "cost"], steps=True):
        found.setdefault(row["workflow_id"], {})[row["state"]] = row
    before: dict[int, dict[str, int]] = {}
    for row in asking.total(usual, "analytics_runs", keys, ["runs"]):
        before.setdefault(row["workflow_id"], {})[row["state"]] = int(row["runs"])
    days = []
    for workflow_id, rows in found.items():
        counts = {state: int(row["runs"]) for state, row in rows.items()}
        steps: dict[int, int] = {}
        for row in rows.values():
            for step, count in row.steps.items():
                steps[step] = steps.get(step, 0) + count
        days.append(
            WorkflowDay(
                workflow=slugs.get(workflow_id, ""),
                runs=sum(counts.values()),
                failed=counts.get("failed", 0),
                rate=_rate(counts.get),
                rate_before=_rate(before.get(workflow_id, {}).get),
                p95=asking.Row({}, {}, steps).percentile(0.95),
                cost=sum((row["cost"] for row in rows.values()), Decimal(0)),
            )
        )
    return sorted(days, key=lambda day: (-day.failed, -day.runs, day.workflow))


def _rate(count: Callable[[str, int], int]) -> float | None:
    failed = count("failed", 0)
    return figures.ratio(failed, failed + count("completed", 0))
