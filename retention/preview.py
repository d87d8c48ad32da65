"""What a night would do by a policy: how many runs, how much, since when, and what goes for good.

Runs are counted exactly, each term by a range of one index and nothing else. Events and bytes
stand in rows: they are added up where these are few, else estimated from a bounded sample.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from retention.terms import Rules
from retention.values import Values
from runs.models import Workflow
from runs.states import FINAL_STATES
from runs.timeouts import statement_timeout

# Seconds for all of it; it is stopped then rather than keep the database busy.
SECONDS = 15
# Up to so many runs are read one by one, beyond so many of them.
MOST_READ, SAMPLE = 10_000, 1_500
# Runs whose events are weighed, and events of each.
WEIGHED, EVENTS_WEIGHED = 200, 50
# Held runs and archived ones are looked at so far.
MOST_HELD, MOST_GONE, GONE_SAMPLE = 10_000, 10_000, 4_000
EVER = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Amount:
    """`value` None: not known. Not exact: from a sample, to be called “about”."""

    value: int | None
    is_exact: bool = True


@dataclass(slots=True)
class Line:
    """One workflow's runs in one final state."""

    workflow: str
    state: str
    # Those that ended before this.
    before: datetime
    runs: int = 0
    # Of these: past their second term too, so that they go for good once they are archived.
    then_gone: int = 0
    held: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    events: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))


@dataclass(slots=True)
class Gone:
    """Archived runs past their second term: rows and archives of theirs go for good."""

    runs: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))


@dataclass(slots=True)
class Side:
    """What comes of one policy; `lines` are those with something in it."""

    lines: list[Line]
    gone: Gone
    runs: int = 0
    then_gone: int = 0
    held: int = 0
    events: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(slots=True)
class Preview:
    """`changed` is None where nothing else is asked for; each at the night that it begins with."""

    at: datetime
    saved: Side
    changed_at: datetime | None = None
    changed: Side | None = None
    # More runs are held than were looked at: these figures are the least.
    held_is_capped: bool = False


@dataclass(slots=True)
class Segment:
    """Runs of one workflow in one state that ended from one moment to another."""

    workflow_id: int
    state: str
    since: datetime
    until: datetime
    runs: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    events: float = 0
    bytes: float | None = 0


@dataclass(frozen=True, slots=True)
class _Case:
    at: datetime
    rules: Rules

    def before(self, workflow_id: int, state: str) -> datetime:
        return self.at - self.rules.of(workflow_id).archive_after(state)

    def gone_before(self, workflow_id: int) -> datetime | None:
        days = self.rules.of(workflow_id).delete
        return None if days is None else self.at - timedelta(days=days)


def preview(saved: Values, changed: Values | None, now: datetime) -> Preview:
    """Raises a DatabaseError where it takes too long: see `was_stopped`."""
    cases = [_Case(each.next_night(now), each.rules()) for each in (saved, changed) if each]
    with statement_timeout(SECONDS):
        slugs = dict(Workflow.objects.values_list("pk", "slug"))
        segments = _segments(cases, slugs)
        _count(segments)
        are_all = _weigh([each for each in segments if each.runs])
        held, is_capped = _held(cases)
        sides = [
            _side(case, slugs, segments, are_all, counts, _gone(case))
            for case, counts in zip(cases, held, strict=True)
        ]
    found = Preview(at=cases[0].at, saved=sides[0], held_is_capped=is_capped)
    if changed:
        found.changed_at, found.changed = cases[1].at, sides[1]
    return found


# -- Counted ---------------------------------------------------------------------------------


