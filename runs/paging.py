"""Key paging through runs, newest first: a page goes on from a key, never from an offset."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runs import ids
from runs.models import Run
from runs.querysets import RunQuerySet

# Behind every run of the same time.
_LAST = uuid.UUID(int=2**128 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(\d{1,18})-([0-9a-z]{26})\Z")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The key of a run in the list. Outside it is one word, ``1763816347123456-01kb…``."""

    created_at: datetime
    id: uuid.UUID

    def __str__(self) -> str:
        microseconds = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        return f"{microseconds}-{ids.encode('run', self.id).removeprefix('run_')}"

    @classmethod
    def of(cls, run: Run) -> Cursor:
        return cls(run.created_at, run.id)

    @property
    def is_moment(self) -> bool:
        """Whether it stands for a time rather than for a run."""
        return self.id == _LAST

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor of its word, or None for what is not one."""
        if not (found := _CURSOR.match(text)):
            return None
        run_id = ids.decode("run", f"run_{found[2]}")
        if run_id is None:
            return None
        try:
            created_at = _EPOCH + timedelta(microseconds=int(found[1]))
        except OverflowError:
            return None
        # Beyond, a zone's offset may lead out of the calendar.
        return cls(created_at, run_id) if created_at.year <= 9000 else None


def moment_of(moment: datetime) -> Cursor:
    """What a page that begins with the runs of this time goes on from."""
    return Cursor(max(moment, _EPOCH), _LAST)


@dataclass(frozen=True, slots=True)
class Page:
    runs: list[Run]
    # Where the list goes on in either direction; None at its end.
    newer: Cursor | None
    older: Cursor | None

    @property
    def top(self) -> Cursor | None:
        return Cursor.of(self.runs[0]) if self.runs else None

    @property
    def is_first(self) -> bool:
        return self.newer is None


def page_of(
    runs: RunQuerySet,
    size: int,
    *,
    after: Cursor | None = None,
    before: Cursor | None = None,
    read: RunQuerySet | None = None,
) -> Page:
    """The newest runs, those after a key, or those before one. One row more than `size` is read,
    to know whether the list goes on. `read` says how: with which columns and joins.
    """
    if before is not None:
        found = list(first_of(runs.newer_than(before.created_at, before.id), size + 1, read))
        if len(found) <= size:
            # The top is reached: a full first page rather than the few rows above the key.
            return page_of(runs, size, read=read)
        shown = found[:size][::-1]
        return Page(shown, newer=Cursor.of(shown[0]), older=Cursor.of(shown[-1]))
    older = runs.newest_first() if after is None else runs.older_than(after.created_at, after.id)
    found = list(first_of(older, size + 1, read))
    shown = found[:size]
    return Page(
        shown,
        newer=after and (Cursor.of(shown[0]) if shown else after),
        older=Cursor.of(shown[-1]) if len(found) > size else None,
    )


def first_of(runs: RunQuerySet, count: int, read: RunQuerySet | None = None) -> RunQuerySet:
    """The first of an ordered queryset, read as `read` says, in one query.

    Joins are made for the chosen rows only. Small tables are seldom analysed, and a planner that
    takes one for empty would begin with it, read all its runs and sort them.
    """
    if read is None:
        return runs[:count]
    return read.filter(pk__in=runs.values("pk")[:count]).order_by(*runs.query.order_by)
