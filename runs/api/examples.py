"""Examples for the API's document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_RUN: dict[str, Any] = {
    "id": "run_01kb2x7v9zeq3t8m4r6c5n0a1d",
    "job_id": "job_01kb2x7v9zeq3t8m4r6c5n0a1d",
    "workflow_id": "invoice_processing",
    "workflow_version": 3,
    "state": "failed",
    "created_at": "2026-11-26T14:03:11.204Z",
    "started_at": "2026-11-26T14:03:11.391Z",
    "completed_at": "2026-11-26T14:03:19.020Z",
    "duration_ms": 7629,
    "trigger": "api",
    "triggered_by": "maria.keller",
    "ref_type": "order",
    "ref_id": "4711",
    "retry_of": None,
    "first_run": None,
    "cost": "0.0121500000",
    "tokens": {"input": 5120, "output": 388, "cached": 0},
    "nodes": {"total": 5, "done": 3},
    "current_node": "",
    "error": {"node": "extract", "kind": "ReadTimeout", "message": "no answer after 60 s"},
    "ended_by": "",
    "reason": "",
    "last_seq": 24,
    "held": False,
    "log_state": "live",
    "archived_at": None,
    "restored_until": None,
    "draining": 0,
    "url": "https://portal.example/admin/runs/run/run_01kb2x7v9zeq3t8m4r6c5n0a1d/",
}
_DEFINITION = {
    "nodes": [
        {"id": "extract", "kind": "executor", "executor": "samples.extract_text"},
        {"id": "file", "kind": "executor", "executor": "samples.file", "needs": ["extract"]},
    ]
}

RUN = OpenApiExample("A failed run", _RUN, response_only=True, status_codes=["200"])
FIRED_RUN = OpenApiExample(
    "A failed run",
    {**_RUN, "fired": {"trigger_id": 7, "trigger": "Paid orders", "firing": 812}},
    response_only=True,
    status_codes=["200"],
)
JOB = OpenApiExample(
    "A job",
    {
        "job_id": "job_01kb2x7v9zeq3t8m4r6c5n0a1d",
        "dag_id": "invoice_processing_v3",
        "state": "failed",
        "created_at": "2026-11-26T14:03:11.204Z",
        "started_at": "2026-11-26T14:03:11.391Z",
        "completed_at": "2026-11-26T14:03:19.020Z",
        "total_duration_ms": 7629,
        "ref_id": "4711",
        "ref_type": "order",
    },
    response_only=True,
    status_codes=["200"],
)
EVENT = OpenApiExample(
    "A log line",
    {
        "seq": 7,
        "kind": "log",
        "node": "extract",
        "attempt": 1,
        "actor": "engine",
        "at": "2026-11-26T14:03:12.018Z",
        "data": {"level": "info", "message": "page 1: 1,822 characters"},
    },
    response_only=True,
    status_codes=["200"],
)
STUCK = OpenApiExample(
    "A run whose queue nobody serves",
    {
        "run": "run_01kb2x7v9zeq3t8m4r6c5n0a1d",
        "node": "embed",
        "workflow_id": "invoice_processing",
        "state": "running",
        "cause": "queue",
        "since": "2026-11-26T17:43:11.204Z",
        "found_at": "2026-11-26T17:44:15.010Z",
        "checked_at": "2026-11-26T17:52:30.012Z",
        "words": "embed has waited for 9 min: no worker takes from the queue gpu.",
        "act": "Start a worker for gpu, or have one that runs take from it too.",
        "rescue": "",
        "command": "celery -A config.celery worker -Q gpu",
        "evidence": [
            {"name": "Node", "words": "embed · samples.embed", "at": None},
            {"name": "Ready since", "words": "", "at": "2026-11-26T17:43:11.204Z"},
            {"name": "Queue", "words": "gpu: 1 message; no worker takes from it", "at": None},
        ],
    },
    response_only=True,
    status_codes=["200"],
)
REASON = OpenApiExample("With a reason", {"reason": "the mail server is back"}, request_only=True)
LIMIT = OpenApiExample("Five at once", {"max_active": 5}, request_only=True)
FROM_FAILED = OpenApiExample(
    "From the failed node",
    {"from_failed": True, "reason": "the mail server is back"},
    request_only=True,
)
START = OpenApiExample(
    "A run for an order",
    {"input": {"document": "invoices/4711.pdf"}, "ref_type": "order", "ref_id": "4711"},
    request_only=True,
)
WORKFLOW = OpenApiExample(
    "Two steps", {"id": "invoice_processing", "definition": _DEFINITION}, request_only=True
)
VERSION = OpenApiExample(
    "After version 3", {"definition": _DEFINITION, "base": 3}, request_only=True
)
CORRECTION = OpenApiExample(
    "A correction",
    {"act": "corrected", "value": {"total": "120.50"}, "comment": "the comma was misread"},
    request_only=True,
)
VIEW = OpenApiExample(
    "Failed today",
    {"name": "Failed today", "query": "?state=failed&created=24h", "is_shared": True},
    request_only=True,
)
_SCHEDULE = {
    "when": {"cron": "0 6 * * 1-5", "zone": "Europe/Berlin", "skip_if_running": True},
    "then": [{"start": "nightly_import", "input": {"until": "$.due_at"}}],
}
TRIGGERS = [
    OpenApiExample(
        "A schedule",
        {"name": "Import at six", "kind": "schedule", "rule": _SCHEDULE},
        request_only=True,
    ),
    OpenApiExample(
        "A webhook",
        {
            "name": "Paid orders",
            "kind": "webhook",
            "rule": {
                "when": {"scheme": "standard"},
                "if": {"value": "$.body.event", "equals": "order.paid"},
                "then": [
                    {
                        "start": "invoice_processing",
                        "input": {"document": "$.body.document"},
                        "ref": {"type": "order", "id": "$.body.order.id"},
                    }
                ],
            },
        },
        request_only=True,
    ),
    OpenApiExample(
        "When a run fails",
        {
            "name": "Tell of failed invoices",
            "kind": "event",
            "rule": {
                "when": {"run_ends": {"workflow": "invoice_processing", "states": ["failed"]}},
                "then": [
                    {
                        "start": "notify",
                        "input": {"run": "$.run.id", "why": "$.run.error.message"},
                    }
                ],
            },
        },
        request_only=True,
    ),
]
TRIGGER_CHANGE = OpenApiExample(
    "Another time", {"revision": 1, "rule": _SCHEDULE}, request_only=True
)
SWITCH = OpenApiExample(
    "Off", {"on": False, "reason": "the mail server is down"}, request_only=True
)
TRY_TRIGGER = OpenApiExample(
    "Without starting anything",
    {"payload": {"body": {"event": "order.paid"}, "headers": {}, "query": {}}},
    request_only=True,
)
_BULK: dict[str, Any] = {
    "id": "bulk_01kb2xa3r4f6qtw2m0z5k7h9ce",
    "kind": "retry",
    "state": "running",
    "reason": "the mail server is back",
    "by": "maria.keller",
    "created_at": "2026-11-26T14:10:02.118Z",
    "ended_at": None,
    "filter": {"state": "failed", "created_from": "2026-11-25T14:10:02Z"},
    "failed_of": None,
    "options": {"from_failed": True},
    "rate": None,
    "at_least": 0,
    "total": 40000,
    "visited": 12000,
    "done": 11988,
    "skipped": 12,
    "failed": 0,
    "per_second": 1180.4,
    "seconds_left": 24,
    "trouble": "",
    "url": "https://portal.example/api/bulk/bulk_01kb2xa3r4f6qtw2m0z5k7h9ce/",
}
BULK = OpenApiExample("A retry under way", _BULK, response_only=True, status_codes=["200"])
BULK_RATE = OpenApiExample("Fifty a second", {"rate": 50}, request_only=True)
BULKS = [
    OpenApiExample(
        "Retry what failed today",
        {
            "kind": "retry",
            "filter": {"state": "failed", "created": "24h"},
            "reason": "the mail server is back",
            "options": {"from_failed": True},
        },
        request_only=True,
    ),
    OpenApiExample(
        "Delete by a filter",
        {
            "kind": "delete",
            "filter": {"workflow": "load_test", "created_before": "2026-11-01"},
            "reason": "only a test",
            "expected_at_most": 5000,
        },
        request_only=True,
    ),
    OpenApiExample(
        "Export with logs",
        {
            "kind": "export",
            "filter": {"workflow": "invoice_processing", "created": "30d"},
            "options": {"format": "ndjson", "with_logs": True},
        },
        request_only=True,
    ),
]
HOLD = OpenApiExample("For a case", {"reason": "case 2026-114"}, request_only=True)
RESTORE = OpenApiExample("For a month", {"days": 30, "reason": "an audit"}, request_only=True)