def _segments(cases: Sequence[_Case], workflow_ids: Iterable[int]) -> list[Segment]:
    """So cut that every figure of every case is a sum of them, and no run is counted twice."""
    found = []
    for workflow_id in workflow_ids:
        for state in FINAL_STATES:
            last = max(case.before(workflow_id, state) for case in cases)
            cuts = {case.before(workflow_id, state) for case in cases}
            cuts |= {
                gone for case in cases if (gone := case.gone_before(workflow_id)) and gone < last
            }
            ordered = [EVER, *sorted(cuts)]
            found += [
                Segment(workflow_id, str(state), since, until) for since, until in pairwise(ordered)
            ]
    return found


# Spelled as the index's condition is, so that the index alone answers.
_DUE = """
    workflow_id = asked.workflow_id AND state = asked.state
    AND completed_at >= asked.since AND completed_at < asked.until
    AND completed_at IS NOT NULL AND held_at IS NULL AND logs IN ('live', 'partly')
"""
_ASKED = """
    unnest(%s::bigint[], %s::varchar[], %s::timestamptz[], %s::timestamptz[])
    WITH ORDINALITY AS asked (workflow_id, state, since, until, place)
"""
# The ends by themselves: to compare every entry would take as long as to count it.
COUNT = f"""
    SELECT asked.place, counted.runs, oldest.completed_at, newest.completed_at
    FROM {_ASKED}
    CROSS JOIN LATERAL (
        SELECT completed_at FROM jobs WHERE {_DUE} ORDER BY completed_at LIMIT 1
    ) AS oldest
    CROSS JOIN LATERAL (
        SELECT completed_at FROM jobs WHERE {_DUE} ORDER BY completed_at DESC LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL (SELECT count(*) AS runs FROM jobs WHERE {_DUE}) AS counted
"""


def count_arguments(segments: Sequence[Segment]) -> list[list[Any]]:
    return [
        [each.workflow_id for each in segments],
        [each.state for each in segments],
        [each.since for each in segments],
        [each.until for each in segments],
    ]


def _count(segments: list[Segment]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, count_arguments(segments))
        for place, runs, oldest, newest in cursor.fetchall():
            found = segments[place - 1]
            found.runs, found.oldest, found.newest = runs, oldest, newest


# -- Weighed ---------------------------------------------------------------------------------

# What is in storage already of a run whose log goes on is not moved again.
_EVENTS = f"""
    SELECT asked.place, due.id, due.last_seq - coalesce(archives.last_seq, 0) AS events
    FROM {_ASKED} CROSS JOIN LATERAL (
        SELECT id, last_seq FROM jobs WHERE {_DUE} ORDER BY completed_at, id LIMIT {{most}}
    ) AS due LEFT JOIN archives ON archives.run_id = due.id
"""
# As rows, with what lies outside of them: what the database gives back.
_BYTES = """
    SELECT asked.id, sized.events, sized.bytes
    FROM unnest(%s::uuid[]) AS asked (id) CROSS JOIN LATERAL (
        SELECT count(*) AS events, sum(size) AS bytes FROM (
            SELECT pg_column_size(event_tracking.*) AS size FROM event_tracking
            WHERE run_id = asked.id ORDER BY seq LIMIT %s
        ) AS lines
    ) AS sized
"""


def _weigh(segments: list[Segment]) -> tuple[bool, bool]:
    """Fill in events and bytes; whether each is exact."""
    total = sum(each.runs for each in segments)
    if not total:
        return True, True
    is_all = total <= MOST_READ
    rows = _read(segments, MOST_READ) if is_all else _sampled(segments, total)
    of_segment: dict[int, list[tuple[Any, int]]] = {}
    for place, run_id, events in rows:
        of_segment.setdefault(place, []).append((run_id, events))
    events_are_few = is_all and sum(events for _, _, events in rows) <= WEIGHED * EVENTS_WEIGHED
    each_size, usual_size = _sizes([run_id for _, run_id, _ in rows], all_of_them=events_are_few)
    for place, each in enumerate(segments):
        runs = of_segment.get(place, [])
        if not runs:
            each.bytes = None
            continue
        share = each.runs / len(runs)
        each.events = share * sum(events for _, events in runs)
        if events_are_few:
            each.bytes = sum(each_size.get(run_id, 0) for run_id, _ in runs)
        else:
            each.bytes = None if usual_size is None else each.events * usual_size
    return is_all, events_are_few


