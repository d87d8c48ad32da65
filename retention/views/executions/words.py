"""What an execution says of itself: its title, what it is at, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.urls import reverse

from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from retention.views.executions.counted import Counted
from runs.models import Workflow
from runs.states import FINAL_STATES

# How the states are drawn: by the design's names for the states of runs.
LOOKS = {
    ExecutionState.RUNNING: ("running", "progress_activity"),
    ExecutionState.FINISHED: ("completed", "check_circle"),
    ExecutionState.ABORTED: ("terminated", "stop_circle"),
    ExecutionState.FAILED: ("failed", "error"),
}
ICONS = {
    ExecutionKind.ARCHIVE: "inventory_2",
    ExecutionKind.SWEEP: "cleaning_services",
    ExecutionKind.CHECK: "fact_check",
}
_PHASES = {
    ExecutionKind.ARCHIVE: {
        "unfinished": "finishing what was left half done",
        "expired": "taking restored logs out again whose time is over",
        "terms": "archiving what is due",
        "gone": "deleting what is past its second term",
        "doomed": "deleting objects that nothing names any more",
    },
    ExecutionKind.SWEEP: {
        "archives": "comparing archive objects with the database",
        "lost": "marking what is not in storage",
        "exports": "comparing files of exports with the database",
        "parts": "looking for the files of exports",
        "doom": "marking what nothing names",
        "leftovers": "removing what killed writers left",
    },
    ExecutionKind.CHECK: {
        "known": "reading objects again with which something was wrong",
        "others": "reading the objects that were read longest ago",
    },
}
_COUNTING = {"terms": "counting what is due", "gone": "counting what would go for good"}


# One word each, wherever they are told.
EXPIRED = "Expired again"
GONE = "Gone for good"
# What begins later than this after its hour is late.
LATE = timedelta(minutes=5)


class Wait(NamedTuple):
    why: str
    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since


class Figure(NamedTuple):
    label: str
    value: Any
    # How it is written: "count", "size" or "time"; and the look of what is bad.
    kind: str = "count"
    look: str = ""
    note: str = ""


@dataclass(frozen=True)
class Said:
    """An execution with its words, for a list or its page."""

    execution: Execution
    now: datetime

    @property
    def url(self) -> str:
        return reverse("retention_execution", args=[self.execution.public_id])

    @property
    def look(self) -> str:
        return self._state[0]

    @property
    def icon(self) -> str:
        return self._state[1]

    @property
    def word(self) -> str:
        return self._state[2]

    @property
    def _state(self) -> tuple[str, str, str]:
        """Its look, icon and word. What came to its end and met something bad is not well."""
        execution = self.execution
        if execution.is_running and execution.trouble:
            return "waiting", "hourglass_top", "Waiting"
        if execution.state == ExecutionState.FINISHED and execution.errors:
            return "failed", "error", "Problems"
        return *LOOKS[ExecutionState(execution.state)], str(execution.get_state_display())

    @property
    def kind_icon(self) -> str:
        return ICONS[ExecutionKind(self.execution.kind)]

    @property
    def title(self) -> str:
        execution = self.execution
        if execution.night is not None:
            return f"Night of {execution.night.day} {execution.night:%B %Y}"
        if execution.kind == ExecutionKind.ARCHIVE:
            return "Dry run" if execution.dry_run else "Archive run"
        if execution.kind == ExecutionKind.SWEEP:
            return "Orphan sweep, dry run" if execution.dry_run else "Orphan sweep"
        most = execution.options.get("most")
        if most is None:
            return "Integrity check of all objects"
        return f"Integrity check of {most:,} object{'s' if most != 1 else ''}"

    @property
    def noun(self) -> str:
        return "run" if self.execution.kind == ExecutionKind.ARCHIVE else "object"

    @property
    def at_work(self) -> str:
        """What it is at."""
        execution = self.execution
        if not execution.is_running:
            return ""
        phase = execution.cursor.get("phase", "")
        told = _PHASES[ExecutionKind(execution.kind)].get(phase, "")
        if execution.dry_run and execution.kind == ExecutionKind.ARCHIVE:
            told = _COUNTING.get(phase, "counting")
        behind = execution.cursor.get("behind")
        if phase == "terms" and isinstance(behind, dict) and behind.get("workflow"):
            slug = Workflow.objects.filter(pk=behind["workflow"]).values_list("slug", flat=True)
            state = FINAL_STATES[behind["state"]]
            told += f": {next(iter(slug), 'a workflow')}, {state}"
        return told or "about to begin"

    # -- How far -----------------------------------------------------------------------------

    @property
    def percent(self) -> int | None:
        execution = self.execution
        if execution.state == ExecutionState.FINISHED:
            return 100
        if not execution.expected:
            return None
        return min(99, execution.seen * 100 // execution.expected)

    @property
    def total_words(self) -> str:
        execution = self.execution
        if execution.expected is None:
            return "not yet counted"
        return f"about {max(execution.expected, execution.seen):,}"

    @property
    def parts(self) -> list[tuple[str, str, str, int, str]]:
        """Of each outcome: name, look, word, count, and its share of the bar as a width."""
        execution = self.execution
        if execution.kind == ExecutionKind.ARCHIVE:
            rows = self._dry_parts if execution.dry_run else self._archive_parts
        else:
            is_sweep = execution.kind == ExecutionKind.SWEEP
            wrong = execution.found if is_sweep else execution.errors
            whole = max(0, execution.seen - wrong) if is_sweep else execution.verified
            rows = [
                ("done", "completed", "As they should be" if is_sweep else "Verified", whole),
                ("failed", "failed", "Problem" if wrong == 1 else "Problems", wrong),
            ]
        total = max(execution.expected or 0, execution.seen, sum(row[3] for row in rows), 1)
        return [(*row, f"{row[3] * 100 / total:.2f}%") for row in rows]

    @property
    def _archive_parts(self) -> list[tuple[str, str, str, int]]:
        execution = self.execution
        rows = [
            ("done", "completed", "Archived", execution.archived),
            ("expired", "reused", EXPIRED, execution.expired),
            ("gone", "terminated", GONE, execution.deleted_runs),
            ("skipped", "skipped", "Skipped", execution.skipped),
            ("failed", "failed", "Failed", execution.errors),
        ]
        return [row for row in rows if row[3] or row[0] not in ("expired", "gone")]

    @property
    def _dry_parts(self) -> list[tuple[str, str, str, int]]:
        counted = self.counted
        rows = [("done", "completed", "Would be archived", counted.runs)]
        if counted.gone:
            rows.append(("gone", "terminated", "Would go for good", counted.gone))
        return rows

    @cached_property
    def counted(self) -> Counted:
        """Of a dry run."""
        return Counted(self.execution.report)

    @property
    def per_second(self) -> float | None:
        seconds = self.execution.worked.total_seconds()
        return self.execution.seen / seconds if seconds > 0 and self.execution.seen else None

    @property
    def rate_words(self) -> str:
        rate = self.per_second
        return "" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"

    @property
    def left_words(self) -> str:
        execution = self.execution
        if not execution.is_running or execution.expected is None or not self.per_second:
            return ""
        left = max(0, execution.expected - execution.seen)
        seconds = int(left / self.per_second) + 1
        if seconds < 60:
            return f"{seconds} s"
        minutes = -(-seconds // 60)
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"

    @property
    def bytes(self) -> int:
        """What went to storage, was read there, or would be freed in the database."""
        execution = self.execution
        is_dry = execution.dry_run and execution.kind == ExecutionKind.ARCHIVE
        return self.counted.bytes if is_dry else execution.bytes

    @property
    def waits(self) -> list[Wait]:
        """What was in its way and is over, the latest last."""
        moment = datetime.fromisoformat
        return [
            Wait(each["why"], moment(each["since"]), moment(each["until"]))
            for each in self.execution.waits or []
        ]

    @property
    def due_at(self) -> datetime | None:
        """Of a night that began late: when it was to begin."""
        told = self.execution.options.get("due_at")
        due = datetime.fromisoformat(told) if told else None
        return due if due and self.execution.created_at - due > LATE else None

    @property
    def late(self) -> timedelta:
        return self.execution.created_at - (self.due_at or self.execution.created_at)

    @property
    def fewer(self) -> tuple[int, int | None] | None:
        """Of a check that came to its end before it had read as many as were asked for: how many
        these were, and how many there are."""
        execution = self.execution
        most = execution.options.get("most")
        if execution.state != ExecutionState.FINISHED or not most or execution.seen >= most:
            return None
        return most, execution.report.get("there")

    @property
    def took(self) -> timedelta:
        return (self.execution.ended_at or self.now) - self.execution.created_at

    @property
    def figures(self) -> list[Figure]:
        execution = self.execution
        bad = "failed" if execution.errors else ""
        if execution.kind == ExecutionKind.SWEEP:
            report = execution.report
            return [
                Figure("Objects", execution.seen),
                Figure("In storage", execution.bytes, "size"),
                Figure("Orphans, which no row names", report.get("orphans", 0)),
                Figure("of these to be deleted", report.get("doomed", 0)),
                Figure("Lost or of another size", report.get("lost", 0), look=bad),
                Figure("Not the portal’s", report.get("strange", 0)),
                Figure("Unfinished, removed", report.get("leftovers", 0)),
            ]
        if execution.kind == ExecutionKind.CHECK:
            there = execution.report.get("there")
            return [
                *([Figure("Archived logs there were", there)] if there is not None else []),
                Figure("Read", execution.seen),
                Figure("Found whole", execution.verified),
                Figure("Damaged or lost", execution.errors, look=bad),
                Figure("Read from storage", execution.bytes, "size"),
                Figure("Unpacked", execution.unpacked_bytes, "size"),
            ]
        if execution.dry_run:
            report, counted = execution.report, self.counted
            return [
                Figure("Would be archived", counted.runs),
                Figure("Their events", execution.events),
                Figure("Freed in the database, about", counted.bytes, "size"),
                Figure("Oldest ended", counted.oldest, "time"),
                Figure("Newest ended", counted.newest, "time"),
                Figure("Would go for good", counted.gone, look="failed" if counted.gone else ""),
                Figure("Freed in storage by that", counted.gone_bytes, "size"),
                Figure("Restored logs that expire again", report.get("expired", 0)),
                Figure("Left half done", report.get("unfinished", 0)),
            ]
        return [
            Figure("Runs looked at", execution.seen),
            Figure("Archived", execution.archived),
            Figure(f"Restored, {EXPIRED.lower()}", execution.expired),
            Figure(GONE, execution.deleted_runs, look="failed" if execution.deleted_runs else ""),
            Figure("Skipped", execution.skipped),
            Figure("Failed", execution.errors, look=bad),
            Figure("Read back and verified", execution.verified),
            Figure("Events that left", execution.events),
            Figure("Bytes of events", execution.unpacked_bytes, "size"),
            Figure("In storage", execution.bytes, "size", note=self._share),
        ]

    @property
    def _share(self) -> str:
        execution = self.execution
        if not execution.unpacked_bytes or not execution.bytes:
            return ""
        return f"{execution.bytes * 100 / execution.unpacked_bytes:.0f} % of that"
