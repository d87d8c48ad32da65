"""The nightly report: a day's runs per workflow, and what went wrong most."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Aggregate, Count, DurationField, F, Max, Min, Q, Sum
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from runs.engine.registry import executor
from runs.models import Run
from runs.samples import files, money
from runs.samples.context import Context, Output, Refused
from runs.states import RunState

MOST_WORKFLOWS = 200
MOST_ERRORS = 20


class DayUnclear(Refused):
    """The input names no day."""


class MonthEndUnfinished(Exception):  # noqa: N818
    """The day's month end still runs. No refusal: a later attempt finds its result."""


class MedianDuration(Aggregate):
    """Of what has one: a run stopped before its start counts in no duration."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


_FIGURES: Final = {
    "runs": Count("id"),
    "completed": Count("id", filter=Q(state=RunState.COMPLETED)),
    "failed": Count("id", filter=Q(state=RunState.FAILED)),
    "median": MedianDuration(F("completed_at") - F("started_at")),
    "spent": Sum("cost"),
    "tokens": Sum(F("input_tokens") + F("output_tokens")),
}


@executor("samples.choose_day")
def choose_day(ctx: Context, request: dict[str, Any]) -> Output:
    """The day asked for, else today in UTC: chosen once, so that a midnight changes nothing."""
    text = request.get("day")
    try:
        day = date.fromisoformat(text) if text else timezone.now().astimezone(UTC).date()
    except (TypeError, ValueError):
        raise DayUnclear(f"“{text}” is not a day such as 2026-03-31") from None
    if not text:
        ctx.log(f"no day was asked for, so it is today: {day:%A}, {day}")
    return {"day": day.isoformat(), "asked_at": timezone.now().isoformat()}


@executor("samples.collect_runs")
def collect_runs(ctx: Context, day: str) -> Output:
    runs = Run.objects.filter(_within(day)).order_by()
    grouped = (
        runs.values("workflow__slug")
        .annotate(**_FIGURES)
        .order_by(F("runs").desc(), "workflow__slug")[: MOST_WORKFLOWS + 1]
    )
    rows = [{"workflow": row["workflow__slug"], **_readable(row)} for row in grouped]
    if rows:
        ctx.log(f"{rows[0]['workflow']} ran most: {rows[0]['runs']:,} times")
    if len(rows) > MOST_WORKFLOWS:
        ctx.log(f"only the {MOST_WORKFLOWS} with the most runs are listed", level="warning")
    return {"workflows": rows[:MOST_WORKFLOWS], "all": _readable(runs.aggregate(**_FIGURES))}


@executor("samples.collect_errors")
def collect_errors(ctx: Context, day: str) -> Output:
    grouped = (
        Run.objects.filter(_within(day), state=RunState.FAILED)
        .values("workflow__slug", "error_node", "error_kind")
        .annotate(runs=Count("id"), sample=Min("error_message"), last=Max("completed_at"))
        .order_by("-runs", "workflow__slug", "error_node", "error_kind")[:MOST_ERRORS]
    )
    errors = [
        {
            "workflow": row["workflow__slug"],
            "node": row["error_node"],
            "error": row["error_kind"],
            "runs": row["runs"],
            "sample": row["sample"],
            "last": row["last"].astimezone(UTC).isoformat(timespec="seconds"),
        }
        for row in grouped
    ]
    if errors:
        most = errors[0]
        ctx.log(
            f"most common: {most['error']} at {most['node'] or 'the start'} of {most['workflow']}"
        )
    else:
        ctx.log("no run failed")
    return {"errors": errors}


@executor("samples.collect_month_end")
def collect_month_end(ctx: Context, day: str, asked_at: str) -> Output:
    """The result of the day's latest month end; null where there is none.

    Those begun after the report was asked for don't count, else it might wait without end. While
    it runs, this attempt fails: to wait here would keep a worker from that very run.
    """
    latest = (
        Run.objects.filter(
            _within(day),
            workflow__slug="month_end",
            created_at__lte=datetime.fromisoformat(asked_at),
        )
        .exclude(state__in=(RunState.FAILED, RunState.TERMINATED))
        .order_by("-created_at", "-id")
        .first()
    )
    if latest is None:
        ctx.log("no month end was run")
        return {"month_end": None}
    if latest.state != RunState.COMPLETED:
        raise MonthEndUnfinished(f"month end {latest.public_id} has not written its result yet")
    try:
        result = files.read_json(f"results/{latest.public_id}/month-end.json")
    except files.FileMissing:
        ctx.log(f"the result of {latest.public_id} was deleted", level="warning")
        return {"month_end": None}
    ctx.log(f"taken from {latest.public_id}")
    figures = ("invoices", "total_eur", "open_invoices", "open_eur", "refused")
    return {"month_end": {"run": latest.public_id, **{name: result[name] for name in figures}}}


@executor("samples.build_table")
def build_table(ctx: Context, day: str, collected: Output, errors: list[Output]) -> Output:
    """Headings and rows as text, ready to be written in any format."""
    headings = ["Workflow", "Runs", "Completed", "Failed", "Failure rate", "Median duration",
                "Cost (USD)", "Tokens", "Most common error"]  # fmt: skip
    most_common: dict[str, str] = {}
    for error in errors:
        most_common.setdefault(error["workflow"], f"{error['error']} ({error['runs']:,}×)")
    rows = [
        [row["workflow"], *_cells(row), most_common.get(row["workflow"], "")]
        for row in collected["workflows"]
    ]
    rows.append(["All", *_cells(collected["all"]), ""])
    ctx.log(f"workflows that had failures: {len(most_common)} of {len(rows) - 1}")
    return {"title": f"Runs of {day} (UTC)", "headings": headings, "rows": rows}


@executor("samples.write_report")
def write_report(
    ctx: Context, day: str, table: Output, errors: list[Output], month_end: Output | None = None
) -> Output:
    """Runs of the workflow's first version give no `month_end`."""
    csv_key = files.result_key(ctx, f"report-{day}.csv")
    html_key = files.result_key(ctx, f"report-{day}.html")
    files.put_table(csv_key, table["headings"], table["rows"])
    files.put(html_key, _as_html(table, errors, month_end).encode())
    total = table["rows"][-1]
    return {
        "summary": f"{total[1]} runs on {day}: {total[2]} completed, {total[3]} failed",
        "csv_key": csv_key,
        "html_key": html_key,
    }


