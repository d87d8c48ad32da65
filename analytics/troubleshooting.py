"""Where to look when runs do not do what they should: four questions, each with a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse

from analytics import troubleshooting_failures as failing
from analytics import troubleshooting_logs as missing
from analytics import troubleshooting_slow as lasting
from analytics.troubleshooting_parts import Section, Table, Verdict
from runs.filters import RunFilter
from runs.models.stuck import StuckKind
from runs.services.finding import age_words
from runs.stuck import record


@dataclass(frozen=True, slots=True)
class Troubles:
    stuck: Section
    logs: Section
    failures: Section
    slow: Section
    # The run that was asked for, and what came of it.
    asked: missing.OneLog | None = None
    not_found: str = ""

    @property
    def sections(self) -> list[Section]:
        return [self.stuck, self.logs, self.failures, self.slow]

    @property
    def worse(self) -> list[Section]:
        return [each for each in self.sections if not each.verdict.is_fine]


def troubles(now: datetime, asked: str = "") -> Troubles:
    """`asked`: the public id of a run whose log is to be checked. Raises a DatabaseError where it
    takes too long."""
    one, not_found = missing.of_run(asked) if asked else (None, "")
    return Troubles(
        stuck(now), missing.section(now), failing.section(now), lasting.section(now), one,
        not_found,
    )  # fmt: skip


# -- Stuck runs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StuckRow:
    kind: StuckKind
    count: int
    oldest: datetime
    url: str


@dataclass(frozen=True, slots=True)
class StuckSection(Section):
    rows: list[StuckRow] = field(default_factory=list)


def stuck(now: datetime) -> Section:
    page = reverse("stuck_runs")
    rows = [
        StuckRow(kind, count, oldest, f"{page}?class={kind.value}")
        for kind, (count, oldest) in record.by_class().items()
    ]
    total = sum(row.count for row in rows)
    if not rows:
        verdict = Verdict(True, "Every open run gets on, or waits its turn.")
    else:
        oldest = min(row.oldest for row in rows)
        runs = "1 finding" if total == 1 else f"{total:,} findings"
        verdict = Verdict(False, f"{runs}, the oldest for {age_words(now - oldest)}.")
    return StuckSection(
        "stuck", "Stuck runs", verdict,
        links=[
            ("Stuck runs", page),
            ("In the list", reverse("admin:runs_run_changelist") + RunFilter(stuck="yes").query()),
        ],
        table=Table(
            ("class", "findings", "oldest"),
            [(row.kind.value, row.count, row.oldest) for row in rows],
        ),
        rows=rows,
    )  # fmt: skip
