"""Runs that are past a term, by stretches of time: counted exactly, their logs weighed.

Runs are counted each term by a range of one index and nothing else. Events and bytes stand in
rows: they are added up where these are few, else estimated from a bounded sample.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from retention.terms import Rules
from runs.states import FINAL_STATES

# Up to so many runs are read one by one, beyond so many of them.
MOST_READ, SAMPLE = 10_000, 1_500
# Runs whose events are weighed, and events of each.
WEIGHED, EVENTS_WEIGHED = 200, 50
EVER = datetime(1, 1, 2, tzinfo=UTC)


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
class Case:
    at: datetime
    rules: Rules

    def before(self, workflow_id: int, state: str) -> datetime:
        return self.at - self.rules.of(workflow_id).archive_after(state)

    def gone_before(self, workflow_id: int) -> datetime | None:
        days = self.rules.of(workflow_id).delete
        return None if days is None else self.at - timedelta(days=days)


def segments_of(cases: Sequence[Case], workflow_ids: Iterable[int]) -> list[Segment]:
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


def count(segments: list[Segment]) -> None:
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


def weigh(segments: list[Segment]) -> tuple[bool, bool]:
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
    each_size, usual_size = sizes([run_id for _, run_id, _ in rows], all_of_them=events_are_few)
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


def sizes(run_ids: list[Any], *, all_of_them: bool) -> tuple[dict[Any, int], float | None]:
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
