"""Stores checked events, in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

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

T = TypeVar("T")


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
    found = search.runs(chunk)
    lines = [each for each in found if _is_lines(each)]
    appended, left = _repeated(lambda _: recorder.append_lines(lines, now=search.now))
    rest = [*(each for each in found if not _is_lines(each)), *left]
    indexes = {report.index for each in rest for report in each.reports}

    def judged(again: bool) -> recorder.TakenIn[Report]:
        # What was to be made may be there by now.
        told = search.runs(_only(chunk, indexes)) if again else rest
        return recorder.take_in(told, now=search.now)

    taken = _repeated(judged)
    taken.stored += appended.stored
    taken.duplicates += appended.duplicates
    taken.refused += search.refused.values()
    return taken


def _is_lines(told: recorder.Reports[Report]) -> bool:
    return told.new is None and all(report.is_line for report in told.reports)


def _only(chunk: Chunk, indexes: set[int]) -> Chunk:
    parts = [Told(name, [r for r in reports if r.index in indexes]) for name, reports in chunk]
    return [told for told in parts if told.reports]


def _repeated(act: Callable[[bool], T]) -> T:
    """Do it again where somebody stored the same at the same time; `act` is told whether."""
    for tried in range(TRIES):
        try:
            return act(tried > 0)
        except (IntegrityError, OperationalError) as error:
            raced = isinstance(error.__cause__, UniqueViolation | DeadlockDetected)
            if not raced or tried == TRIES - 1:
                raise
    raise AssertionError("unreachable")
