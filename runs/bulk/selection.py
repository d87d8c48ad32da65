"""Which runs an operation means, and the next of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from runs.filters import RunFilter
from runs.models import BulkOperation, BulkOutcome, Run
from runs.models.bulk import OutcomeStatus
from runs.querysets import RunQuerySet

_NONE = uuid.UUID(int=0)


class Next(NamedTuple):
    """Runs in the order in which they are visited, and where the operation is behind them."""

    run_ids: list[uuid.UUID]
    cursor_at: datetime | None
    cursor_id: uuid.UUID | None
    # Named runs that are not there any more.
    gone: Sequence[uuid.UUID] = ()


def frozen(wanted: RunFilter, now: datetime) -> dict[str, str]:
    """The filter with its range counted from now, once and for all."""
    if wanted.created:
        wanted = wanted.with_(created="", created_from=wanted.since(now))
    return dict(wanted.pairs())


def runs_of(operation: BulkOperation) -> RunQuerySet:
    """All that a filter means, within the operation's bound."""
    wanted, errors = RunFilter.parse(operation.filter or {})
    # A filter of which a part is not understood would mean more runs than it did.
    if errors:
        raise ValueError(f"its filter can no longer be read: {errors}")
    runs = Run.objects.filter(created_at__lte=operation.bound)
    if states := operation.options.get("states"):
        runs = runs.filter(state__in=states)
    return wanted.apply(runs, operation.bound)


def _newest(operation: BulkOperation, count: int) -> list[tuple[datetime, uuid.UUID]]:
    """The keys of the next ones that a filter means."""
    runs = runs_of(operation).newest_first()
    if operation.cursor_at is not None and operation.cursor_id is not None:
        runs = runs.older_than(operation.cursor_at, operation.cursor_id)
    # State by state, each in the order of an index: of several at once PostgreSQL would sort all.
    # In one statement: a run that goes from one state to the other meanwhile is in one of them.
    states = operation.options.get("states") or [""]
    first, *others = (
        (runs.filter(state=state) if state else runs).values_list("created_at", "id")[:count]
        for state in states
    )
    rows = first.union(*others, all=True) if others else first
    return sorted(rows, reverse=True)[:count]


def following(operation: BulkOperation, count: int) -> Next:
    """The next `count` runs; none: all have been visited."""
    if operation.chosen is not None:
        return _named(operation, sorted(operation.chosen), count)
    if operation.failed_of_id is not None:
        return _failed(operation, count)
    rows = _newest(operation, count)
    if not rows:
        return Next([], operation.cursor_at, operation.cursor_id)
    return Next([run_id for _, run_id in rows], *rows[-1])


def cut(found: Next, run_ids: list[uuid.UUID]) -> Next:
    """The same with fewer runs: the cursor stands behind the last of them."""
    last = run_ids[-1]
    at = None
    if found.cursor_at is not None:
        at = Run.objects.values_list("created_at", flat=True).get(pk=last)
    return Next(run_ids, at, last, [each for each in found.gone if each < last])


def _named(operation: BulkOperation, named: list[uuid.UUID], count: int) -> Next:
    after = operation.cursor_id or _NONE
    chosen = [run_id for run_id in named if run_id > after][:count]
    if not chosen:
        return Next([], None, operation.cursor_id)
    there = set(Run.objects.filter(pk__in=chosen).values_list("pk", flat=True))
    gone = [run_id for run_id in chosen if run_id not in there]
    return Next([run_id for run_id in chosen if run_id in there], None, chosen[-1], gone)


def _failed(operation: BulkOperation, count: int) -> Next:
    outcomes = BulkOutcome.objects.filter(
        operation=operation.failed_of_id,
        status=OutcomeStatus.FAILED,
        run__gt=operation.cursor_id or _NONE,
    )
    found = list(outcomes.order_by("run_id").values_list("run_id", flat=True)[:count])
    return _named(operation, found, count)
