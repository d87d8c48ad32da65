"""How much is archived, and when it was looked at last: cheap enough for every view of a page.

Up to `MOST` archives are counted and added up, row by row; where there are more, the table's own
estimate and a sample of its pages tell. Oldest and newest are ends of an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection
from django.db.models import BigIntegerField, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState
from runs.models import Archive
from runs.timeouts import statement_timeout

MOST = 10_000
# Archives that a sample is of, about.
SAMPLE = 2_000
# Seconds that each statement may take.
SECONDS = 1.0

COUNT = "SELECT count(*), sum(bytes)::bigint FROM (SELECT bytes FROM archives LIMIT %s) AS few"
_ESTIMATE = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'archives'::regclass"
_SAMPLE = "SELECT avg(bytes)::float FROM archives TABLESAMPLE SYSTEM (%s) REPEATABLE (1)"


# Checks that were asked for all, or for more than there were.
_READ_ALL = Q(options__most=None) | Q(seen__gte=Cast(KT("report__there"), BigIntegerField()))


@dataclass(frozen=True, slots=True)
class Stock:
    archives: int = 0
    # None: not known.
    bytes: int | None = 0
    # Else it is about so many.
    is_exact: bool = True
    # When the object was read that was read longest ago.
    read_since: datetime | None = None
    checked: Execution | None = None
    swept: Execution | None = None


def stock() -> Stock | None:
    """None where the database is too busy to tell."""
    try:
        with statement_timeout(SECONDS):
            archives, size, is_exact = _much()
            if not archives:
                return Stock()
            oldest = Archive.objects.order_by("verified_at", "run_id")
            read_since = oldest.values_list("verified_at", flat=True).first()
    except DatabaseError:
        return None
    # By the index on the time; there are some a day, and they are forgotten.
    ended = Execution.objects.filter(state=ExecutionState.FINISHED).order_by("-created_at", "-id")
    return Stock(
        archives,
        size,
        is_exact,
        read_since,
        checked=ended.filter(_READ_ALL, kind=ExecutionKind.CHECK).first(),
        swept=ended.filter(kind=ExecutionKind.SWEEP).first(),
    )


def _much() -> tuple[int, int | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [MOST + 1])
        count, size = cursor.fetchone()
        if count <= MOST:
            return count, size or 0, True
        cursor.execute(_ESTIMATE)
        count = max(cursor.fetchone()[0], count)
        cursor.execute(_SAMPLE, [min(100.0, 100 * SAMPLE / count)])
        usual = cursor.fetchone()[0]
    return count, None if usual is None else round(usual * count), False
