"""About how many runs or objects an execution will look at."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DatabaseError
from django.db.models import QuerySet

from retention import segments, terms
from retention.models import Execution
from retention.models.execution import ExecutionKind
from retention.segments import Case
from runs.models import Archive, ExportPart, Run, Workflow
from runs.states import LogState
from runs.timeouts import statement_timeout

# Seconds that counting may take: what takes longer stays uncounted.
SECONDS = 5.0
# The same for what goes for good, which is asked for before somebody begins it; archived runs that
# are looked at for it.
LOOK_SECONDS, MOST_GOING = 2.0, 10_000


def of(execution: Execution) -> int | None:
    """Of a check: how many there are, whatever was asked for."""
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
    if execution.kind == ExecutionKind.ARCHIVE and (gone := going(execution.created_at)):
        total += gone.archived if execution.dry_run else gone.archived + gone.at_once
    return total


class Going(NamedTuple):
    """Runs that go for good: archived ones, and those that are archived just before."""

    archived: int
    at_once: int
    # Not all were looked at: there may be more.
    is_least: bool

    @property
    def total(self) -> int:
        return self.archived + self.at_once


def going(now: datetime) -> Going | None:
    """By the policy as it is; None where counting takes too long. Of archived runs some thousands
    are looked at, oldest first; the others are counted by the index of what is due."""
    case = Case(now, terms.rules())
    found = terms.old(case.rules, now).filter(
        run__held_at__isnull=True, run__logs=LogState.ARCHIVED
    )
    try:
        with statement_timeout(LOOK_SECONDS):
            rows: list[Any] = list(found.values_list("completed_at", "run__workflow")[:MOST_GOING])
            archived = sum(terms.is_gone(case.rules, workflow, at, now) for at, workflow in rows)
            due = [
                each
                for each in segments.segments_of(
                    [case], Workflow.objects.values_list("pk", flat=True)
                )
                if (past := case.gone_before(each.workflow_id)) and each.until <= past
            ]
            segments.count(due)
    except DatabaseError:
        return None
    return Going(archived, sum(each.runs for each in due), len(rows) == MOST_GOING)


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
