"""What the analysis found, as JSON and as CSV: what pages and APIs give."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse

from analytics.changes import Change
from analytics.costs import Breakdown, Costs, Line
from analytics.durations import Durations, NodeTime
from analytics.failures import Failures, Group
from analytics.figures import Figure
from analytics.overview import Overview
from analytics.workflow_times import WorkflowTime
from runs.exports import cell

# The heads of a table, and its rows.
Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


def figures(found: Iterable[Figure]) -> list[dict[str, Any]]:
    return [
        {
            "label": each.label,
            "value": each.value,
            "before": each.before,
            "words": each.words,
            "link": each.link,
        }
        for each in found
    ]


# -- Failures --------------------------------------------------------------------------------


def failures(found: Failures) -> dict[str, Any]:
    return {
        "figures": figures(found.figures),
        "trend": [
            {"at": at, "failed": count, "link": found.scope.link(state="failed", at=at)}
            for at, count in zip(found.bars, found.by_bar, strict=True)
        ],
        "groups": [_of_group(group) for group in found.groups],
        "group_count": found.total,
    }


def failures_table(found: Failures) -> Table:
    heads = [name for name in _of_group(_NO_GROUP) if name != "link"]
    told = [_of_group(group) for group in found.groups]
    return heads, ([_flat(row[head]) for head in heads] for row in told)


_NO_GROUP = Group(0, None, 0, 0, 0, None, [])


def _of_group(group: Group) -> dict[str, Any]:
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
        "link": group.link,
    }


def _flat(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


# -- Cost ------------------------------------------------------------------------------------


def costs(found: Costs, sort: str = "cost") -> dict[str, Any]:
    return {
        "figures": figures(found.figures),
        "total": found.total,
        "calls": found.calls,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cached_tokens": found.cached_tokens,
        "on_failed_attempts": found.failed_cost,
        "on_retries": found.retry_cost,
        "trend": [
            {"at": at, "cost": cost, "link": found.scope.link(at=at)}
            for at, cost in zip(found.bars, found.by_bar, strict=True)
        ],
        **{
            each.name: [_of_line(line) for line in ordered(each, sort)] for each in found.breakdowns
        },
        "not_listed": {each.name: each.more_cost for each in found.breakdowns},
        "runs": [
            {"id": run.public_id, "workflow": run.workflow.slug, "cost": run.cost}
            for run in found.runs
        ],
    }


def costs_table(found: Costs, sort: str = "cost") -> Table:
    heads = ("by", "name", "cost", "share", "tokens", "calls_or_runs", "on_failed_attempts",
             "on_retries", "before")  # fmt: skip
    rows: list[Sequence[Any]] = [
        (each.name, line.name, line.cost, round(line.share, 6), line.tokens, line.count,
         line.failed_cost, line.retry_cost, line.before)
        for each in found.breakdowns
        for line in ordered(each, sort)
    ]  # fmt: skip
    total = ("total", "", found.total, 1, found.input_tokens + found.output_tokens,
             found.calls, found.failed_cost, found.retry_cost, None)  # fmt: skip
    return heads, [*rows, total]


def ordered(breakdown: Breakdown, sort: str) -> list[Line]:
    """Of the lines that are shown, which are the most expensive ones, the largest first."""
    return sorted(breakdown.lines, key=lambda line: getattr(line, sort), reverse=True)


def _of_line(line: Line) -> dict[str, Any]:
    return {
        "name": line.name,
        "cost": line.cost,
        "before": line.before,
        "tokens": line.tokens,
        "count": line.count,
        "link": line.link,
    }


# -- Duration --------------------------------------------------------------------------------


def durations(found: Durations) -> dict[str, Any]:
    sampled = found.sampled
    return {
        "figures": figures(found.figures),
        "runs": found.timed,
        "trend": [
            {"at": at, "p50_ms": p50, "p95_ms": p95, "link": found.scope.link(timed="yes", at=at)}
            for at, p50, p95 in zip(found.bars, found.p50, found.p95, strict=True)
        ],
        "workflows": [_of_workflow(each) for each in found.workflows],
        "nodes": [_of_node(node) for node in found.nodes],
        "node_count": found.node_count,
        "sample": sampled
        and {
            "runs": sampled.runs,
            "parallel_efficiency": sampled.efficiency,
            "nodes_at_once": sampled.abreast,
            "spent_on": {cause.name: cause.share for cause in sampled.causes},
        },
    }


def durations_table(found: Durations) -> Table:
    heads = [name for name in _of_node(_NO_NODE) if "link" not in name]
    return heads, ([_of_node(node)[head] for head in heads] for node in found.nodes)


_NO_NODE = NodeTime("", "", "", 0, 0, None, None, 0, 0, 0, 0, None, None, "")


def _of_node(node: NodeTime) -> dict[str, Any]:
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
        "queued_ms_before": node.queued_before,
        "backoff_ms": node.backoff,
        "link": node.link,
        "failed_link": node.failed_link,
    }


def _of_workflow(each: WorkflowTime) -> dict[str, Any]:
    return {
        "workflow": each.workflow,
        "version": each.version or None,
        "runs": each.runs,
        "p50_ms": each.p50,
        "p95_ms": each.p95,
        "p95_ms_before": each.p95_before,
        "waited_ms": each.waited,
        "parallel_efficiency": each.efficiency,
        "parallel_efficiency_before": each.efficiency_before,
        "link": each.link,
    }


# -- The overview ----------------------------------------------------------------------------

# Where changes lead to.
PAGES = {
    "failures": "analysis_failures",
    "cost": "analysis_cost",
    "duration": "analysis_duration",
    "runs": "admin:runs_run_changelist",
}


def address_of(change: Change) -> str:
    return reverse(PAGES[change.page]) + change.query


def overview(found: Overview, fresh_until: datetime) -> dict[str, Any]:
    return {
        "counted_until": fresh_until,
        "now": asdict(found.now),
        "figures": figures(found.figures),
        "changes": [
            {
                "kind": change.kind,
                "title": change.title,
                "evidence": change.evidence,
                "url": address_of(change),
            }
            for change in found.changes
        ],
        "trend": [
            {"at": at, **{state: counts[place] for state, counts in found.by_state.items()}}
            for place, at in enumerate(found.bars)
        ],
        "workflows": [
            {
                "workflow": day.workflow,
                "runs": day.runs,
                "failed": day.failed,
                "failure_rate": day.rate,
                "failure_rate_before": day.rate_before,
                "p95_ms": day.p95,
                "cost": day.cost,
                "link": found.scope.link(workflow=day.workflow),
                "failed_link": found.scope.link(workflow=day.workflow, state="failed"),
            }
            for day in found.workflows
        ],
    }


# -- As they are written ---------------------------------------------------------------------


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(map(cell, heads))
    writer.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return cell(value)


def plain(value: Any) -> Any:
    """Money as text with all its digits, times in UTC."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, datetime | Decimal):
        return _cell(value)
    return value
