"""Stores checked events, in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, OperationalError
from psycopg.errors import DeadlockDetected, UniqueViolation

from runs import recorder
from runs.ingest.places import Chunk, Name, Search, Told
from runs.ingest.report import Report
from runs.models import Source, User
from runs.rows import Refused

# What one transaction takes at most. Runs are locked while it lasts.
MAX_EVENTS = 2_000
MAX_RUNS = 500
# Two calls may store the same events, or make the same run, at once: the second one looks again.
TRIES = 5


@dataclass(slots=True)
class Outcome:
    stored: int = 0
    duplicates: int = 0
    # (index, what is wrong).
    refused: list[tuple[int, Refused]] = field(default_factory=list)


def take_in(reports: Iterable[Report], *, by: User, now: datetime) -> Outcome:
    """Each chunk is a transaction of its own. Where one fails, those before it stay: sent again,
    they are duplicates."""
    outcome, unnoted = Outcome(), set()
    for chunk in _chunks(reports):
        search = Search(by, now)
        taken = _stored(chunk, search)
        outcome.stored += taken.stored
        outcome.duplicates += taken.duplicates
        outcome.refused += [(report.index, why) for report, why in taken.refused]
        unnoted |= search.unnoted
    if unnoted:
        Source.objects.seen(unnoted, now)
    return outcome


def _chunks(reports: Iterable[Report]) -> Iterator[Chunk]:
    by_run: dict[Name, list[Report]] = {}
    for report in reports:
        name = report.run or (report.source, report.external_id)
        by_run.setdefault(name, []).append(report)
    chunk: list[Told] = []
    room = MAX_EVENTS
    for name, told in by_run.items():
        taken = 0
        while taken < len(told):
            part = told[taken : taken + room]
            chunk.append(Told(name, part))
            taken += len(part)
            room -= len(part)
            if not room or len(chunk) == MAX_RUNS:
                yield chunk
                chunk, room = [], MAX_EVENTS
    if chunk:
        yield chunk


def _stored(chunk: Chunk, search: Search) -> recorder.TakenIn[Report]:
    for tried in range(1, TRIES + 1):
        found = search.runs(chunk)
        try:
            taken = recorder.take_in(found, now=search.now)
        except (IntegrityError, OperationalError) as error:
            raced = isinstance(error.__cause__, UniqueViolation | DeadlockDetected)
            if not raced or tried == TRIES:
                raise
            continue
        taken.refused += search.refused
        return taken
    raise AssertionError("unreachable")
