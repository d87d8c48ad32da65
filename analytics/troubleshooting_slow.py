"""What takes longer than usual: runs that go on, nodes, waiting that need not be, busy workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.urls import reverse

from analytics import asking, figures
from analytics.scope import DAY, Scope, scope_of
from analytics.troubleshooting_parts import Said, Section, Table, Verdict
from analytics.troubleshooting_workers import (
    LONG_WAIT,
    QueueRow,
    Served,
    queues_of,
    told_by_broker,
    waits,
)
from analytics.workflow_times import WorkflowTime, workflow_times
from runs.filters import RunFilter
from runs.models import Workflow
from runs.stuck.usual import WHOLE, times
from runs.templatetags.runs_ui import duration_words
from runs.timeouts import statement_timeout

USUAL_DAYS = 7
SHOWN = 6
# Open runs that are looked at, the oldest.
MOST_OPEN = 2_000
SECONDS = 3.0
# A node that took this share more of all time than usual, or so much longer, is a bottleneck.
POINTS, SLOWER, ENOUGH = 0.10, 1.5, 20
# Some open runs are always beyond what 95 in 100 take. They are worth a look where one lasts so
# many times as long, or where so many would hardly ever come together by chance.
FAR, HARDLY_EVER = 3, 0.01

# What a person takes, or took, is told elsewhere: nothing is slow there. Where several were asked
# at once, that time is one.
_OPEN = """
SELECT workflow_id, max(lasts), array_agg(lasts) FROM (
    SELECT workflow_id,
        extract(epoch FROM %(now)s - started_at - coalesce(waited, '0'))::float AS lasts
    FROM (
        SELECT id, workflow_id, started_at FROM jobs
        WHERE state = 'active' AND started_at IS NOT NULL ORDER BY created_at, id LIMIT %(most)s
    ) AS open LEFT JOIN LATERAL (
        SELECT bool_or(decided_at IS NULL) AS waits,
            range_agg(tstzrange(asked_at, greatest(asked_at, decided_at))) AS asked
        FROM decisions WHERE run_id = open.id
    ) AS person ON true LEFT JOIN LATERAL (
        SELECT sum(upper(stretch) - lower(stretch)) AS waited FROM unnest(asked) AS stretch
    ) AS away ON true
    WHERE waits IS NOT TRUE
) AS working GROUP BY workflow_id
"""


@dataclass(frozen=True, slots=True)
class LongRun:
    """Active runs of a workflow that have taken longer than 95 in 100 usually do, but for what
    people took. Seconds."""

    workflow: str
    count: int
    # All of its active runs that were looked at and wait for nobody.
    among: int
    longest: float
    usual: float
    url: str

    @property
    def is_worse(self) -> bool:
        return self.longest > FAR * self.usual or by_chance(self.count, self.among) < HARDLY_EVER

    @property
    def longest_words(self) -> str:
        return duration_words(timedelta(seconds=self.longest))

    @property
    def usual_words(self) -> str:
        return duration_words(timedelta(seconds=self.usual))


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A node whose share of all time grew, or which itself takes longer. Milliseconds."""

    node: str
    workflow: str
    share: float
    share_before: float
    p95: float | None
    p95_before: float | None
    executed: int
    url: str

    @property
    def share_words(self) -> str:
        now = figures.percent(self.share)
        return f"{now}, usually {figures.percent(self.share_before)}" if self.share_before else now

    @property
    def is_worse(self) -> bool:
        if self.executed < ENOUGH:
            return False
        grew = self.share - self.share_before >= POINTS and self.share_before > 0
        slower = bool(self.p95 and self.p95_before and self.p95 >= SLOWER * self.p95_before)
        return grew or (slower and self.share >= 0.05)

    @property
    def p95_words(self) -> str:
        now, before = self.p95, self.p95_before
        if now is None:
            return "–"
        words = duration_words(timedelta(milliseconds=now))
        if before is None:
            return words
        return f"{words}, usually {duration_words(timedelta(milliseconds=before))}"


@dataclass(frozen=True, slots=True)
class SlowSection(Section):
    long_runs: list[LongRun] = field(default_factory=list)
    bottlenecks: list[Bottleneck] = field(default_factory=list)
    workflows: list[WorkflowTime] = field(default_factory=list)
    queues: list[QueueRow] = field(default_factory=list)


