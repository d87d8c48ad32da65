"""What a bulk operation says of itself: its title, which runs it means, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.urls import reverse

from runs import ids
from runs.filters import RunFilter
from runs.models import BulkOperation
from runs.models.bulk import BulkState, OutcomeStatus
from runs.views.bulk.acts import ACTS, Act

# How the states of operations are drawn: by the design's names for the states of runs.
LOOKS = {
    BulkState.RUNNING: ("running", "progress_activity"),
    BulkState.PAUSED: ("waiting", "pause_circle"),
    BulkState.FINISHED: ("completed", "check_circle"),
    BulkState.ABORTED: ("terminated", "stop_circle"),
}
# The looks of outcomes, in the order in which the page counts them.
OUTCOMES = {
    OutcomeStatus.DONE: ("completed", "check_circle"),
    OutcomeStatus.SKIPPED: ("skipped", "skip_next"),
    OutcomeStatus.FAILED: ("failed", "error"),
}


@dataclass(frozen=True)
class Said:
    """An operation with its words, for a list or its page."""

    operation: BulkOperation
    now: datetime

    @property
    def named(self) -> int | None:
        """How many runs it names, if it does: read it with `summed_up`."""
        count: int | None = self.operation.named  # type: ignore[attr-defined]
        return count

    @property
    def act(self) -> Act:
        return ACTS[self.operation.kind]

    @property
    def look(self) -> str:
        return LOOKS[BulkState(self.operation.state)][0]

    @property
    def icon(self) -> str:
        return LOOKS[BulkState(self.operation.state)][1]

    @property
    def url(self) -> str:
        return reverse("bulk_operation", args=[self.operation.public_id])

    @property
    def title(self) -> str:
        """``Retry failed runs``: short; `which` says the rest."""
        operation = self.operation
        if (count := self.named) is not None:
            runs = "one run" if count == 1 else f"{count:,} runs"
        elif operation.failed_of_id is not None:
            runs = "runs that failed before"
        else:
            runs = self._brief
        return self.act.phrase.format(runs)

    @property
    def _brief(self) -> str:
        wanted = self.filter
        brief = RunFilter(state=wanted.state, workflow=wanted.workflow)
        return brief.words(self.now) if brief else "runs"

    @cached_property
    def filter(self) -> RunFilter:
        return RunFilter.parse(self.operation.filter or {})[0]

    @property
    def which(self) -> str:
        operation = self.operation
        if (count := self.named) is not None:
            return f"{count:,} named run{'s' if count != 1 else ''}"
        if operation.failed_of_id is not None:
            return "those for which an earlier operation failed"
        return self.filter.words(self.now)

    @property
    def beside(self) -> str:
        """What the title leaves out: the rest of the filter, and why it was asked for."""
        operation = self.operation
        is_said = self.named is not None or operation.failed_of_id is not None
        rest = "" if is_said else self.which.removeprefix(self._brief).strip()
        return " · ".join(part for part in (rest, operation.reason) if part)

    @property
    def which_url(self) -> str:
        """The list with the same filter, or the operation whose failures these are."""
        operation = self.operation
        if operation.failed_of_id is not None:
            before = ids.encode("bulk", operation.failed_of_id)
            return reverse("bulk_operation", args=[before]) + "?status=failed"
        if self.named is not None:
            return ""
        query = self.filter.query() if self.filter else "?view=all"
        return reverse("admin:runs_run_changelist") + query

    # -- How far -----------------------------------------------------------------------------

    @property
    def is_about(self) -> bool:
        """Whether the total is what was counted of a filter, which may have moved since."""
        return self.operation.is_open and self.operation.filter is not None

    @property
    def percent(self) -> int | None:
        """None where the total is not known. A hundred is for what has ended."""
        operation = self.operation
        if operation.state == BulkState.FINISHED:
            return 100
        if operation.total is None:
            return None
        if not operation.total:
            return 0
        return min(99, operation.visited * 100 // operation.total)

    @property
    def total_words(self) -> str:
        operation = self.operation
        if operation.total is not None:
            return f"{'about ' if self.is_about else ''}{operation.total:,}"
        least = max(operation.at_least, operation.visited)
        return f"at least {least:,}" if least else "not yet counted"

    @property
    def is_counted(self) -> bool:
        """Whether `total_words` is a figure."""
        operation = self.operation
        return operation.total is not None or bool(operation.at_least or operation.visited)

    @property
    def left_to_do(self) -> str:
        operation = self.operation
        if operation.total is None or operation.state == BulkState.FINISHED:
            return ""
        count = max(0, operation.total - operation.visited)
        return f"{'about ' if self.is_about else ''}{count:,}"

    @property
    def parts(self) -> list[tuple[str, str, str, int, str]]:
        """Of each outcome: status, look, word, count, and its share of the bar as a width."""
        operation = self.operation
        whole = max(operation.total or 0, operation.visited, 1)
        words = {
            OutcomeStatus.DONE: self.act.done,
            OutcomeStatus.SKIPPED: "Skipped",
            OutcomeStatus.FAILED: "Failed",
        }
        return [
            (status, look, words[status], count, f"{count * 100 / whole:.2f}%")
            for status, (look, _) in OUTCOMES.items()
            for count in (getattr(operation, status),)
        ]

    @property
    def rate_words(self) -> str:
        rate = self.operation.per_second
        if rate is None:
            return ""
        return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1f}"

    @property
    def left(self) -> timedelta | None:
        """Rounded up to seconds: tenths of them would be a lie."""
        if self.operation.state != BulkState.RUNNING or (left := self.operation.left) is None:
            return None
        return timedelta(seconds=int(left.total_seconds()) + 1)

    @property
    def left_words(self) -> str:
        if self.left is None:
            return ""
        seconds = int(self.left.total_seconds())
        if seconds < 60:
            return f"{seconds} s"
        minutes = -(-seconds // 60)
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
