"""Keeping the rollups up to date: what changed is told by the outbox, and counted bucket by bucket.

Whatever happens to a run makes the hour in which it was created dirty, and a dirty hour is counted
as a whole, from the runs themselves. So it makes no difference how often or in which order
something is heard of, and a rebuild gives the same as what was kept up to date. An hour that takes
long to count is counted less often; then its figures are older, which the pages tell.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Min

from analytics import groups, measure, samples
from analytics.models import (
    Bucket,
    CallRollup,
    FailureRollup,
    NodeRollup,
    RunRollup,
    SampleRollup,
    Span,
    UserRollup,
)
from runs import outbox
from runs.models import Workflow

READER = "analytics"
LINES = 5_000
# How long a bucket rests at least, and how many times as long as counting it takes.
REST = timedelta(seconds=5)
PACE = 20
# Of one task.
SECONDS = 2.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_HOURLY = (
    (RunRollup, measure.RUNS, measure.RUN_COLUMNS),
    (NodeRollup, measure.NODES, measure.NODE_COLUMNS),
    (CallRollup, measure.CALLS, measure.CALL_COLUMNS),
    (FailureRollup, measure.FAILURES, measure.FAILURE_COLUMNS),
)
# A retry makes its original's hour dirty too: that it was retried, and how that went.
_TOUCHED = """
WITH given AS (SELECT unnest(%s::uuid[]) AS id), touched AS (
    SELECT workflow_id, created_at FROM jobs JOIN given USING (id)
    UNION ALL
    SELECT first.workflow_id, first.created_at FROM jobs JOIN given USING (id)
        JOIN jobs AS first ON first.id = jobs.retry_of_id
    UNION ALL
    SELECT workflow_id, created_at FROM deleted_runs JOIN given ON run_id = id
        WHERE workflow_id IS NOT NULL AND created_at IS NOT NULL
)
SELECT DISTINCT workflow_id, date_trunc('hour', created_at, 'UTC') FROM touched ORDER BY 1, 2
"""
_MARK = """
INSERT INTO analytics_buckets (workflow_id, span, at, dirty_since, due_at, took_ms)
SELECT workflow, %(span)s, at, %(now)s, %(now)s + %(rest)s, 0
FROM unnest(%(workflows)s::bigint[], %(ats)s::timestamptz[]) AS told(workflow, at)
ORDER BY workflow, at
ON CONFLICT (workflow_id, span, at) DO UPDATE SET
    dirty_since = coalesce(analytics_buckets.dirty_since, excluded.dirty_since),
    due_at = coalesce(analytics_buckets.due_at, greatest(excluded.due_at,
        analytics_buckets.counted_at
        + analytics_buckets.took_ms * %(pace)s * interval '1 millisecond'))
"""
_MARK_ALL = """
INSERT INTO analytics_buckets (workflow_id, span, at, dirty_since, due_at, took_ms)
SELECT DISTINCT workflow_id, 0, date_trunc('hour', created_at, 'UTC'), %(now)s::timestamptz,
    %(now)s::timestamptz, 0
FROM jobs WHERE workflow_id = %(workflow)s
ON CONFLICT (workflow_id, span, at) DO UPDATE SET
    dirty_since = coalesce(analytics_buckets.dirty_since, excluded.dirty_since),
    due_at = excluded.due_at
