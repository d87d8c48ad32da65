"""How many runs of the last day failed at the same node with the same kind of error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.http import urlencode

from runs.models import Run
from runs.states import RunState

WITHIN = timedelta(hours=24)
# Failed runs of the workflow that are looked at, newest first.
LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True)
class Alike:
    count: int
    at_least: bool
    url: str


def alike(run: Run, now: datetime) -> Alike | None:
    """None where the run has not failed, or no other one is like it."""
    if run.state != RunState.FAILED:
        return None
    failed = Run.objects.filter(
        workflow=run.workflow_id, state=RunState.FAILED, created_at__gte=now - WITHIN
    )
    rows = failed.order_by("-created_at", "-id").values_list("pk", "error_node", "error_kind")
    looked_at = list(rows[:LOOKED_AT])
    kind = (run.error_node, run.error_kind)
    count = sum(pk != run.pk and (node, error) == kind for pk, node, error in looked_at)
    if not count:
        return None
    return Alike(count, len(looked_at) == LOOKED_AT, list_url(run))


def list_url(run: Run) -> str:
    wanted = {
        "state": RunState.FAILED,
        "workflow": run.workflow.slug,
        "created": "24h",
        "q": run.error_kind,
    }
    query = {name: value for name, value in wanted.items() if value}
    return f"{reverse('admin:runs_run_changelist')}?{urlencode(query)}"
