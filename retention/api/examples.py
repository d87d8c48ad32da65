"""Examples for the API's document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_OWN: dict[str, Any] = {
    "completed_days": 90,
    "failed_days": 180,
    "terminated_days": 30,
    "delete_days": None,
    "restore_days": 7,
    "hour": 2,
    "zone": "Europe/Berlin",
    "is_on": True,
    "workflows": [
        {
            "workflow_id": "invoice_processing",
            "completed_days": 365,
            "failed_days": None,
            "terminated_days": None,
            "delete_days": None,
            "never_deleted": True,
        }
    ],
}
_REVISION = "5f1c0a7be2d94b36"
_LINE: dict[str, Any] = {
    "runs": 48210,
    "then_gone": 0,
    "held": 3,
    "oldest": "2026-08-28T01:59:12.400Z",
    "newest": "2026-08-29T00:59:58.017Z",
    "events": {"value": 960000, "is_exact": False},
    "bytes": {"value": 410000000, "is_exact": False},
}

POLICY = OpenApiExample(
    "A policy",
    {**_OWN, "revision": _REVISION, "next_night": "2026-11-27T01:00:00.000Z"},
    response_only=True,
    status_codes=["200"],
)
PUT = OpenApiExample(
    "All of it", {**_OWN, "revision": _REVISION, "reason": "as agreed"}, request_only=True
)
CHANGES = [
    OpenApiExample(
        "Failed runs longer",
        {"revision": _REVISION, "failed_days": 365, "reason": "as the auditors ask"},
        request_only=True,
    ),
    OpenApiExample(
        "Runs go for good after three years",
        {"revision": _REVISION, "delete_days": 1095, "confirm_deletion": True},
        request_only=True,
    ),
]
TRY = OpenApiExample("Completed runs for 60 days", {"completed_days": 60}, request_only=True)
PREVIEW = OpenApiExample(
    "Tonight",
    {
        "at": "2026-11-27T01:00:00.000Z",
        "is_on": True,
        "saved": {
            **_LINE,
            "expired": {"value": 3, "is_exact": True},
            "gone": {
                "runs": {"value": 0, "is_exact": True},
                "bytes": {"value": 0, "is_exact": True},
            },
            "lines": [
                {
                    "workflow_id": "invoice_processing",
                    "state": "completed",
                    "before": "2026-08-29T01:00:00.000Z",
                    "gone": 0,
                    **_LINE,
                }
            ],
        },
        "changed_at": None,
        "changed": None,
        "held_is_capped": False,
    },
    response_only=True,
    status_codes=["200"],
)