"""
_DAYS = {
    "analytics_runs": (
        "workflow_id, version_id, state, is_retry",
        "runs timed waited_ms cost input_tokens output_tokens cached_tokens retried recovered"
        " duration_ms",
        "longest_ms dearest",
        True,
    ),
    "analytics_nodes": (
        "workflow_id, version_id, node, kind",
        "executed completed failed timed attempts queued_ms backoff_ms duration_ms",
        "longest_ms",
        True,
    ),
    "analytics_calls": (
        "workflow_id, version_id, node, model",
        "calls input_tokens output_tokens cached_tokens cost failed_cost retry_cost",
        "",
        False,
    ),
    "analytics_failures": (
        'workflow_id, version_id, "group"',
        "runs retried recovered to_failure_ms",
        "last_seen",
        True,
    ),
    "analytics_samples": (
        "workflow_id, version_id",
        "runs actual_ms ideal_ms work_ms queued_ms person_ms backoff_ms other_ms",
        "",
        False,
    ),
}


def tick(now: datetime, seconds: float = SECONDS) -> int:
    """Hear what changed, and count what is due, for a while; gives how many buckets were."""
    end = time.monotonic() + seconds
    if hear(now):
        while time.monotonic() < end and hear(now):
            pass
    counted = 0
    # In turns: a page asks for the newest first, and nothing old may wait for ever.
    while time.monotonic() < end and count_next(now, is_newest=counted % 2 == 0):
        counted += 1
    return counted


def hear(now: datetime) -> bool:
    """Mark what the next lines of the outbox tell of; whether there may be more."""
    with transaction.atomic():
        begun = outbox.begin(READER, now)
        if begun:
            # Whatever was there before this reader was is counted once.
            mark_all(now)
        lines = outbox.read(READER, LINES)
        if lines:
            mark(touched([line.run_id for line in lines]), Span.HOUR, now)
            outbox.advance(READER, lines[-1], now)
    return len(lines) == LINES


def touched(run_ids: Sequence[uuid.UUID]) -> list[tuple[int, datetime]]:
    """The hours, by workflow, in which a change of these runs is counted."""
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, [list(set(run_ids))])
        return cursor.fetchall()


def mark(
    places: Sequence[tuple[int, datetime]], span: Span, now: datetime, rest: timedelta = REST
) -> None:
    """Have these buckets counted anew, each after its rest."""
    if not places:
        return
    workflows, ats = zip(*sorted(places), strict=True)
    given: dict[str, Any] = {
        "span": span, "now": now, "rest": rest, "pace": PACE, "workflows": list(workflows),
        "ats": list(ats),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_MARK, given)


def mark_all(now: datetime) -> None:
    """Have everything counted anew that there is, or was."""
    Bucket.objects.filter(span=Span.HOUR).update(dirty_since=now, due_at=now)
    with connection.cursor() as cursor:
        for workflow_id in Workflow.objects.order_by("id").values_list("id", flat=True):
            given: dict[str, Any] = {"workflow": workflow_id, "now": now}
            cursor.execute(_MARK_ALL, given)


def count_next(now: datetime, by: datetime | None = None, *, is_newest: bool = False) -> bool:
    """Count the bucket that has been due for longest, or the newest that is due; False: none is,
    or will be `by` then."""
    begun = time.monotonic()
    with transaction.atomic():
        due = Bucket.objects.filter(due_at__lte=by or now).order_by(
            "-at" if is_newest else "due_at"
        )
        bucket = due.select_for_update(skip_locked=True).first()
        if bucket is None:
            return False
        if bucket.span == Span.HOUR:
            count_hour(bucket.workflow_id, bucket.at)
            day = bucket.at.replace(hour=0)
            mark([(bucket.workflow_id, day)], Span.DAY, now)
        else:
            count_day(bucket.workflow_id, bucket.at)
        took = int((time.monotonic() - begun) * 1000)
        own = Bucket.objects.filter(pk=bucket.pk)
        # What was committed while this one counted is heard of later, and marks it again.
        own.update(dirty_since=None, due_at=None, counted_at=now, took_ms=took)
    return True


def count_hour(workflow_id: int, at: datetime) -> None:
    """Make its rows anew. Within a transaction."""
    given: dict[str, Any] = {"workflow": workflow_id, "at": at, "until": at + HOUR}
    with connection.cursor() as cursor:
        for model, template, columns in _HOURLY:
            table = model._meta.db_table
            cursor.execute(
                f"DELETE FROM {table} WHERE workflow_id = %s AND span = 0 AND at = %s",
                [workflow_id, at],
            )
            listed = ", ".join(f'"{column}"' for column in columns)
            told = measure.statement(template, measure.OF_BUCKET)
            cursor.execute(
                f"INSERT INTO {table} ({listed}) SELECT {listed} FROM ({told}) AS told", given
            )
    SampleRollup.objects.filter(workflow=workflow_id, span=Span.HOUR, at=at).delete()
    SampleRollup.objects.bulk_create(samples.of_hour(workflow_id, at, at + HOUR))
    groups.keep(workflow_id, at, at + HOUR)


def count_day(workflow_id: int, at: datetime) -> None:
    """Add its hours up, and count its people. Within a transaction."""
    given: dict[str, Any] = {"workflow": workflow_id, "at": at, "until": at + DAY}
    with connection.cursor() as cursor:
        for table in _DAYS:
            cursor.execute(
                f"DELETE FROM {table} WHERE workflow_id = %s AND span = 1 AND at = %s",
                [workflow_id, at],
            )
            cursor.execute(_day_of(table), given)
        UserRollup.objects.filter(workflow=workflow_id, at=at).delete()
        listed = ", ".join(measure.USER_COLUMNS)
        told = measure.statement(measure.USERS, measure.OF_BUCKET)
        cursor.execute(
            f"INSERT INTO analytics_users ({listed}) SELECT {listed} FROM ({told}) AS told", given
        )


def _day_of(table: str) -> str:
    """The statement that adds a day's hours up."""
    keys, sums, largest, timed = _DAYS[table]
    summed = sums.split()
    columns = [*keys.split(", "), *summed, *largest.split()]
    values = [*keys.split(", "), *(f"sum({name})" for name in summed)]
    values += [f"max({name})" for name in largest.split()]
    hours = f"SELECT * FROM {table} WHERE workflow_id = %(workflow)s AND span = 0"
    hours += " AND at >= %(at)s AND at < %(until)s"
    start = f"INSERT INTO {table} (span, at, {', '.join(columns)}"
    if not timed:
        return (
            f"{start}) SELECT 1, %(at)s::timestamptz, {', '.join(values)} FROM ({hours}) AS hours"
            f" GROUP BY {keys}"
        )
    return f"""
    {start}, steps, counts)
    WITH hours AS MATERIALIZED ({hours}), stepped AS (
        SELECT {keys}, array_agg(step ORDER BY step) AS steps,
            array_agg(count ORDER BY step) AS counts
        FROM (
            SELECT {keys}, step, sum(count)::int AS count
            FROM hours, unnest(steps, counts) AS of_hour(step, count) GROUP BY {keys}, step
        ) AS added GROUP BY {keys}
    ), summed AS (
        SELECT {", ".join(values)} FROM hours GROUP BY {keys}
    ), named({", ".join(columns)}) AS (TABLE summed)
    SELECT 1, %(at)s::timestamptz, {", ".join(f"named.{name}" for name in columns)},
        coalesce(steps, '{{}}'), coalesce(counts, '{{}}')
    FROM named LEFT JOIN stepped USING ({keys})
    """


def fresh_until(now: datetime) -> datetime:
    """Up to when everything that happened is counted."""
    oldest = Bucket.objects.aggregate(oldest=Min("dirty_since"))["oldest"]
    heard = outbox.heard_until(READER, now)
    return min(filter(None, (oldest, heard, now)))


def rebuild(now: datetime) -> int:
    """Count everything anew, at once; gives how many buckets that were."""
    with transaction.atomic():
        outbox.begin(READER, now)
        mark_all(now)
    counted = 0
    # Days become due some time after their hours.
    while count_next(now, by=now + DAY):
        counted += 1
    return counted
