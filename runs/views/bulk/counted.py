"""How many runs a selection means, by state and by what becomes of them: counted up to a cap."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from django.db.models import BooleanField, ExpressionWrapper, Q

from runs.filters import STATES, RunFilter
from runs.models import Run
from runs.querysets import COUNT_CAP, RunQuerySet
from runs.states import AT_HAND, RunState
from runs.timeouts import statement_timeout
from runs.views.bulk.acts import Act

# Seconds that counting may take while somebody waits to be asked.
SECONDS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """Runs that are alike in what an act looks at."""

    state: RunState
    held: bool
    elsewhere: bool
    archived: bool
    count: int
    # Whether there are more than were counted.
    is_capped: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    state: RunState
    count: int
    is_capped: bool
    why: str = ""

    @property
    def figure(self) -> str:
        return figure_words(self.count, self.is_capped)


@dataclass(frozen=True, slots=True)
class Counted:
    cells: Sequence[Cell] = ()
    # Named runs that are not there any more.
    gone: int = 0

    def doing(self, act: Act) -> list[Line]:
        return self._lines(cell for cell in self.cells if not _why(act, cell))

    def skipped(self, act: Act) -> list[Line]:
        found: list[Line] = []
        reasons = {why: None for cell in self.cells if (why := _why(act, cell))}
        for why in reasons:
            cells = (cell for cell in self.cells if _why(act, cell) == why)
            found += self._lines(cells, why)
        return found

    def archived(self, act: Act) -> str:
        """How many of those to which it is done are archived, or ""."""
        cells = [cell for cell in self.cells if cell.archived and not _why(act, cell)]
        count = sum(cell.count for cell in cells)
        return figure_words(count, any(cell.is_capped for cell in cells)) if count else ""

    @property
    def total(self) -> int:
        return sum(cell.count for cell in self.cells) + self.gone

    def _lines(self, cells: Iterable[Cell], why: str = "") -> list[Line]:
        counts: Counter[RunState] = Counter()
        capped: set[RunState] = set()
        for cell in cells:
            counts[cell.state] += cell.count
            if cell.is_capped:
                capped.add(cell.state)
        return [
            Line(state, counts[state], state in capped, why) for state in RunState if counts[state]
        ]


def total_of(lines: Iterable[Line]) -> tuple[int, bool]:
    """How many they are together, and whether there may be more."""
    found = list(lines)
    return sum(line.count for line in found), any(line.is_capped for line in found)


def figure_words(count: int, is_capped: bool) -> str:
    return f"{count:,}+" if is_capped else f"{count:,}"


def count_named(run_ids: Sequence[uuid.UUID]) -> Counted:
    cells = _cells(Run.objects.filter(pk__in=run_ids))
    return Counted(cells, gone=len(set(run_ids)) - sum(cell.count for cell in cells))


def count_matching(wanted: RunFilter, now: datetime) -> Counted:
    """Each state up to the cap. Raises DatabaseError where that takes too long."""
    cells: list[Cell] = []
    with statement_timeout(SECONDS):
        for name, state in STATES.items():
            if wanted.state not in ("", name):
                continue
            runs = wanted.with_(state=name).apply(Run.objects.all(), now)
            some = _cells(runs, COUNT_CAP + 1)
            # Of many, those that were met first may all be held, or none of them, and others not.
            is_whole = sum(cell.count for cell in some) <= COUNT_CAP
            cells += some if is_whole else _many(state, runs)
    return Counted(cells)


def _cells(runs: RunQuerySet, most: int | None = None) -> list[Cell]:
    held = ExpressionWrapper(Q(held_at__isnull=False), output_field=BooleanField())
    elsewhere = ExpressionWrapper(Q(source__isnull=False), output_field=BooleanField())
    archived = ExpressionWrapper(~Q(logs__in=AT_HAND), output_field=BooleanField())
    # Counted here: a database that groups what a limit has cut may join it to the whole table.
    rows = runs.order_by().values_list("state", held, elsewhere, archived)[:most]
    return [
        Cell(RunState(state), is_held, is_elsewhere, is_archived, count)
        for (state, is_held, is_elsewhere, is_archived), count in Counter(rows).items()
    ]


def _many(state: RunState, runs: RunQuerySet) -> Iterator[Cell]:
    """Each kind of them up to the cap."""
    for held, elsewhere, archived in product((False, True), repeat=3):
        there = runs.archived() if archived else runs.with_log()
        alike = there.filter(held_at__isnull=not held, source__isnull=not elsewhere)
        count = alike.order_by()[: COUNT_CAP + 1].count()
        if count:
            capped = count > COUNT_CAP
            yield Cell(state, held, elsewhere, archived, min(count, COUNT_CAP), capped)


def _why(act: Act, cell: Cell) -> str:
    return act.why_not(cell.state, held=cell.held, elsewhere=cell.elsewhere, archived=cell.archived)
