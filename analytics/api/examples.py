"""Examples for the API's document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_RUNS = "https://portal.example/api/runs/?"
_TIME = "created_from=2026-11-19T10%3A00%3A00Z&created_to=2026-11-26T10%3A00%3A00Z"
_BAR = "created_from=2026-11-19T09%3A00%3A00Z&created_to=2026-11-19T12%3A00%3A00Z"
_OF_ALL: dict[str, Any] = {
    "filter": {"workflow": "invoice_processing", "created": "7d"},
    "compared_with": "before",
    "counted_until": "2026-11-26T09:59:51.480Z",
}
_GROUP = "9c1b3f0a77d2e845"


def _figure(label: str, value: Any, before: Any, words: str, query: str) -> dict[str, Any]:
    url = f"{_RUNS}{query}"
    return {"label": label, "value": value, "before": before, "words": words, "runs_url": url}


def _bar(query: str, **values: Any) -> dict[str, Any]:
    at = "2026-11-19T09:00:00.000Z"
    return {"at": at, **values, "runs_url": f"{_RUNS}{query}{_BAR}"}


def _answer(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(
        name, value, response_only=True, status_codes=["200"], media_type="application/json"
    )


FAILURES = _answer(
    "A week of failures",
    {
        **_OF_ALL,
        "figures": [_figure("Failed runs", 212, 131, "212", f"state=failed&{_TIME}")],
        "trend": [_bar("state=failed&", failed=4)],
        "groups": [
            {
                "id": _GROUP,
                "kind": "TotalsMismatch",
                "node": "check",
                "message": "totals differ on page #",
                "sample": "totals differ on page 3",
                "workflows": ["invoice_processing"],
                "runs": 97,
                "retried": 12,
                "recovered": 7,
                "median_ms_to_failure": 4120.0,
                "since": "v4",
                "is_new": True,
                "mark": "new",
                "first_seen": "2026-11-24T08:12:40.003Z",
                "last_seen": "2026-11-26T09:58:02.771Z",
                "runs_url": f"{_RUNS}state=failed&group={_GROUP}&{_TIME}",
            }
        ],
        "group_count": 1,
    },
)
_LINE: dict[str, Any] = {
    "name": "invoice_processing",
    "cost": "104.3301250000",
    "before": "66.0200000000",
    "tokens": 18400210,
    "count": 20711,
    "runs_url": f"{_RUNS}workflow=invoice_processing&{_TIME}",
}
COST = _answer(
    "A week's cost",
    {
        **_OF_ALL,
        "figures": [
            _figure("Total cost", "104.3301250000", "66.0200000000", "$104.33", _TIME),
            _figure("On failed attempts", "2.1100000000", "2.0400000000", "$2.11",
                    f"spent=failed&{_TIME}"),
        ],
        "total": "104.3301250000",
        "calls": 20711,
        "input_tokens": 15100000,
        "output_tokens": 3300210,
        "cached_tokens": 1200000,
        "on_failed_attempts": "2.1100000000",
        "on_retries": "4.9010000000",
        "trend": [_bar("", cost="0.6120000000")],
        "workflows": [_LINE],
        "nodes": [],
        "models": [],
        "people": [],
        "not_listed": {"workflows": "0", "nodes": "0", "models": "0", "people": "0"},
        "runs": [
            {
                "id": "run_01kb2x7v9zeq3t8m4r6c5n0a1d",
                "workflow": "invoice_processing",
                "cost": "0.9214000000",
            }
        ],
    },
)  # fmt: skip
DURATION = _answer(
    "A week's durations",
    {
        **_OF_ALL,
        "figures": [_figure("Median", 7620.5, 5010.2, "7.6 s", f"timed=yes&{_TIME}")],
        "runs": 18204,
        "trend": [_bar("timed=yes&", p50_ms=5100.0, p95_ms=9800.0)],
        "workflows": [
            {
                "workflow": "invoice_processing",
                "version": 4,
                "runs": 18204,
                "p50_ms": 7620.5,
                "p95_ms": 12010.0,
                "p95_ms_before": 11800.0,
                "waited_ms": 140.2,
                "parallel_efficiency": 0.74,
                "parallel_efficiency_before": 0.91,
                "runs_url": f"{_RUNS}workflow=invoice_processing&version=4&{_TIME}",
            }
        ],
        "nodes": [
            {
                "workflow": "invoice_processing",
                "node": "extract",
                "kind": "llm",
                "executed": 18190,
                "failed": 31,
                "p50_ms": 3900.0,
                "p95_ms": 7400.0,
                "p95_ms_before": 4100.0,
                "longest_ms": 60012,
                "share": 0.81,
                "queued_ms": 120.5,
                "queued_ms_before": 118.0,
                "backoff_ms": 3.2,
                "runs_url": f"{_RUNS}workflow=invoice_processing&node=extract&{_TIME}",
                "failed_runs_url": f"{_RUNS}workflow=invoice_processing&node=extract"
                f"&node_status=failed&{_TIME}",
            }
        ],
        "node_count": 1,
        "sample": {
            "runs": 4200,
            "parallel_efficiency": 0.74,
            "nodes_at_once": 1.3,
            "spent_on": {"working": 0.86, "queued": 0.09, "person": 0.0, "backoff": 0.01,
                         "other": 0.04},
        },
    },
)  # fmt: skip
OVERVIEW = _answer(
    "A day",
    {
        "counted_until": _OF_ALL["counted_until"],
        "now": {"active": 12, "queued": 3, "waiting": 1, "stuck": 0},
        "figures": [_figure("Runs in 24 hours", 4120, 3980, "4,120", _TIME)],
        "changes": [
            {
                "kind": "new failure",
                "title": "TotalsMismatch at check in invoice_processing",
                "evidence": "97 runs, first 2 hours ago",
                "url": "https://portal.example/admin/analysis/failures/?created=24h",
            }
        ],
        "trend": [
            {
                "at": "2026-11-25T10:00:00.000Z",
                "completed": 160,
                "failed": 9,
                "terminated": 1,
                "active": 0,
                "created": 0,
            }
        ],
        "workflows": [
            {
                "workflow": "invoice_processing",
                "runs": 2904,
                "failed": 97,
                "failure_rate": 0.033402,
                "failure_rate_before": 0.0121,
                "p95_ms": 12010.0,
                "cost": "14.9043000000",
                "runs_url": f"{_RUNS}workflow=invoice_processing&{_TIME}",
                "failed_runs_url": f"{_RUNS}state=failed&workflow=invoice_processing&{_TIME}",
            }
        ],
    },
)
_USUAL: dict[str, Any] = {"p50_ms": 7620.5, "p95_ms": 12010.0, "factor": 4.2, "is_longer": True}
_SPENT: dict[str, Any] = {
    "calls": 3,
    "input_tokens": 5120,
    "output_tokens": 388,
    "cached_tokens": 0,
    "cost": "0.0121500000",
    "failed_cost": "0.0040500000",
    "failed_calls": 1,
}
RUN = OpenApiExample(
    "A slow run that failed",
    {
        "run_id": "run_01kb2x7v9zeq3t8m4r6c5n0a1d",
        "workflow": "invoice_processing",
        "version": 4,
        "state": "failed",
        "is_final": True,
        "usual": {
            "runs": 18204,
            "version": 4,
            "since": "2026-10-27T10:00:00.000Z",
            "until": "2026-11-26T10:00:00.000Z",
            "is_known": True,
            "parallel_efficiency": 0.74,
        },
        "duration": {"ms": 32006.0, **_USUAL},
        "waited": {"ms": 187.0, "mean_ms": 140.2},
        "time": {
            "total_ms": 32006.0,
            "spent_on": {"working": 31000.0, "queued": 1006.0},
            "work_ms": 31000.0,
            "ideal_ms": 31000.0,
            "parallel_efficiency": 0.968568,
            "critical_path": [
                {"node": "extract", "ms": 31000.0, "share": 0.968568, "waited_ms": 1006.0}
            ],
        },
        "nodes": [
            {
                "node": "extract",
                "kind": "llm",
                "status": "failed",
                "attempts": 2,
                "ms": 31000.0,
                **_USUAL,
                "of_runs": 18190,
                "queued_ms": 1006.0,
                "queued_mean_ms": 120.5,
            }
        ],
        "cost": {
            "total": _SPENT,
            "stated": "0.0121500000",
            "usual_mean": "0.0057310000",
            "nodes": [{"node": "extract", **_SPENT}],
        },
        "failure": {
            "group": _GROUP,
            "kind": "TotalsMismatch",
            "node": "check",
            "message": "totals differ on page #",
            "first_seen": "2026-11-24T08:12:40.003Z",
            "last_seen": "2026-11-26T09:58:02.771Z",
            "since": "version 4",
            "mark": "new",
            "note": "",
            "days": 7,
            "runs": 97,
            "retried": 12,
            "recovered": 7,
            "runs_url": f"{_RUNS}state=failed&group={_GROUP}&{_TIME}",
        },
    },
    response_only=True,
    status_codes=["200"],
)
GROUP = OpenApiExample(
    "A group that came with version 4",
    {
        "id": _GROUP,
        "kind": "TotalsMismatch",
        "node": "check",
        "message": "totals differ on page #",
        "sample": "totals differ on page 3",
        "first_seen": "2026-11-24T08:12:40.003Z",
        "last_seen": "2026-11-26T09:58:02.771Z",
        "runs": 97,
        "retried": 12,
        "recovered": 7,
        "retry_success": 0.583333,
        "workflows": [
            {
                "workflow_id": "invoice_processing",
                "since_version": 4,
                "runs": 97,
                "retried": 12,
                "recovered": 7,
            }
        ],
        "mark": "known",
        "marked_at": "2026-11-26T08:00:00.000Z",
        "marked_by": "maria.keller",
        "reopened_at": None,
        "note": "the supplier's new template",
        "runs_url": f"{_RUNS}state=failed&group={_GROUP}",
    },
    response_only=True,
    status_codes=["200"],
)
MARK = OpenApiExample(
    "It is resolved", {"mark": "resolved", "note": "mended in version 5"}, request_only=True
)
TROUBLESHOOTING = _answer(
    "One thing to look at",
    {
        "counted_until": _OF_ALL["counted_until"],
        "is_fine": False,
        "sections": [
            {
                "name": "stuck",
                "is_fine": False,
                "verdict": "1 finding, the oldest for 9 min.",
                "figures": [],
                "rows": [{"class": "queue", "findings": 1, "oldest": "2026-11-26T17:43:11.204Z"}],
                "page": "https://portal.example/admin/stuck/",
            },
            {
                "name": "logs",
                "is_fine": True,
                "verdict": "No event is missing in the newest 200 finished runs.",
                "figures": [
                    {
                        "label": "Runs checked",
                        "words": "200",
                        "note": "the newest that have finished",
                        "is_worse": False,
                    }
                ],
                "rows": [],
                "page": "https://portal.example/admin/runs/source/",
            },
        ],
        "log": None,
    },
)