def _read(segments: list[Segment], most: int) -> list[tuple[int, Any, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS.format(most=most), count_arguments(segments))
        return [(place - 1, run_id, events) for place, run_id, events in cursor.fetchall()]


def _sampled(segments: list[Segment], total: int) -> list[tuple[int, Any, int]]:
    """Runs evenly over each segment's time, from large ones more of them."""
    points: list[Segment] = []
    owner: list[int] = []
    for place, each in enumerate(segments):
        if each.oldest is None or each.newest is None:
            continue
        wanted = max(1, round(SAMPLE * each.runs / total))
        step = (each.newest - each.oldest) / wanted
        # Always the same points: a figure that jumps about is believed by nobody.
        dice = random.Random(wanted)
        for number in range(wanted):
            at = each.oldest + step * (number + dice.random())
            points.append(Segment(each.workflow_id, each.state, at, each.until))
            owner.append(place)
    rows = _read(points, 1)
    return [(owner[point], run_id, events) for point, run_id, events in rows]


def _sizes(run_ids: list[Any], *, all_of_them: bool) -> tuple[dict[Any, int], float | None]:
    """Bytes of each run's events, where all are read; and bytes of an event on average."""
    if all_of_them:
        asked, most = run_ids, WEIGHED * EVENTS_WEIGHED
    else:
        asked, most = run_ids[:: max(1, len(run_ids) // WEIGHED)][:WEIGHED], EVENTS_WEIGHED
    with connection.cursor() as cursor:
        cursor.execute(_BYTES, [asked, most])
        rows = cursor.fetchall()
    events, size = sum(row[1] for row in rows), sum(int(row[2] or 0) for row in rows)
    usual = size / events if events else None
    return {run_id: int(found or 0) for run_id, _, found in rows}, usual


# -- Held, and gone for good -----------------------------------------------------------------

_HELD = """
    SELECT workflow_id, state, completed_at FROM jobs
    WHERE held_at IS NOT NULL AND completed_at IS NOT NULL AND logs IN ('live', 'partly')
    LIMIT %s
"""


def _held(cases: Sequence[_Case]) -> tuple[list[dict[tuple[int, str], int]], bool]:
    """By workflow and state, for each case, those that would be archived if they were not held;
    and whether there are more held runs than were looked at."""
    found: list[dict[tuple[int, str], int]] = [{} for _ in cases]
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [MOST_HELD + 1])
        rows = cursor.fetchall()
    for workflow_id, state, completed_at in rows[:MOST_HELD]:
        for case, counts in zip(cases, found, strict=True):
            if completed_at < case.before(workflow_id, state):
                counts[workflow_id, state] = counts.get((workflow_id, state), 0) + 1
    return found, len(rows) > MOST_HELD


# By age alone, so that one index answers; whose term it is and what is held is told after.
_OLD = "SELECT count(*) FROM archives WHERE completed_at < %s"
_OLD_ONES = """
    SELECT jobs.workflow_id, archives.completed_at, archives.bytes
    FROM {} JOIN jobs ON jobs.id = archives.run_id
    WHERE archives.completed_at < %s AND jobs.held_at IS NULL AND jobs.logs = 'archived'
    LIMIT %s
"""


def _gone(case: _Case) -> Gone:
    usual, own = case.rules.usual, case.rules.workflows.values()
    days = [each.delete for each in (usual, *own) if each.delete is not None]
    if not days:
        return Gone()
    latest = case.at - timedelta(days=min(days))
    with connection.cursor() as cursor:
        cursor.execute(_OLD, [latest])
        old = cursor.fetchone()[0]
        if old <= MOST_GONE:
            cursor.execute(_OLD_ONES.format("archives"), [latest, MOST_GONE])
            runs, size = _past(case, cursor.fetchall())
            return Gone(Amount(runs), Amount(size))
        # A sample of the table's pages, which are in no order of workflows.
        cursor.execute("SELECT greatest(reltuples, 1) FROM pg_class WHERE relname = 'archives'")
        percent = min(100.0, 100 * GONE_SAMPLE / max(cursor.fetchone()[0], old))
        sample = f"archives TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (1)"
        cursor.execute(f"SELECT count(*) FROM {sample} WHERE completed_at < %s", [latest])
        taken = cursor.fetchone()[0]
        cursor.execute(_OLD_ONES.format(sample), [latest, 10 * GONE_SAMPLE])
        runs, size = _past(case, cursor.fetchall())
    if not taken:
        return Gone(Amount(old, is_exact=False), Amount(None, is_exact=False))
    share = old / taken
    return Gone(Amount(round(share * runs), is_exact=False), Amount(round(share * size), False))


def _past(case: _Case, rows: list[tuple[int, datetime, int]]) -> tuple[int, int]:
    past = [
        size
        for workflow_id, completed_at, size in rows
        if (before := case.gone_before(workflow_id)) and completed_at < before
    ]
    return len(past), sum(past)


# -- Put together ----------------------------------------------------------------------------


def _side(
    case: _Case,
    slugs: Mapping[int, str],
    segments: Sequence[Segment],
    are_all: tuple[bool, bool],
    held: Mapping[tuple[int, str], int],
    gone: Gone,
) -> Side:
    of_term: dict[tuple[int, str], list[Segment]] = {}
    for each in segments:
        if each.runs:
            of_term.setdefault((each.workflow_id, each.state), []).append(each)
    side = Side(lines=[], gone=gone)
    for (workflow_id, state), parts in of_term.items():
        before = case.before(workflow_id, state)
        line = Line(slugs[workflow_id], state, before)
        past = case.gone_before(workflow_id)
        mine = [each for each in parts if each.until <= before]
        line.runs = sum(each.runs for each in mine)
        line.then_gone = sum(each.runs for each in mine if past and each.until <= past)
        line.oldest = min((each.oldest for each in mine if each.oldest), default=None)
        line.newest = max((each.newest for each in mine if each.newest), default=None)
        line.events = Amount(round(sum(each.events for each in mine)), are_all[0])
        line.bytes = _sum((each.bytes for each in mine), are_all[1])
        side.lines.append(line)
    for (workflow_id, state), count in held.items():
        for line in side.lines:
            if (line.workflow, line.state) == (slugs[workflow_id], state):
                line.held = count
                break
        else:
            before = case.before(workflow_id, state)
            side.lines.append(Line(slugs[workflow_id], state, before, held=count))
    side.lines = [line for line in side.lines if line.runs or line.held]
    side.lines.sort(key=lambda line: (-line.runs, line.workflow, line.state))
    _add_up(side)
    return side


def _add_up(side: Side) -> None:
    side.runs = sum(line.runs for line in side.lines)
    side.then_gone = sum(line.then_gone for line in side.lines)
    side.held = sum(line.held for line in side.lines)
    side.oldest = min((line.oldest for line in side.lines if line.oldest), default=None)
    side.newest = max((line.newest for line in side.lines if line.newest), default=None)
    known = [line for line in side.lines if line.runs]
    events = sum(line.events.value or 0 for line in known)
    side.events = Amount(events, all(line.events.is_exact for line in known))
    side.bytes = _sum(
        (line.bytes.value for line in known), all(line.bytes.is_exact for line in known)
    )


def _sum(sizes: Iterable[float | None], is_exact: bool) -> Amount:
    found = list(sizes)
    if any(size is None for size in found):
        return Amount(None, is_exact=False)
    return Amount(round(sum(size or 0 for size in found)), is_exact)
