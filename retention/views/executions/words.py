"""What an execution says of itself: its title, what it is at, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.urls import reverse

from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from runs.models import Workflow
from runs.states import FINAL_STATES, LABELS, RunState

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


class Figure(NamedTuple):
    label: str
    value: Any
    # How it is written: "count" or "size"; and the look of what is bad.
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
        if self.execution.is_running and self.execution.trouble:
            return "waiting"
        return LOOKS[ExecutionState(self.execution.state)][0]

    @property
    def icon(self) -> str:
        if self.execution.is_running and self.execution.trouble:
            return "hourglass_top"
        return LOOKS[ExecutionState(self.execution.state)][1]

    @property
    def word(self) -> str:
        if self.execution.is_running and self.execution.trouble:
            return "Waiting"
        return str(self.execution.get_state_display())

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
        done = {
            ExecutionKind.ARCHIVE: execution.archived + execution.expired,
            ExecutionKind.SWEEP: max(0, execution.seen - execution.found),
            ExecutionKind.CHECK: execution.verified,
        }[ExecutionKind(execution.kind)]
        word = {
            ExecutionKind.ARCHIVE: "Archived",
            ExecutionKind.SWEEP: "As they should be",
            ExecutionKind.CHECK: "Verified",
        }[ExecutionKind(execution.kind)]
        wrong = execution.found if execution.kind == ExecutionKind.SWEEP else execution.errors
        rows = [
            ("done", "completed", word, done),
            ("skipped", "skipped", "Skipped", execution.skipped),
            ("failed", "failed", "Problems" if self.noun == "object" else "Failed", wrong),
        ]
        if execution.dry_run and execution.kind == ExecutionKind.ARCHIVE:
            rows = [("done", "completed", "Would be archived", execution.seen)]
        whole = max(execution.expected or 0, execution.seen, *(row[3] for row in rows), 1)
        return [(*row, f"{row[3] * 100 / whole:.2f}%") for row in rows]

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
                Figure("Nothing names", report.get("orphans", 0)),
                Figure("of these to be deleted", report.get("doomed", 0)),
                Figure("Named and not there", report.get("lost", 0), look=bad),
                Figure("Not the portal’s", report.get("strange", 0)),
                Figure("Unfinished, removed", report.get("leftovers", 0)),
            ]
        if execution.kind == ExecutionKind.CHECK:
            return [
                Figure("Read", execution.seen),
                Figure("Found whole", execution.verified),
                Figure("Damaged or lost", execution.errors, look=bad),
                Figure("Read from storage", execution.bytes, "size"),
                Figure("Unpacked", execution.unpacked_bytes, "size"),
            ]
        if execution.dry_run:
            report = execution.report
            return [
                Figure("Would be archived", execution.seen),
                Figure("with events", execution.events),
                Figure("Would go for good", report.get("gone", 0)),
                Figure("Restored logs that expired", report.get("expired", 0)),
                Figure("Left half done", report.get("unfinished", 0)),
            ]
        return [
            Figure("Seen", execution.seen),
            Figure("Archived", execution.archived),
            Figure("Read back and verified", execution.verified),
            Figure("Restored logs that expired", execution.expired),
            Figure("Events that left", execution.events),
            Figure("Bytes of events", execution.unpacked_bytes, "size"),
            Figure("In storage", execution.bytes, "size", note=self._share),
            Figure("Gone for good", execution.deleted_runs),
            Figure("Skipped", execution.skipped),
            Figure("Errors", execution.errors, look=bad),
        ]

    @property
    def _share(self) -> str:
        execution = self.execution
        if not execution.unpacked_bytes or not execution.bytes:
            return ""
        return f"{execution.bytes * 100 / execution.unpacked_bytes:.0f} % of that"

    def terms(self) -> list[dict[str, Any]]:
        """Of a dry run: what was counted, by workflow and state."""
        lines = self.execution.report.get("terms", [])[:200]
        slugs = dict(
            Workflow.objects.filter(pk__in=[line[0] for line in lines]).values_list("pk", "slug")
        )
        return [
            {
                "workflow": slugs.get(workflow_id, "a deleted workflow"),
                "state": state,
                "word": LABELS[RunState(state)][0],
                "runs": runs,
                "events": events,
                "gone": gone,
            }
            for workflow_id, state, runs, events, gone in lines
        ]
