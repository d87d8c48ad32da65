"""How efficient runs were, from a sample of each hour: too dear to be told of every run.

Which runs are in it follows from their ids, so that counting again gives the same.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from django.db import connection

from analytics.efficiency import Split, Step, Try, split
from analytics.models import SampleRollup, Span
from runs.definitions import graph_of
from runs.graph import DefinitionError

# Runs of each version and hour, and nodes that such a run may have.
MOST = 50
MOST_NODES = 500
_CHOSEN = f"""
SELECT id, version_id, extract(epoch FROM started_at)::float8,
    extract(epoch FROM completed_at)::float8
FROM (
    SELECT *, row_number() OVER (PARTITION BY version_id ORDER BY md5(id::text)) AS place
    FROM jobs WHERE {{condition}} AND state = 'completed' AND started_at IS NOT NULL
        AND nodes_total <= {MOST_NODES}
) AS numbered WHERE place <= {MOST} ORDER BY id
"""
_STEPS = """
SELECT nodes.run_id, nodes.key, nodes.kind, extract(epoch FROM nodes.queued_at)::float8,
    extract(epoch FROM nodes.started_at)::float8, extract(epoch FROM nodes.completed_at)::float8,
    attempts.tries
FROM nodes LEFT JOIN LATERAL (
    SELECT array_agg(ARRAY[extract(epoch FROM started_at)::float8,
        extract(epoch FROM completed_at)::float8, extract(epoch FROM retry_at)::float8]
        ORDER BY number) AS tries
    FROM attempts WHERE node_id = nodes.id AND completed_at IS NOT NULL
) AS attempts ON nodes.attempts > 1
WHERE nodes.run_id = ANY(%s) AND nodes.started_at IS NOT NULL AND nodes.completed_at IS NOT NULL
    AND nodes.reused_from IS NULL
"""


def of_hour(workflow_id: int, since: datetime, until: datetime) -> list[SampleRollup]:
    condition = "workflow_id = %(workflow)s AND created_at >= %(at)s AND created_at < %(until)s"
    given = {"workflow": workflow_id, "at": since, "until": until}
    found: dict[int, list[Split]] = defaultdict(list)
    for version_id, each in splits(condition, given):
        found[version_id].append(each)
    return [
        SampleRollup(
            workflow_id=workflow_id,
            version_id=version_id,
            span=Span.HOUR,
            at=since,
            runs=len(own),
            **{
                f"{name.name}_ms": round(1000 * sum(getattr(each, name.name) for each in own))
                for name in fields(Split)
            },
        )
        for version_id, own in sorted(found.items())
    ]


def splits(condition: str, given: Mapping[str, Any]) -> list[tuple[int, Split]]:
    """Of a sample of the completed runs that the condition finds: version, and where time went."""
    with connection.cursor() as cursor:
        cursor.execute(_CHOSEN.replace("{condition}", condition), given)
        chosen = cursor.fetchall()
        cursor.execute(_STEPS, [[run_id for run_id, *_ in chosen]])
        steps: dict[uuid.UUID, list[Step]] = defaultdict(list)
        for run_id, key, kind, queued, began, ended, tries in cursor.fetchall():
            steps[run_id].append(_step(key, kind, queued, began, ended, tries))
    return [
        (version_id, split(began, ended, steps[run_id], needs_of(version_id)))
        for run_id, version_id, began, ended in chosen
    ]


def _step(
    key: str,
    kind: str,
    queued: float | None,
    began: float,
    ended: float,
    tries: list[list[Any]] | None,
) -> Step:
    if not tries:
        return Step(key, kind, queued, [Try(began, ended)])
    # The node tells since when its newest attempt waited: of the first it is not known.
    return Step(key, kind, None, [Try(*each) for each in tries])


def needs_of(version_id: int) -> Mapping[str, Sequence[str]]:
    """What each node of a version waits for; nothing is known of one that no longer passes."""
    try:
        return {key: list(node.needs) for key, node in graph_of(version_id).nodes.items()}
    except DefinitionError:
        return {}
