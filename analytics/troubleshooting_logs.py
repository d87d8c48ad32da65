"""Are logs whole? A run's events are numbered without gaps, so what is missing is known exactly."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import redis
from django.db import connection
from django.urls import reverse

from analytics.troubleshooting_parts import Said, Section, Table, Verdict
from runs import counters, ids
from runs.models import Source
from runs.services import broker
from runs.states import AT_HAND, LogState
from runs.timeouts import statement_timeout

# Finished runs that are looked at, the newest, and how many events they may have together; a
# longer log is looked at where its run is asked for.
SAMPLE, SAMPLE_EVENTS = 200, 50_000
# Gaps of one log that are told; sources that are.
MOST_GAPS, MOST_SOURCES = 100, 50
SECONDS = 3.0
# A source with open runs that tells nothing for longer is worth a look, as on Services.
SILENT = timedelta(minutes=30)

_NEWEST = """
WITH newest AS (
    {of_states}
), chosen AS MATERIALIZED (
    SELECT id, state, last_seq, logs FROM (
        SELECT *, sum(last_seq) OVER (ORDER BY created_at DESC, id DESC) AS events FROM newest
        WHERE last_seq <= %(events)s
    ) AS newest WHERE events <= %(events)s ORDER BY created_at DESC, id DESC LIMIT %(most)s
)
SELECT chosen.id, chosen.last_seq, chosen.logs, archives.last_seq, archives.verified_at,
    coalesce(archives.problem, ''), coalesce(stored.count, 0), coalesce(stored.late, 0)
FROM chosen LEFT JOIN archives ON archives.run_id = chosen.id
LEFT JOIN LATERAL (
    SELECT count(*), count(*) FILTER (WHERE seq > coalesce(archives.last_seq, 0)) AS late
    FROM event_tracking WHERE run_id = chosen.id AND seq <= chosen.last_seq
) AS stored ON true
"""
_OF_STATE = """
(SELECT id, state, last_seq, logs, created_at FROM jobs WHERE state = '{}'
    ORDER BY created_at DESC, id DESC LIMIT %(most)s)
"""
_ONE = """
SELECT jobs.id, jobs.last_seq, jobs.logs, archives.last_seq, archives.verified_at,
    coalesce(archives.problem, ''), (
        SELECT count(*) FROM event_tracking WHERE run_id = jobs.id AND seq <= jobs.last_seq
    ), (
        SELECT count(*) FROM event_tracking
        WHERE run_id = jobs.id AND seq > coalesce(archives.last_seq, 0) AND seq <= jobs.last_seq
    )