def section(now: datetime) -> Section:
    day = scope_of(RunFilter(created="24h"), now)
    before = day.moved(day.since - USUAL_DAYS * DAY, day.since)
    long_runs = _long_runs(now)
    bottlenecks = _bottlenecks(day, before)
    slower = [
        each for each in workflow_times(day, before) if each.is_slower or each.is_less_efficient
    ][:SHOWN]
    told = told_by_broker()
    queues, every = queues_of(told), Served.of(told)
    nodes, half, most = waits(now)
    slots, busy = every.slots, every.busy
    is_full = any(queue.is_full and queue.waited > LONG_WAIT for queue in queues)
    worse = [each for each in bottlenecks if each.is_worse]
    efficiency, usual_efficiency = _efficiency(day), _efficiency(before)
    count = sum(each.count for each in long_runs)
    too_many = sum(each.count for each in long_runs if each.is_worse)
    if is_full:
        full = next(queue for queue in queues if queue.is_full and queue.waited > LONG_WAIT)
        words = f"All workers of {full.name} are busy, and nodes wait for them."
        if not full.workers:
            words = f"No worker takes from {full.name}, and nodes wait there."
        verdict = Verdict(False, words)
    elif told is None:
        verdict = Verdict(
            False, "The broker does not answer: nobody can tell whether workers keep up."
        )
    elif too_many:
        runs = "1 run takes" if too_many == 1 else f"{too_many:,} runs take"
        verdict = Verdict(False, f"{runs} longer now than 95 in 100 usually do.")
    elif slower:
        verdict = Verdict(False, f"{slower[0].name} takes longer than in the seven days before.")
    elif worse:
        verdict = Verdict(False, f"{worse[0].node} takes more of the time than usual.")
    else:
        verdict = Verdict(True, "Runs take as long as usual, and workers keep up.")
    return SlowSection(
        "slow", "Slow runs", verdict,
        figures=[
            Said("Longer than usual", f"{count:,}", "of the runs that go on now", too_many > 0),
            Said("Workers busy", f"{busy:,} of {slots:,}" if slots else "none" if told else "–",
                 "slots of all workers" if told else "the broker does not answer",
                 bool(slots) and busy >= slots),
            Said("Wait for a worker", _seconds(half),
                 f"95 in 100 within {_seconds(most)}" if nodes else "no node began lately",
                 (most or 0) > LONG_WAIT),
            Said("Parallel efficiency", figures.percent(efficiency),
                 f"usually {figures.percent(usual_efficiency)}",
                 _is_less(efficiency, usual_efficiency)),
        ],
        links=[
            ("Duration", f"{reverse('analysis_duration')}?created=24h"),
            ("Services", reverse("services")),
        ],
        table=Table(
            ("node", "workflow", "share", "share_usually", "p95_ms", "p95_ms_usually"),
            [
                (each.node, each.workflow, round(each.share, 4), round(each.share_before, 4),
                 each.p95, each.p95_before)
                for each in bottlenecks
            ],
        ),
        long_runs=long_runs, bottlenecks=bottlenecks, workflows=slower, queues=queues,
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    return "–" if value is None else duration_words(timedelta(seconds=value))


def _is_less(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and now <= before - POINTS


def _long_runs(now: datetime) -> list[LongRun]:
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_OPEN, {"now": now, "most": MOST_OPEN})
        rows = cursor.fetchall()
    slugs = dict(Workflow.objects.filter(pk__in=[row[0] for row in rows]).values_list("pk", "slug"))
    found = []
    for workflow_id, longest, lasts in rows:
        usual = times(workflow_id, now).get(WHOLE)
        if usual is None:
            continue
        long = [each for each in lasts if each > usual.p95]
        if long:
            slug = slugs.get(workflow_id, "")
            wanted = RunFilter(state="running", workflow=slug, created="30d")
            url = reverse("admin:runs_run_changelist") + wanted.query(sort="duration")
            found.append(LongRun(slug, len(long), len(lasts), longest, usual.p95, url))
    worst_first = sorted(
        found, key=lambda each: (not each.is_worse, -each.longest / max(each.usual, 1.0))
    )
    return worst_first[:SHOWN]


def by_chance(count: int, among: int, share: float = 0.05) -> float:
    """How likely it is that so many, or more, `among` these are of those `share` of all."""
    fewer, exactly = 0.0, (1 - share) ** among
    for number in range(count):
        fewer += exactly
        exactly *= (among - number) / (number + 1) * share / (1 - share)
    return max(0.0, 1.0 - fewer)


def _bottlenecks(day: Scope, before: Scope) -> list[Bottleneck]:
    """Of each workflow how its time is shared out, against usual; the worst first."""
    keys, sums = ["workflow_id", "node"], ["duration_ms", "executed"]
    rows = asking.total(day, "analytics_nodes", keys, sums, steps=True, where="kind <> 'human'")
    usual = {
        (row["workflow_id"], row["node"]): row
        for row in asking.total(
            before, "analytics_nodes", keys, sums, steps=True, where="kind <> 'human'"
        )
    }
    whole, whole_before = _by_workflow(rows), _by_workflow(list(usual.values()))
    slugs = dict(Workflow.objects.filter(pk__in=list(whole)).values_list("pk", "slug"))
    found = []
    for row in rows:
        if not row["duration_ms"]:
            continue
        key = row["workflow_id"]
        had = usual.get((key, row["node"]))
        share = figures.ratio(float(row["duration_ms"]), whole[key]) or 0.0
        share_before = (
            figures.ratio(float(had["duration_ms"]), whole_before[key]) or 0.0 if had else 0.0
        )
        slug = slugs.get(key, "")
        url = reverse("analysis_duration") + day.narrowed(workflow=slug).query()
        found.append(
            Bottleneck(
                row["node"], slug, share, share_before, row.percentile(0.95),
                had.percentile(0.95) if had else None, int(row["executed"]), url,
            )
        )  # fmt: skip
    # What takes most of a workflow with much to do says more than what takes all of a tiny one.
    return sorted(found, key=lambda each: (not each.is_worse, -each.share * each.executed))[:SHOWN]


def _by_workflow(rows: list[asking.Row]) -> dict[int, float]:
    found: dict[int, float] = {}
    for row in rows:
        found[row["workflow_id"]] = found.get(row["workflow_id"], 0.0) + float(row["duration_ms"])
    return found


def _efficiency(scope: Scope) -> float | None:
    [row] = asking.total(scope, "analytics_samples", sums=["actual_ms", "ideal_ms"])
    return figures.ratio(float(min(row["ideal_ms"], row["actual_ms"])), float(row["actual_ms"]))
