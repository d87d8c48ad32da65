"""How many runs of the last day failed at the same node with the same kind of error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from runs.filters import RunFilter
from runs.models import Run
from runs.querysets import COUNT_CAP
from runs.states import RunState


@dataclass(frozen=True, slots=True)
class Alike:
    count: int
    at_least: bool
    url: str


def alike(run: Run, now: datetime) -> Alike | None:
    """None where the run has not failed, or no other one is like it."""
    if run.state != RunState.FAILED:
        return None
    # The list's own question, so that it shows what is counted, and this run where it is as new.
    count = like(run).apply(Run.objects.exclude(pk=run.pk), now).capped_count()
    if not count:
        return None
    return Alike(min(count, COUNT_CAP), count > COUNT_CAP, list_url(run))


def like(run: Run) -> RunFilter:
    return RunFilter(
        state="failed",
        workflow=run.workflow.slug,
        created="24h",
        error=f"{run.error_kind}@{run.error_node}",
    )


def list_url(run: Run) -> str:
    return reverse("admin:runs_run_changelist") + like(run).query()
