"""What runs cost: by workflow, node, model and person, and what of it bought nothing.

All of it is the ledger's: sums of model calls, in Decimal, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from analytics import asking, figures, measure, trend
from analytics.figures import Figure
from analytics.scope import DAY, HOUR, SECONDS, Scope
from runs.models import Run, Workflow
from runs.timeouts import statement_timeout

# Rows of a breakdown that are shown, series of the chart, and runs that are named.
SHOWN = 12
SERIES = 4
RUNS = 10
# What lines of a breakdown are sorted by, largest first.
SORTS = ("cost", "tokens", "count")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a breakdown."""

    name: str
    cost: Decimal
    tokens: int
    count: int
    share: float
    before: Decimal | None = None
    link: str = ""
    # What was spent in attempts that failed, and in runs that repeat another one.
    failed_cost: Decimal = ZERO
    retry_cost: Decimal = ZERO

    @property
    def change(self) -> str:
        return figures.growth(self.cost, self.before)

    @property
    def is_worse(self) -> bool:
        """Half as much again as before: worth a look."""
        return self.before is not None and self.cost > self.before * Decimal("1.5") > 0

    @property
    def percent(self) -> str:
        return figures.percent(self.share)

    @property
    def each(self) -> Decimal:
        return figures.per(self.cost, self.count)


@dataclass(frozen=True, slots=True)
class Breakdown:
    name: str
    title: str
    # What the lines are of, and what is counted in them.
    head: str
    counted: str
    lines: Sequence[Line]
    # What is not shown: how many lines more, and what they come to.
    more: int
    more_cost: Decimal
    note: str = ""

    @property
    def is_compared(self) -> bool:
        return any(line.before is not None for line in self.lines)


@dataclass(frozen=True, slots=True)
class Costs:
    scope: Scope
    figures: list[Figure]
    total: Decimal
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    failed_cost: Decimal
    retry_cost: Decimal
    bars: list[datetime]
    by_bar: list[Decimal]
    # Of the largest workflows, or of one workflow its models, by bar.
    series: list[tuple[str, list[Decimal]]]
    breakdowns: list[Breakdown]
    runs: list[Run]

    @property
    def others(self) -> list[Decimal]:
        named = [sum(each, ZERO) for each in zip(*(v for _, v in self.series), strict=True)]
        named = named or [ZERO] * len(self.bars)
        return [whole - part for whole, part in zip(self.by_bar, named, strict=True)]


_SUMS = ("cost", "input_tokens", "output_tokens", "calls", "failed_cost", "retry_cost")


def costs(scope: Scope, before: Scope | None) -> Costs:
    total, runs = _total(scope), _runs(scope)
    then = _total(before) if before else None
    whole = total["cost"]
    slugs = dict(Workflow.objects.values_list("pk", "slug"))
    at = trend.bars(scope)
    # The chart tells workflows apart; where there is but one, its models.
    key = "model" if scope.workflow else "workflow_id"
    by_bar, series = _series(scope, key, at, slugs)

    def told(name: str, key: str, title: str, **more: Any) -> Breakdown:
        return _breakdown(scope, before, whole, name=name, key=key, title=title, **more)

    breakdowns = [
        told("workflows", "workflow_id", "By workflow", head="Workflow", named=slugs.get,
             linked=lambda slug: scope.link(workflow=slug)),
        told("nodes", "node", "By node", head="Node",
             linked=lambda node: scope.link(node=node)),
        told("models", "model", "By model", head="Model",
             linked=lambda model: scope.link(model=model)),
        _people(scope, whole),
    ]  # fmt: skip
    return Costs(
        scope=scope,
        figures=_figures(scope, total, then, runs, _runs(before) if before else None),
        total=whole,
        calls=int(total["calls"]),
        input_tokens=int(total["input_tokens"]),
        output_tokens=int(total["output_tokens"]),
        cached_tokens=int(total["cached_tokens"]),
        failed_cost=total["failed_cost"],
        retry_cost=total["retry_cost"],
        bars=at,
        by_bar=by_bar,
        series=series,
        breakdowns=breakdowns,
        runs=_dearest(scope),
    )


def _total(scope: Scope) -> asking.Row:
    [row] = asking.total(scope, "analytics_calls", sums=[*_SUMS, "cached_tokens"])
    return row


def _runs(scope: Scope) -> int:
    [row] = asking.total(scope, "analytics_runs", sums=["runs"])
    return int(row["runs"])


def _figures(
    scope: Scope, now: asking.Row, then: asking.Row | None, runs: int, runs_before: int | None
) -> list[Figure]:
    link = scope.link()
    each = figures.per(now["cost"], runs)
    before = None if then is None else figures.per(then["cost"], runs_before or 0)
    return [
        figures.money("Total cost", now["cost"], then["cost"] if then else None, link),
        figures.money("Cost per run", each, before, link),
        figures.money(
            "On failed attempts", now["failed_cost"], then["failed_cost"] if then else None,
            scope.link(spent="failed"),
        ),
        figures.money(
            "On retries of runs", now["retry_cost"], then["retry_cost"] if then else None,
            scope.link(is_retry="yes"),
        ),
    ]  # fmt: skip