def _within(day: str) -> Q:
    start = datetime.combine(date.fromisoformat(day), time(), UTC)
    return Q(created_at__gte=start, created_at__lt=start + timedelta(days=1))


def _readable(row: Mapping[str, Any]) -> Output:
    return {
        "runs": row["runs"],
        "completed": row["completed"],
        "failed": row["failed"],
        "median_seconds": f"{row['median'].total_seconds():.3f}" if row["median"] else None,
        "cost": f"{row['spent'] or Decimal(0):f}",
        "tokens": row["tokens"] or 0,
    }


def _cells(row: Output) -> list[str]:
    median = row["median_seconds"]
    return [
        f"{row['runs']:,}",
        f"{row['completed']:,}",
        f"{row['failed']:,}",
        f"{100 * row['failed'] / row['runs']:.1f} %" if row["runs"] else "",
        f"{Decimal(median):,.1f} s" if median else "",
        f"{Decimal(row['cost']):,.4f}",
        f"{row['tokens']:,}",
    ]


def _as_html(table: Output, errors: list[Output], month_end: Output | None) -> str:
    return format_html(
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{}</title>\n'
        "<h1>{}</h1>\n<table>\n<tr>{}</tr>\n{}</table>\n<h2>Most common errors</h2>\n"
        "<ul>\n{}</ul>\n<h2>Month end</h2>\n<p>{}</p>\n</html>\n",
        table["title"],
        table["title"],
        format_html_join("", '<th scope="col">{}</th>', ((h,) for h in table["headings"])),
        format_html_join(
            "",
            "<tr>{}</tr>\n",
            ((format_html_join("", "<td>{}</td>", ((c,) for c in row)),) for row in table["rows"]),
        ),
        format_html_join(
            "",
            "<li>{} × {} in {}, node {}: {}</li>\n",
            ((e["runs"], e["error"], e["workflow"], e["node"], e["sample"]) for e in errors),
        ),
        _month_end(month_end),
    )


def _month_end(found: Output | None) -> str:
    if found is None:
        return "None was run."
    return (
        f"{money.shown(Decimal(found['total_eur']))} EUR to pay in {found['invoices']:,} invoices, "
        f"{money.shown(Decimal(found['open_eur']))} EUR to receive in {found['open_invoices']:,}; "
        f"documents refused: {found['refused']:,} ({found['run']})"
    )
