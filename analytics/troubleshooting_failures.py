"""Do more runs fail than usual, of what, since when; and was a part of the portal away then?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse

from analytics import asking, failures, figures
from analytics.failures import Group
from analytics.scope import DAY, Scope, scope_of
from analytics.troubleshooting_parts import Said, Section, Table, Verdict
from runs.filters import RunFilter
from runs.models import Service
from runs.models.service import Status
from runs.services import history

USUAL_DAYS = 7
# Groups and services that are shown.
SHOWN, MOST_SERVICES = 6, 5
# So many points more than usual, and so many runs, are a spike; a group, that grew so many times.
POINTS, ENOUGH, TIMES = 0.05, 5, 3


@dataclass(frozen=True, slots=True)
class Rate:
    failed: int
    ended: int

    @property
    def share(self) -> float | None:
        return figures.ratio(self.failed, self.ended)

    def is_worse(self, usual: Rate) -> bool:
        if self.share is None or self.failed < ENOUGH:
            return False
        return self.share - (usual.share or 0.0) >= POINTS


@dataclass(frozen=True, slots=True)
class GroupRow:
    group: Group
    # So many would be usual in a day with as many runs.
    usual: float
    url: str

    @property
    def is_worse(self) -> bool:
        if self.group.runs < ENOUGH:
            return False
        return self.group.is_new or self.group.runs >= TIMES * max(self.usual, 1.0)

    @property
    def usual_words(self) -> str:
        if self.group.is_new:
            return "new"
        return f"{self.usual:,.0f} a day" if self.usual >= 1 else "rare"


@dataclass(frozen=True, slots=True)
class Away:
    """A part of the portal that was down or degraded within the day."""

    name: str
    words: str
    status: str
    minutes: int


@dataclass(frozen=True, slots=True)
class FailuresSection(Section):
    rows: list[GroupRow] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)


def section(now: datetime) -> Section:
    hour = scope_of(RunFilter(created="1h"), now)
    day = scope_of(RunFilter(created="24h"), now)
    before = day.moved(day.since - USUAL_DAYS * DAY, day.since)
    rates = [_rate(scope) for scope in (hour, day, before)]
    of_hour, of_day, usual = rates
    rows, away = _groups(day, before, of_day, usual), _away(now)
    worse = [row for row in rows if row.is_worse]
    if of_hour.is_worse(usual) or of_day.is_worse(usual):
        which, rate = ("last hour", of_hour) if of_hour.is_worse(usual) else ("last day", of_day)
        compared = "nothing to compare with yet"
        if usual.share is not None:
            compared = f"usually {figures.percent(usual.share)}"
        share = figures.percent(rate.share)
        verdict = Verdict(False, f"{share} of the runs of the {which} failed, {compared}.")
    elif worse:
        name = worse[0].group.name
        verdict = Verdict(False, f"{name} fails far more often than usual.")
    elif not of_day.ended:
        verdict = Verdict(True, "No run has ended within the last day.")
    elif of_day.failed and (of_day.failed < ENOUGH or usual.share is None):
        failed, ended = of_day.failed, of_day.ended
        few = "too few to tell" if of_day.failed < ENOUGH else "nothing to compare with yet"
        verdict = Verdict(True, f"{failed:,} of {ended:,} runs of the last day failed: {few}.")
    else:
        said = figures.percent(of_day.share)
        verdict = Verdict(True, f"{said} of the runs of the last day failed, as usual.")
    page = reverse("analysis_failures")
    return FailuresSection(
        "failures", "High failure rate", verdict,
        figures=[
            _said("Last hour", of_hour, usual, hour),
            _said("Last 24 hours", of_day, usual, day),
            Said("Usually", figures.percent(usual.share), "in the seven days before"),
            Said("New groups", f"{sum(row.group.is_new for row in rows):,}", "of the last day",
                 any(row.group.is_new and row.is_worse for row in rows)),
        ],
        links=[("Failures", f"{page}?created=24h")],
        table=Table(
            ("group", "error", "node", "runs", "usual_a_day", "since_version", "first_seen", "new"),
            [
                (
                    row.group.public_id, row.group.known.kind if row.group.known else "",
                    row.group.known.node if row.group.known else "", row.group.runs,
                    round(row.usual, 2), row.group.since,
                    row.group.known.first_seen if row.group.known else None, row.group.is_new,
                )
                for row in rows
            ],
        ),
        rows=rows, away=away,
    )  # fmt: skip


def _rate(scope: Scope) -> Rate:
    rows = asking.total(scope, "analytics_runs", ["state"], ["runs"])
    counts = {row["state"]: int(row["runs"]) for row in rows}
    failed = counts.get("failed", 0)
    return Rate(failed, failed + counts.get("completed", 0))


def _said(label: str, rate: Rate, usual: Rate, scope: Scope) -> Said:
    runs = reverse("admin:runs_run_changelist") + scope.link(state="failed")
    note = f"{rate.failed:,} of {rate.ended:,} runs"
    return Said(label, figures.percent(rate.share), note, rate.is_worse(usual), runs)


def _groups(day: Scope, before: Scope, of_day: Rate, usual_rate: Rate) -> list[GroupRow]:
    """Compared with as many as usual of as many runs: more runs fail more often."""
    busier = figures.ratio(of_day.ended * USUAL_DAYS, usual_rate.ended) or 1.0
    groups = failures.failures(day, None).groups
    rows = asking.total(
        before, "analytics_failures", ["group"], ["runs"],
        where='"group" = ANY(%s)', given=[[group.id for group in groups]],
    )  # fmt: skip
    a_day = max(1.0, busier) / USUAL_DAYS
    usual = {row["group"]: int(row["runs"]) * a_day for row in rows}
    page, own = reverse("analysis_failures"), day.narrowed()
    found = [
        GroupRow(group, usual.get(group.id, 0.0), page + own.with_(group=group.public_id).query())
        for group in groups
    ]
    return sorted(found, key=lambda row: (not row.is_worse, -row.group.runs))[:SHOWN]


def _away(now: datetime) -> list[Away]:
    """Parts that were down or degraded within the last day, the worst first."""
    names = dict(Service.objects.values_list("pk", "name"))
    present = {row.pk: row for row in Service.objects.present()}
    found = []
    for key, day in history.last_day(now).items():
        minutes = sum(piece.down + piece.degraded for piece in day.pieces)
        if not minutes or key not in names:
            continue
        status = present[key].status if key in present else Status.UNKNOWN
        found.append(Away(names[key], day.words.removeprefix("Last 24 hours: "), status, minutes))
    return sorted(found, key=lambda away: -away.minutes)[:MOST_SERVICES]