def _series(
    scope: Scope, key: str, at: Sequence[datetime], slugs: Mapping[int, str]
) -> tuple[list[Decimal], list[tuple[str, list[Decimal]]]]:
    whole = asking.total(scope, "analytics_calls", sums=["cost"], bar=scope.bar)
    largest = [row[key] for row in asking.total(scope, "analytics_calls", [key], ["cost"])]
    largest = largest[:SERIES]
    rows = asking.total(
        scope, "analytics_calls", [key], ["cost"], bar=scope.bar,
        where=f'"{key}" = ANY(%s)', given=[largest],
    )  # fmt: skip
    found: dict[Any, dict[datetime, Decimal]] = {each: {} for each in largest}
    for row in rows:
        found[row[key]][row["at"]] = row["cost"]
    by_bar = trend.along(at, {row["at"]: row["cost"] for row in whole}, ZERO)
    return by_bar, [
        (str(slugs.get(each, each) if key == "workflow_id" else each), trend.along(at, own, ZERO))
        for each, own in found.items()
    ]


def _breakdown(
    scope: Scope,
    before: Scope | None,
    whole: Decimal,
    *,
    name: str,
    key: str,
    title: str,
    head: str,
    linked: Callable[[str], str],
    named: Callable[[Any], str | None] = str,
) -> Breakdown:
    rows = asking.total(scope, "analytics_calls", [key], _SUMS)
    shown = rows[:SHOWN]
    earlier: dict[Any, Decimal] = {}
    if before is not None:
        same = asking.total(
            before, "analytics_calls", [key], ["cost"],
            where=f'"{key}" = ANY(%s)', given=[[row[key] for row in shown]],
        )  # fmt: skip
        earlier = {row[key]: row["cost"] for row in same}
    lines = []
    for row in shown:
        said = named(row[key]) or "–"
        lines.append(
            Line(
                name=said,
                cost=row["cost"],
                tokens=int(row["input_tokens"] + row["output_tokens"]),
                count=int(row["calls"]),
                share=float(row["cost"] / whole) if whole else 0,
                before=earlier.get(row[key], ZERO) if before is not None else None,
                link=linked(said) if row[key] else "",
                failed_cost=row["failed_cost"],
                retry_cost=row["retry_cost"],
            )
        )
    rest = whole - sum((line.cost for line in lines), ZERO)
    return Breakdown(name, title, head, "Calls", lines, len(rows) - len(shown), rest)


# Within the hours that are asked about: people are rolled up by the day, the rest is counted.
_BY_PERSON = """
SELECT triggered_by, sum(runs)::bigint AS runs, sum(cost) AS cost, sum(tokens)::bigint AS tokens
FROM ({source}) AS told GROUP BY triggered_by ORDER BY sum(cost) DESC, triggered_by LIMIT {most}
"""


def _people(scope: Scope, whole: Decimal) -> Breakdown:
    source, params = _people_source(scope)
    sql = _BY_PERSON.format(source=source, most=asking.MOST)
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    lines = [
        Line(
            name=name,
            cost=cost,
            tokens=tokens,
            count=runs,
            share=float(cost / whole) if whole else 0,
            link=scope.link(triggered_by=name),
        )
        for name, runs, cost, tokens in rows[:SHOWN]
    ]
    # Of their own: people are counted by the day, and may be ahead of the hours for a moment.
    rest = sum((cost for _, _, cost, _ in rows[SHOWN:]), ZERO)
    return Breakdown(
        "people", "By who triggered it", "Triggered by", "Runs", lines, len(rows) - len(lines), rest
    )


def _people_source(scope: Scope) -> tuple[str, list[Any]]:
    """Whole days from the rollup; what is left, and short times, from the runs."""
    days = [part for part in scope.parts(DAY) if part[0] == 1]
    if not scope.rolled or not days:
        sql, params = scope.on_jobs(scope.since, scope.until)
        return measure.statement(measure.USERS, sql), list(params)
    [(_, first, last)] = days
    where, params = "at >= %s AND at < %s", [first, last]
    if scope.workflow is not None:
        where, params = f"{where} AND workflow_id = %s", [*params, scope.workflow.pk]
    if scope.version is not None:
        where, params = f"{where} AND version_id = %s", [*params, scope.version.pk]
    columns = ", ".join(measure.USER_COLUMNS)
    parts = [f"SELECT {columns} FROM analytics_users WHERE {where}"]
    for since, until in ((scope.since, first), (last, scope.until)):
        if since < until:
            sql, own = scope.on_jobs(since, until)
            parts.append(f"SELECT {columns} FROM ({measure.statement(measure.USERS, sql)}) AS edge")
            params += own
    return " UNION ALL ".join(parts), params


def _dearest(scope: Scope) -> list[Run]:
    """The most expensive runs. They are all in as many hours: those with the dearest ones."""
    wanted = scope.runs.filter(cost__gt=0).select_related("workflow", "version").dearest_first()
    if not scope.rolled:
        with statement_timeout(SECONDS):
            return list(wanted[:RUNS])
    rows = asking.total(scope, "analytics_runs", largest=["dearest"], bar=HOUR, where="dearest > 0")
    hours = sorted(rows, key=lambda row: row["dearest"], reverse=True)[:RUNS]
    found: list[Run] = []
    with statement_timeout(SECONDS):
        for hour in hours:
            own = wanted.filter(created_at__gte=hour["at"], created_at__lt=hour["at"] + HOUR)
            found += own[:RUNS]
    return sorted(found, key=lambda run: (run.cost, run.created_at), reverse=True)[:RUNS]
