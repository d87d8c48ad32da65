"""What a worker reads of a ready node before it claims it. Two statements, made by hand: this is
read for every node, and the ORM would take longer to write them than PostgreSQL to answer.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from runs.driver import plain_cursor

_READY = """
SELECT nodes.id, nodes.run_id, nodes.key, nodes.attempts, jobs.version_id,
    ready_nodes.ready_at <= %s, nodes.executor, workflows.id,
    CASE WHEN workflows.paused_at IS NULL THEN workflows.max_active ELSE 0 END,
    executor_limits.most, workflows.slug
FROM ready_nodes
JOIN nodes ON nodes.id = ready_nodes.node_id JOIN jobs ON jobs.id = nodes.run_id
JOIN workflows ON workflows.id = jobs.workflow_id
LEFT JOIN executor_limits ON executor_limits.executor = nodes.executor
WHERE ready_nodes.node_id = %s AND NOT ready_nodes.held
"""
_PAYLOADS = """
SELECT NULL::text, data->'input' FROM event_tracking WHERE run_id = %s AND seq = 1
UNION ALL
SELECT nodes.key, event.data->'output' FROM nodes
JOIN event_tracking AS event ON event.run_id = nodes.run_id AND event.seq = nodes.output_seq
WHERE nodes.run_id = %s AND nodes.key = ANY(%s::text[])
"""


class Ready(NamedTuple):
    """A node that waits for a worker; `attempts` are those begun before."""

    id: int
    run_id: uuid.UUID
    key: str
    attempts: int
    version_id: int
    # Whether its time has come: it may have to wait out a pause after a failed attempt.
    is_due: bool
    executor: str
    workflow_id: int
    # Runs of the workflow that may be active at once: none while it is paused; None: any number.
    most_active: int | None
    # What the operator allows of the executor; None: what it declares itself.
    most_in_flight: int | None
    # What the workflow is called.
    workflow: str


def ready(node_id: int, now: datetime) -> Ready | None:
    """The node, if no worker has claimed it, its run goes on and no limit holds it."""
    with plain_cursor() as cursor:
        cursor.execute(_READY, [now, node_id])
        row = cursor.fetchone()
    return Ready(*row) if row else None


def payloads(run_id: uuid.UUID, keys: Iterable[str]) -> dict[str, Any]:
    """What paths lead into: the run's input, and the outputs of these nodes.

    The output of a node without one (a skipped one) is null, so that a join can tell which
    branch was taken.
    """
    nodes: dict[str, Any] = {key: {"output": None} for key in keys}
    found: dict[str, Any] = {"data": None, "nodes": nodes}
    with plain_cursor() as cursor:
        cursor.execute(_PAYLOADS, [run_id, run_id, list(nodes)])
        for key, text in cursor.fetchall():
            value = None if text is None else json.loads(text)
            if key is None:
                found["data"] = value
            else:
                nodes[key]["output"] = value
    return found
