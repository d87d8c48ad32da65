"""What executions found, and the executions themselves, are forgotten after their time."""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from retention.models import Execution, Finding
from retention.models.execution import ExecutionKind, ExecutionState

# From an execution's end on.
FINDINGS_KEPT = timedelta(days=90)
EXECUTIONS_KEPT = timedelta(days=400)
# Executions that are looked at in one go, rows that one statement deletes, seconds for all of it.
MOST = 200
BATCH = 2_000
SECONDS = 10.0


def prune(now: datetime) -> int:
    """Gives how many rows went; what is left of them goes the next time."""
    end = time.monotonic() + SECONDS
    pruned = 0
    for execution_id in _with_old_findings(now):
        while count := _forget_findings(execution_id):
            pruned += count
            if time.monotonic() > end:
                return pruned
    return pruned + _forget_executions(now)


def _with_old_findings(now: datetime) -> list[uuid.UUID]:
    before = now - FINDINGS_KEPT
    there = Finding.objects.filter(execution=OuterRef("pk"))
    # By the index on `created_at`: none ended before it began.
    old = Execution.objects.filter(Exists(there), created_at__lt=before, ended_at__lt=before)
    return list(old.order_by("created_at").values_list("pk", flat=True)[:MOST])


def _forget_findings(execution_id: uuid.UUID) -> int:
    found = Finding.objects.filter(execution=execution_id).order_by("id")
    return Finding.objects.filter(pk__in=found.values("pk")[:BATCH]).delete()[0]


def _forget_executions(now: datetime) -> int:
    """Not the last of each kind, and not the last night: pages and Services tell of these."""
    before = now - EXECUTIONS_KEPT
    there = Finding.objects.filter(execution=OuterRef("pk"))
    old = (
        Execution.objects.filter(~Exists(there), created_at__lt=before, ended_at__lt=before)
        .exclude(state=ExecutionState.RUNNING)
        .exclude(pk__in=_newest())
    )
    chosen = list(old.order_by("created_at").values_list("pk", flat=True)[:MOST])
    return Execution.objects.filter(pk__in=chosen).delete()[0]


def _newest() -> list[uuid.UUID]:
    newest = Execution.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
    found = [newest.filter(kind=kind).first() for kind in ExecutionKind.values]
    nights = Execution.objects.filter(night__isnull=False).order_by("-night")
    found.append(nights.values_list("pk", flat=True).first())
    return [pk for pk in found if pk]
