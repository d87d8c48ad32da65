"""What all kinds share that are tried by a worker, and tried again when they fail. Pure."""

from __future__ import annotations

from typing import Any

from runs.graph.fields import Fields
from runs.graph.spec import MAX_BACKOFF

MAX_RETRIES = 20
MAX_SECONDS = 86_400.0
FIELDS = frozenset(
    {"input", "retries", "backoff_seconds", "timeout_seconds", "idempotent", "queue"}
)


def read(
    fields: Fields, *, retries: int = 0, backoff: float = 1.0, idempotent: bool = True
) -> dict[str, Any]:
    """The arguments are what holds where the definition says nothing."""
    return {
        "input": fields.input(),
        "retries": int(fields.number("retries", retries, MAX_RETRIES, whole=True)),
        "backoff_seconds": fields.number("backoff_seconds", backoff, MAX_BACKOFF),
        "timeout_seconds": fields.number("timeout_seconds", 300, MAX_SECONDS, above=0),
        "idempotent": fields.flag("idempotent", idempotent),
        "queue": fields.queue(),
    }
