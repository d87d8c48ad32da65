"""About how many runs or objects an execution will look at."""

from __future__ import annotations

import time

from django.db import DatabaseError
from django.db.models import QuerySet

from retention import terms
from retention.models import Execution
from retention.models.execution import ExecutionKind
from runs.models import Archive, ExportPart, Run
from runs.states import LogState
from runs.timeouts import statement_timeout

# Seconds that counting may take: what takes longer stays uncounted.
SECONDS = 5.0


def of(execution: Execution) -> int | None:
    ended, total = time.monotonic() + SECONDS, 0
    for found in _sets(execution):
        left = ended - time.monotonic()
        if left <= 0:
            return None
        try:
            with statement_timeout(left):
                total += found.order_by().count()
        except DatabaseError:
            return None
    most = execution.options.get("most")
    return min(total, most) if most is not None else total


def _sets(execution: Execution) -> list[QuerySet]:
    if execution.kind == ExecutionKind.SWEEP:
        return [Archive.objects.all(), ExportPart.objects.all()]
    if execution.kind == ExecutionKind.CHECK:
        return [Archive.objects.all()]
    now = execution.created_at
    due: list[QuerySet] = [terms.due(term) for term in terms.terms(terms.rules(), now)]
    if execution.dry_run:
        return due
    return [
        Run.objects.filter(logs=LogState.ARCHIVING),
        Archive.objects.expired(now).filter(run__held_at__isnull=True),
        *due,
    ]
