"""What people who see to retention should know, whatever page they are on."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from retention import executions
from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState


class Notice(NamedTuple):
    state: str
    icon: str
    title: str
    words: str
    url: str


def notices(request: HttpRequest) -> dict[str, Any]:
    """A context processor: asked of the database only by pages that show notices."""
    return {"notices": SimpleLazyObject(lambda: _of(request))}


def _of(request: HttpRequest) -> list[Notice]:
    user = getattr(request, "user", None)
    if user is None or not user.has_perm(executions.PERMISSION):
        return []
    try:
        found = _troubled()
    except DatabaseError:
        return []  # the page itself says what is wrong
    if found is None:
        return []
    url = reverse("retention_execution", args=[found.public_id])
    # On its own page it stands anyway.
    if request.path == url:
        return []
    if found.is_running:
        return [Notice("waiting", "cloud_off", "Archiving waits.", found.trouble, url)]
    return [Notice("failed", "error", "The last archive run gave up.", found.trouble, url)]


def _troubled() -> Execution | None:
    """One that waits, or the last archive run where it failed."""
    running = Execution.objects.filter(state=ExecutionState.RUNNING).exclude(trouble="")
    ended = Execution.objects.filter(kind=ExecutionKind.ARCHIVE, dry_run=False)
    ended = ended.exclude(state=ExecutionState.RUNNING)
    # Both in one statement: every page asks.
    both = running.order_by("-created_at")[:1].union(ended.order_by("-created_at")[:1], all=True)
    found = {row.is_running: row for row in both}
    last = found.get(False)
    if last is not None and last.state != ExecutionState.FAILED:
        last = None
    return found.get(True, last)