FROM jobs LEFT JOIN archives ON archives.run_id = jobs.id WHERE jobs.id = %s
"""
_GAPS = """
SELECT before + 1, seq - 1 FROM (
    SELECT seq, lag(seq, 1, %(first)s - 1) OVER (ORDER BY seq) AS before FROM (
        SELECT seq FROM event_tracking
        WHERE run_id = %(run)s AND seq BETWEEN %(first)s AND %(last)s
        UNION ALL SELECT %(last)s + 1
    ) AS there
) AS each WHERE seq - before > 1 ORDER BY seq LIMIT %(most)s
"""
_REPORTED = "SELECT count(*) FROM event_tracking WHERE run_id = %s AND source_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class OneLog:
    """What there is of a run's log: rows in the database, and events in its archive's object."""

    public_id: str
    url: str
    last_seq: int
    logs: str
    # Rows; those of them behind what the object holds.
    stored: int
    late: int
    archived: int
    verified_at: datetime | None
    problem: str
    # Of a run that others report: events that they told. None: it is executed here.
    reported: int | None = None
    # The numbers that are missing, from and to; of a whole log none.
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        if self.logs in AT_HAND:
            return self.last_seq - self.stored
        return (self.last_seq - self.archived) - self.late

    @property
    def is_whole(self) -> bool:
        return not self.missing and not self.problem

    @property
    def gap_words(self) -> str:
        shown = ", ".join(f"{a:,}" if a == b else f"{a:,}–{b:,}" for a, b in self.gaps)
        return f"{shown}, …" if len(self.gaps) >= MOST_GAPS else shown

    @property
    def words(self) -> str:
        events = f"{self.last_seq:,} event{'s' * (self.last_seq != 1)}"
        where = "in the database"
        if self.logs not in AT_HAND:
            late = f", {self.late:,} that came later in the database" if self.late else ""
            where = f"{self.archived:,} in the archive{late}"
        if self.problem:
            return f"{events}; its archive cannot be read: {self.problem}"
        if not self.missing:
            return f"Whole: {events}, 1–{self.last_seq:,}, {where}."
        return f"{self.missing:,} of {events} missing: {self.gap_words or 'see below'}."


@dataclass(frozen=True, slots=True)
class SourceRow:
    name: str
    received: int | None
    refused: int | None
    last_at: datetime | None
    url: str
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class LogsSection(Section):
    broken: list[OneLog] = field(default_factory=list)
    sources: list[SourceRow] = field(default_factory=list)
    looked_at: int = 0
    events: int = 0


def section(now: datetime) -> Section:
    found = sample()
    broken = [_with_gaps(each) for each in found if not each.is_whole][:20]
    sources = _sources(now)
    archived = sum(each.logs not in AT_HAND for each in found)
    silent = [row for row in sources if row.is_silent]
    if broken:
        runs = "1 run has" if len(broken) == 1 else f"{len(broken)} runs have"
        verdict = Verdict(False, f"{runs} a log with gaps, of the newest {len(found):,}.")
    elif silent:
        verdict = Verdict(False, f"{silent[0].name} has open runs, and tells nothing.")
    elif not found:
        verdict = Verdict(True, "No run has finished yet, so there is no log to check.")
    else:
        verdict = Verdict(True, f"No event is missing in the newest {len(found):,} finished runs.")
    events = sum(each.last_seq for each in found)
    refused = sum(row.refused or 0 for row in sources)
    return LogsSection(
        "logs", "Missing logs", verdict,
        figures=[
            Said("Runs checked", f"{len(found):,}", "the newest that have finished"),
            Said("Their events", f"{events:,}", "numbered without a gap" if not broken else ""),
            Said("Of them archived", f"{archived:,}", "counted in their objects"),
            Said("Refused from sources", f"{refused:,}", "since the counters began", refused > 0),
        ],
        links=[("Sources", reverse("admin:runs_source_changelist"))],
        table=Table(
            ("run", "last_seq", "missing", "gaps"),
            [(each.public_id, each.last_seq, each.missing, each.gap_words) for each in broken],
        ),
        broken=broken, sources=sources, looked_at=len(found), events=events,
    )  # fmt: skip


def sample() -> list[OneLog]:
    """The newest finished runs, as many as have so many events."""
    of_states = "UNION ALL".join(map(_OF_STATE.format, ("completed", "failed", "terminated")))
    given = {"most": SAMPLE, "events": SAMPLE_EVENTS}
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(of_states=of_states), given)
        return [_log(row) for row in cursor.fetchall()]


def of_run(asked: str) -> tuple[OneLog | None, str]:
    """The log of a run by its id, or why it is not told."""
    run_id = ids.decode("run", asked.strip()) or ids.decode("job", asked.strip())
    if run_id is None:
        return None, f"“{asked[:60]}” is no id of a run."
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        cursor.execute(_ONE, [run_id])
        row = cursor.fetchone()
        if row is None:
            return None, "There is no such run, or it was deleted."
        found = _with_gaps(_log(row))
        cursor.execute(_REPORTED, [run_id])
        reported = int(cursor.fetchone()[0])
    return replace(found, reported=reported or None), ""


def _log(row: tuple[Any, ...]) -> OneLog:
    run_id, last_seq, logs, archived, verified_at, problem, stored, late = row
    public_id = ids.encode("run", run_id)
    return OneLog(
        public_id, reverse("admin:runs_run_page", args=[public_id]), last_seq, logs, stored, late,
        archived or 0, verified_at, problem,
    )  # fmt: skip


def _with_gaps(log: OneLog) -> OneLog:
    """What of it is missing in the database that should be there."""
    run_id = ids.decode("run", log.public_id)
    assert isinstance(run_id, uuid.UUID)
    first = 1 if log.logs in (LogState.LIVE, LogState.RESTORED) else log.archived + 1
    if not log.missing or first > log.last_seq:
        return log
    with statement_timeout(SECONDS), connection.cursor() as cursor:
        given: dict[str, Any] = {
            "run": run_id, "first": first, "last": log.last_seq, "most": MOST_GAPS,
        }  # fmt: skip
        cursor.execute(_GAPS, given)
        return replace(log, gaps=cursor.fetchall())


def _sources(now: datetime) -> list[SourceRow]:
    try:
        counts = counters.of_sources(broker.client())
    except (redis.RedisError, OSError):
        counts = None
    with connection.cursor() as cursor:
        # One look into the index for each of them, however many runs are open.
        cursor.execute(
            "SELECT id FROM sources WHERE EXISTS (SELECT FROM jobs"
            " WHERE source_id = sources.id AND state IN ('created', 'active'))"
        )
        opened = {source for (source,) in cursor.fetchall()}
    rows = []
    for source in Source.objects.order_by("name")[:MOST_SOURCES]:
        received, refused = (None, None) if counts is None else counts.get(source.name, (0, 0))
        last = source.last_event_at
        is_silent = source.pk in opened and last is not None and now - last > SILENT
        url = reverse("admin:runs_source_change", args=[source.pk])
        rows.append(SourceRow(source.name, received, refused, last, url, is_silent))
    return rows
