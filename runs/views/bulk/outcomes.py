"""What became of each run of an operation: a page of it, and the reasons counted."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from runs import ids
from runs.models import BulkOperation, BulkOutcome, Run
from runs.models.bulk import OutcomeStatus
from runs.timeouts import statement_timeout

PAGE_SIZE = 50
# Seconds that a page may take, and the outcomes among which the reasons are counted.
SECONDS = 2
MOST_REASONS = 10_000
# Different reasons that are shown.
REASONS = 8
# What of a reason differs from run to run; the reason is searched for by what stands before.
_OWN = ",? as (run|job)_[0-9a-z]{26}.*"
_OTHER = re.compile(r"run_[0-9a-z]{26}$")
_COUNTED = """
SELECT regexp_replace(reason, %s, '') AS words, count(*) FROM (
    SELECT reason FROM bulk_outcomes WHERE operation_id = %s AND status = %s
    ORDER BY run_id LIMIT %s
) AS early GROUP BY words ORDER BY count(*) DESC, words LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Reason:
    status: str
    words: str
    count: int
    # Whether there may be more than were looked at.
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Row:
    """`run` and `new` are None where the run is not there (any more)."""

    outcome: BulkOutcome
    run_id: str
    run: Run | None
    new_id: str
    new: Run | None

    @property
    def other_id(self) -> str:
        """The run that the reason names at its end, or ""."""
        found = _OTHER.search(self.outcome.reason)
        return found[0] if found else ""

    @property
    def words(self) -> str:
        """The reason, up to `other_id`."""
        return self.outcome.reason.removesuffix(self.other_id)


@dataclass(frozen=True, slots=True)
class OutcomePage:
    rows: list[Row]
    # The id of the last run, where there are more.
    older: str


def page_of(
    operation: BulkOperation, status: str, why: str, before: uuid.UUID | None
) -> OutcomePage:
    """Newest runs first. Raises DatabaseError where that takes too long."""
    outcomes = chosen(operation, status, why).order_by("-run_id")
    if before is not None:
        outcomes = outcomes.filter(run_id__lt=before)
    with statement_timeout(SECONDS):
        found = list(outcomes[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        wanted = {each.run_id for each in shown} | {each.new_run for each in shown if each.new_run}
        runs = Run.objects.select_related("workflow", "version").only(
            "state", "held_at", "workflow__slug", "version__number"
        )
        there = {run.pk: run for run in runs.filter(pk__in=wanted)}
    rows = [
        Row(
            each,
            ids.encode("run", each.run_id),
            there.get(each.run_id),
            ids.encode("run", each.new_run) if each.new_run else "",
            there.get(each.new_run) if each.new_run else None,
        )
        for each in shown
    ]
    return OutcomePage(rows, rows[-1].run_id if len(found) > PAGE_SIZE else "")


def chosen(operation: BulkOperation, status: str = "", why: str = "") -> QuerySet[BulkOutcome]:
    outcomes = BulkOutcome.objects.filter(operation=operation)
    if status in OutcomeStatus.values:
        outcomes = outcomes.filter(status=status)
    return outcomes.filter(reason__startswith=why) if why else outcomes


def reasons_of(operation: BulkOperation) -> list[Reason]:
    """Why runs were skipped or failed, the commonest first, among the first some thousand."""
    found: list[Reason] = []
    for status in (OutcomeStatus.FAILED, OutcomeStatus.SKIPPED):
        if not getattr(operation, status):
            continue
        with statement_timeout(SECONDS), connection.cursor() as cursor:
            cursor.execute(_COUNTED, [_OWN, operation.pk, status.value, MOST_REASONS, REASONS])
            is_cut = getattr(operation, status) > MOST_REASONS
            found += [Reason(status, words, count, is_cut) for words, count in cursor.fetchall()]
    return sorted(found, key=lambda reason: -reason.count)[:REASONS]
