"""What a night would do by a policy: how much, since when, and what goes for good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection

from retention.previewed import Amount, Gone, Line, Preview, Side
from retention.segments import Case, Segment, count, segments_of, weigh
from retention.values import Values
from runs.models import Archive, Workflow
from runs.timeouts import statement_timeout

# Seconds for all of it; it is stopped then rather than keep the database busy.
SECONDS = 15
# Held runs and archived ones are looked at so far.
MOST_HELD, MOST_GONE, GONE_SAMPLE = 10_000, 10_000, 4_000
# Restored logs whose time is over are counted so far.
MOST_EXPIRED = 10_000


def preview(saved: Values, changed: Values | None, now: datetime) -> Preview:
    """Raises a DatabaseError where it takes too long: see `was_stopped`."""
    cases = [Case(each.next_night(now), each.rules()) for each in (saved, changed) if each]
    with statement_timeout(SECONDS):
        slugs = dict(Workflow.objects.values_list("pk", "slug"))
        segments = segments_of(cases, slugs)
        count(segments)
        are_all = weigh([each for each in segments if each.runs])
        held, is_capped = _held(cases)
        sides = [
            _side(case, slugs, segments, are_all, counts, _gone(case), _expired(case))
            for case, counts in zip(cases, held, strict=True)
        ]
    found = Preview(at=cases[0].at, saved=sides[0], held_is_capped=is_capped)
    if changed:
        found.changed_at, found.changed = cases[1].at, sides[1]
    return found


# -- Held, and gone for good -----------------------------------------------------------------

_HELD = """
    SELECT workflow_id, state, completed_at FROM jobs
    WHERE held_at IS NOT NULL AND completed_at IS NOT NULL AND logs IN ('live', 'partly')
    LIMIT %s
"""


def _held(cases: Sequence[Case]) -> tuple[list[dict[tuple[int, str], int]], bool]:
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
    SELECT jobs.workflow_id, jobs.state, archives.completed_at, archives.bytes
    FROM {} JOIN jobs ON jobs.id = archives.run_id
    WHERE archives.completed_at < %s AND jobs.held_at IS NULL AND jobs.logs = 'archived'
    LIMIT %s
"""


def _gone(case: Case) -> Gone:
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
            parts, size = _past(case, cursor.fetchall())
            return Gone(Amount(sum(parts.values())), Amount(size), parts)
        # A sample of the table's pages, which are in no order of workflows.
        cursor.execute("SELECT greatest(reltuples, 1) FROM pg_class WHERE relname = 'archives'")
        percent = min(100.0, 100 * GONE_SAMPLE / max(cursor.fetchone()[0], old))
        sample = f"archives TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (1)"
        cursor.execute(f"SELECT count(*) FROM {sample} WHERE completed_at < %s", [latest])
        taken = cursor.fetchone()[0]
        cursor.execute(_OLD_ONES.format(sample), [latest, 10 * GONE_SAMPLE])
        parts, size = _past(case, cursor.fetchall())
    if not taken:
        return Gone(Amount(old, is_exact=False), Amount(None, is_exact=False))
    share = old / taken
    runs = round(share * sum(parts.values()))
    parts = {key: round(share * count) for key, count in parts.items()}
    return Gone(Amount(runs, is_exact=False), Amount(round(share * size), False), parts)


def _past(
    case: Case, rows: list[tuple[int, str, datetime, int]]
) -> tuple[dict[tuple[int, str], int], int]:
    """How many of them by workflow and state, and the bytes of all."""
    parts: dict[tuple[int, str], int] = {}
    total = 0
    for workflow_id, state, completed_at, size in rows:
        if (before := case.gone_before(workflow_id)) and completed_at < before:
            parts[workflow_id, state] = parts.get((workflow_id, state), 0) + 1
            total += size
    return parts, total


def _expired(case: Case) -> Amount:
    """Restored logs that leave the database again, as the night finds them."""
    over = Archive.objects.expired(case.at).exclude(run__held_at__isnull=False)
    found = over.order_by()[: MOST_EXPIRED + 1].count()
    return Amount(min(found, MOST_EXPIRED), is_exact=found <= MOST_EXPIRED)


# -- Put together ----------------------------------------------------------------------------


def _side(
    case: Case,
    slugs: Mapping[int, str],
    segments: Sequence[Segment],
    are_all: tuple[bool, bool],
    held: Mapping[tuple[int, str], int],
    gone: Gone,
    expired: Amount,
) -> Side:
    of_term: dict[tuple[int, str], list[Segment]] = {}
    for each in segments:
        if each.runs:
            of_term.setdefault((each.workflow_id, each.state), []).append(each)
    side = Side(lines=[], gone=gone, expired=expired)
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
    known = {(line.workflow, line.state): line for line in side.lines}
    for workflow_id, state in {*held, *gone.parts}:
        slug = slugs[workflow_id]
        if (slug, state) not in known:
            known[slug, state] = Line(slug, state, case.before(workflow_id, state))
        line = known[slug, state]
        line.held = held.get((workflow_id, state), 0)
        line.gone = gone.parts.get((workflow_id, state), 0)
    side.lines = [line for line in known.values() if line.runs or line.held or line.gone]
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
