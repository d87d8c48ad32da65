"""Keeps what was found: one row for each run and node, gone when the run gets on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Min

from runs.models.stuck import StuckKind, StuckRun
from runs.stuck.finding import Finding
from runs.stuck.limits import MOST
from runs.stuck.look import Seen

# In order of the key: two who write at once must not deadlock. Who looked earlier changes nothing.
_KEEP = """
INSERT INTO stuck_runs (run_id, node, workflow_id, kind, since, found_at, checked_at, words, act,
    rescue, details)
SELECT run_id, node, jobs.workflow_id, kind, since, %(now)s, %(now)s, words, act, rescue, details
FROM jsonb_to_recordset(%(found)s::jsonb) AS found (
    run_id uuid, node text, kind text, since timestamptz, words text, act text, rescue text,
    details jsonb
)
JOIN jobs ON jobs.id = found.run_id AND jobs.state IN ('created', 'active')
ORDER BY run_id, node
ON CONFLICT (run_id, node) DO UPDATE SET
    found_at = CASE WHEN stuck_runs.kind = excluded.kind THEN stuck_runs.found_at
        ELSE excluded.found_at END,
    kind = excluded.kind, since = excluded.since, checked_at = excluded.checked_at,
    words = excluded.words, act = excluded.act, rescue = excluded.rescue,
    details = excluded.details
WHERE stuck_runs.checked_at < excluded.checked_at
"""
_FORGET = """
DELETE FROM stuck_runs WHERE id IN (
    SELECT id FROM stuck_runs WHERE checked_at < %(now)s AND (
        kind <> ALL(%(unknown)s) OR NOT EXISTS (
            SELECT FROM jobs WHERE jobs.id = run_id AND jobs.state IN ('created', 'active')
        )
    ) ORDER BY run_id, node FOR UPDATE SKIP LOCKED
)
"""
_FORGET_PAUSED = """
DELETE FROM stuck_runs WHERE id IN (
    SELECT id FROM stuck_runs WHERE workflow_id = ANY(%(workflows)s) AND kind = 'paused'
    ORDER BY run_id, node FOR UPDATE SKIP LOCKED
)
"""
# Rows that are written in one statement.
TOGETHER = 1_000


def keep(seen: Seen) -> None:
    """Twice does no harm. Of what could not be asked it stays as it was."""
    rows = sorted(_within(seen.findings), key=lambda each: each.key)
    for begin in range(0, len(rows), TOGETHER):
        told = json.dumps([_row(finding) for finding in rows[begin : begin + TOGETHER]])
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, {"found": told, "now": seen.at})
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FORGET, {"now": seen.at, "unknown": [str(k) for k in seen.unknown]})


def _within(findings: list[Finding]) -> list[Finding]:
    """Of each class the oldest."""
    kept: list[Finding] = []
    for kind in StuckKind:
        of_kind = sorted((f for f in findings if f.kind == kind), key=lambda each: each.since)
        kept += of_kind[:MOST]
    return kept


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "run_id": str(finding.run_id),
        "node": finding.node,
        "kind": finding.kind,
        "since": finding.since.isoformat(),
        "words": _plain(finding.words),
        "act": _plain(finding.act),
        "rescue": finding.rescue,
        "details": _storable(finding.details),
    }


def _plain(text: str) -> str:
    return text.replace("\0", "")[:500]


def _storable(value: Any) -> Any:
    """PostgreSQL's texts hold no zero character; a backslash and what looks like one they do."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def forget(run_ids: Iterable[uuid.UUID]) -> None:
    """Of runs that were helped; the next look tells whether that was of use."""
    rows = StuckRun.objects.filter(run__in=list(run_ids)).order_by("run_id", "node")
    # In order of the key, as they are kept.
    locked = list(rows.select_for_update().values_list("pk", flat=True))
    StuckRun.objects.filter(pk__in=locked).delete()


def forget_paused(workflow_ids: Collection[int]) -> None:
    """Of all runs that the pause of these workflows held, beside the one that was helped."""
    if workflow_ids:
        with connection.cursor() as cursor:
            cursor.execute(_FORGET_PAUSED, {"workflows": list(workflow_ids)})


def by_class() -> dict[StuckKind, tuple[int, datetime]]:
    """How many findings there are of open runs, and since when the oldest, in order of classes."""
    rows = StuckRun.objects.open().order_by().values("kind")
    found = {
        row["kind"]: (row["count"], row["oldest"])
        for row in rows.annotate(count=Count("pk"), oldest=Min("since"))
    }
    return {kind: found[kind] for kind in StuckKind if kind in found}
