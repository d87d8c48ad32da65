"""Every address of the portal: those of Django's patterns, each filled with what was seeded, and
those that stand beside Django."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import get_resolver

# What stands before Django: see config.asgi.
BESIDE = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/sse-logs/{failed}",
    "/api/sse-runs",
    "/api/trpc/runs.streamLogs?input=%7B%22runId%22%3A%22{failed}%22%7D",
    "/api/trpc/runs.stream",
)
# By the end of a pattern's part before its parameter: what of the seeded is meant.
_KEYS = {
    "user/": "user", "group/": "group", "auditentry/": "audit", "backend/": "backend",
    "executorlimit/": "limit", "event/": "event", "llmcall/": "llmcall", "source/": "source",
    "workflowversion/": "version", "runs/run/": "run_pk", "runs/workflow/": "workflow_pk",
}  # fmt: skip
_NAMED = {
    "run_id": "failed", "operation_id": "bulk", "execution_id": "execution", "bulk_id": "bulk",
    "trigger_id": "trigger", "group": "failure_group", "group_id": "failure_group",
    "slug": "workflow", "view_id": "view", "token_id": "token",
}  # fmt: skip
# Regular expressions, and what has no row behind it.
_FILLED = {
    "api/^trpc(?:/(?P<path>.*))?$": "api/trpc/runs.list",
    "api/^events/?$": "api/events",
    "api/^hooks/(?P<hook>[A-Za-z0-9_-]{1,64})/?$": "api/hooks/hhhhhhhhhhhhhhhhhhhhhhhh",
    "admin/^(?P<app_label>runs|auth)/$": "admin/auth/",
    "admin/(?P<url>.*)$": "admin/nothing/here/",
    "admin/r/<path:content_type_id>/<path:object_id>/": "admin/r/1/1/",
}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def patterns() -> Iterator[str]:
    """Django's, as they are written, joined."""
    yield from _walk(get_resolver().url_patterns, "")


def _walk(found: Any, prefix: str) -> Iterator[str]:
    for each in found:
        here = prefix + str(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from _walk(each.url_patterns, here)
        else:
            yield here


def address_of(pattern: str, made: dict[str, Any]) -> str:
    """With what was seeded in its places. Raises KeyError for a pattern that nobody told of."""
    if pattern in _FILLED:
        return f"/{_FILLED[pattern]}"

    def value(found: re.Match[str]) -> str:
        name, before = found[1], pattern[: found.start()]
        if name == "number":
            return str(made["firing"]) if "firings" in before else "1"
        if name == "node":
            return "review"
        if name in _NAMED:
            return str(made[_NAMED[name]])
        return str(made[next(key for end, key in _KEYS.items() if before.endswith(end))])

    address = _PARAMETER.sub(value, pattern)
    # Only a run that waits has something to decide.
    if "decisions/" in pattern:
        address = address.replace(made["failed"], made["waiting"])
    return f"/{address}"


def addresses(made: dict[str, Any]) -> list[str]:
    return sorted({address_of(pattern, made) for pattern in patterns()})


def beside(made: dict[str, Any]) -> list[str]:
    return [each.format(**made) for each in BESIDE]
