"""Keeping the list of failure groups: when each was first and last seen, and whether it is back."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from runs.fingerprint import normalised

# One run of each group, the latest, stands for it.
_SEEN = """
SELECT DISTINCT ON (error_group) error_group, error_kind, error_node, error_message, id,
    min(completed_at) OVER own, max(completed_at) OVER own
FROM jobs
WHERE workflow_id = %s AND created_at >= %s AND created_at < %s AND state = 'failed'
    AND error_group IS NOT NULL
WINDOW own AS (PARTITION BY error_group)
ORDER BY error_group, completed_at DESC, id
"""
_KEEP = """
INSERT INTO analytics_failure_groups AS known (id, kind, node, message, sample, sample_run,
    first_seen, last_seen, mark, marked_by, note)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'new', '', '')
ON CONFLICT (id) DO UPDATE SET
    first_seen = least(known.first_seen, excluded.first_seen),
    sample = CASE WHEN excluded.last_seen > known.last_seen THEN excluded.sample
        ELSE known.sample END,
    sample_run = CASE WHEN excluded.last_seen > known.last_seen THEN excluded.sample_run
        ELSE known.sample_run END,
    last_seen = greatest(known.last_seen, excluded.last_seen),
    -- It is back: somebody said that it was resolved, and it happened after that.
    reopened_at = CASE WHEN known.mark = 'resolved' AND excluded.last_seen > known.marked_at
        THEN excluded.last_seen ELSE known.reopened_at END,
    mark = CASE WHEN known.mark = 'resolved' AND excluded.last_seen > known.marked_at
        THEN 'new' ELSE known.mark END
"""


def keep(workflow_id: int, since: datetime, until: datetime) -> None:
    """Of the failed runs that were created in this time. Within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [workflow_id, since, until])
        # In one order: other workflows' hours may have the same groups.
        for group, kind, node, message, run_id, first, last in sorted(cursor.fetchall()):
            shown = normalised(message)
            cursor.execute(_KEEP, [group, kind, node, shown, message, run_id, first, last])
