"""Limits: runs of a workflow that may be active at once, nodes of an executor in flight at once.

Who claims a node passes its gates: under the gate's lock, in the claim's own transaction, it counts
what goes on. Where the limit is reached the node is held, and stands in no index that is read for
hints. Whoever frees a place lets in the next that is held, in order.

A lock of a gate is taken after that of the run, and never waits for another run's.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.db import transaction

from runs.driver import plain_cursor
from runs.engine import registry
from runs.engine.reading import Ready
from runs.models import ExecutorLimit, Workflow
from runs.recorder import Snapshot
from runs.states import RunState

WORKFLOW, EXECUTOR = "workflow:", "executor:"
# What a gate that is open lets in at a time, and the gates that are looked at in one go.
MOST = 1_000
MOST_GATES = 500

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))"
_ACTIVE = """
SELECT count(*) FROM (
    SELECT FROM jobs WHERE workflow_id = %s AND state = 'active' AND source_id IS NULL LIMIT %s
) AS active
"""
_IN_FLIGHT = """
SELECT count(*) FROM leases JOIN nodes ON nodes.id = leases.node_id WHERE nodes.executor = %s
"""
# Let in already, and not taken up yet. One whose first hint nobody took up, as in a queue without
# a worker, is not waited for.
_RUNS_LET_IN = """
SELECT count(DISTINCT run_id) FROM ready_nodes JOIN jobs ON jobs.id = run_id
WHERE gate = %s AND NOT held AND hints <= 1 AND jobs.state = 'created'
"""
_NODES_LET_IN = "SELECT count(*) FROM ready_nodes WHERE gate = %s AND NOT held AND hints <= 1"
_HOLD_RUN = """
UPDATE ready_nodes SET gate = %s, held = true, hint_due = NULL, hints = 0
WHERE run_id = %s AND NOT held
"""
_HOLD_NODE = """
UPDATE ready_nodes SET gate = %s, held = true, hint_due = NULL, hints = 0 WHERE node_id = %s
"""
# What else was hinted at would be turned away one by one.
_HOLD_ALIKE = """
UPDATE ready_nodes SET gate = %s, held = true, hint_due = NULL, hints = 0 WHERE node_id IN (
    SELECT node_id FROM ready_nodes JOIN nodes ON nodes.id = node_id
    WHERE hint_due IS NOT NULL AND NOT held AND nodes.executor = %s
    ORDER BY node_id FOR UPDATE OF ready_nodes SKIP LOCKED
)
"""
_LET_IN_NODES = """
UPDATE ready_nodes SET held = false WHERE node_id IN (
    SELECT node_id FROM ready_nodes WHERE gate = %s AND held
    ORDER BY ready_at, node_id LIMIT %s FOR UPDATE SKIP LOCKED
)
"""
# A run begins with all of its first nodes.
_LET_IN_RUNS = """
UPDATE ready_nodes SET held = false WHERE gate = %(gate)s AND held AND run_id IN (
    SELECT run_id FROM (
        SELECT run_id, ready_at, node_id FROM ready_nodes WHERE gate = %(gate)s AND held
        ORDER BY ready_at, node_id LIMIT %(most)s
    ) AS first
    GROUP BY run_id ORDER BY min(ready_at), min(node_id) LIMIT %(free)s
)
"""
_HELD = """
WITH RECURSIVE shut AS (
    (SELECT gate FROM ready_nodes WHERE gate <> '' AND held ORDER BY gate LIMIT 1)
    UNION ALL
    SELECT (
        SELECT gate FROM ready_nodes WHERE gate > shut.gate AND gate <> '' AND held
        ORDER BY gate LIMIT 1
    ) FROM shut WHERE shut.gate IS NOT NULL
)
SELECT gate FROM shut WHERE gate IS NOT NULL LIMIT %s
"""
_OF_RUNS = """
SELECT DISTINCT workflows.id FROM jobs JOIN workflows ON workflows.id = jobs.workflow_id
WHERE jobs.id = ANY(%s) AND (workflows.max_active IS NOT NULL OR workflows.paused_at IS NOT NULL)
"""


class Place(NamedTuple):
    """What a node needs to pass, with the number that may be there at once."""

    gate: str
    most: int


def of_workflow(workflow_id: int) -> str:
    return f"{WORKFLOW}{workflow_id}"


def of_executor(name: str) -> str:
    return f"{EXECUTOR}{name}"


def of_runs(run_ids: Collection[uuid.UUID]) -> list[str]:
    """The gates at which the end of these runs may let others in."""
    if not run_ids:
        return []
    with plain_cursor() as cursor:
        cursor.execute(_OF_RUNS, [list(run_ids)])
        return [of_workflow(workflow_id) for (workflow_id,) in cursor.fetchall()]


def of_node(node: Ready) -> list[str]:
    """The gates of a node that is executed: what it frees there others may have."""
    return [place.gate for place in (_of_its_workflow(node), _of_its_executor(node)) if place]


def admit(found: Snapshot, node: Ready) -> bool:
    """Whether the node may be begun now. Call it in the transaction that begins it: else it is
    held, in the same transaction, so that who frees the place next finds it."""
    place = _of_its_workflow(node) if found.run.state == RunState.CREATED else None
    if place and not _is_free(place, _ACTIVE, [node.workflow_id, place.most]):
        with plain_cursor() as cursor:
            cursor.execute(_HOLD_RUN, [place.gate, node.run_id])
        return False
    place = _of_its_executor(node)
    if place and not _is_free(place, _IN_FLIGHT, [node.executor]):
        with plain_cursor() as cursor:
            cursor.execute(_HOLD_NODE, [place.gate, node.id])
            cursor.execute(_HOLD_ALIKE, [place.gate, node.executor])
        return False
    return True


def release(gates: Iterable[str] | None = None) -> int:
    """Let in what these gates hold, or all, as far as there is room; gives how many nodes.

    Each gate is a transaction of its own: call it outside of any other.
    """
    names = sorted(set(gates)) if gates is not None else held()
    if not names:
        return 0
    most = _limits(names)
    return sum(_release(gate, most[gate]) for gate in names if gate in most)


def held() -> list[str]:
    """The gates at which something waits."""
    with plain_cursor() as cursor:
        cursor.execute(_HELD, [MOST_GATES])
        return [gate for (gate,) in cursor.fetchall()]


def _of_its_workflow(node: Ready) -> Place | None:
    if node.most_active is None:
        return None
    return Place(of_workflow(node.workflow_id), node.most_active)


def _of_its_executor(node: Ready) -> Place | None:
    if not node.executor:
        return None
    most = node.most_in_flight or registry.limit_of(node.executor)
    return Place(of_executor(node.executor), most) if most else None


def _is_free(place: Place, count: str, given: list[object]) -> bool:
    if place.most == 0:
        return False
    with plain_cursor() as cursor:
        # A statement of its own: the next one sees what was committed while this one waited.
        cursor.execute(_LOCK, [place.gate])
        return _count(cursor, count, given) < place.most


def _count(cursor: object, statement: str, given: list[object]) -> int:
    cursor.execute(statement, given)  # type: ignore[attr-defined]
    return int(cursor.fetchone()[0])  # type: ignore[attr-defined]


def _limits(gates: Collection[str]) -> dict[str, int | None]:
    """What may be there at once; None: any number. Gates of which this process cannot tell, since
    it does not know the executor, are left to those that can."""
    ids = [int(gate.removeprefix(WORKFLOW)) for gate in gates if gate.startswith(WORKFLOW)]
    found: dict[str, int | None] = {
        of_workflow(workflow.pk): 0 if workflow.is_paused else workflow.max_active
        for workflow in Workflow.objects.filter(pk__in=ids).only("max_active", "paused_at")
    }
    names = [gate.removeprefix(EXECUTOR) for gate in gates if gate.startswith(EXECUTOR)]
    if names:
        limits = ExecutorLimit.objects.filter(executor__in=names)
        said = dict(limits.values_list("executor", "most"))
        for name in names:
            if name in said or registry.find(name) is not None:
                found[of_executor(name)] = said.get(name) or registry.limit_of(name)
    return found


def _release(gate: str, most: int | None) -> int:
    if most == 0:
        return 0
    of_runs = gate.startswith(WORKFLOW)
    name = gate.removeprefix(WORKFLOW if of_runs else EXECUTOR)
    with transaction.atomic(), plain_cursor() as cursor:
        cursor.execute(_LOCK, [gate])
        free = MOST
        if most is not None:
            free = min(most, MOST)
            if of_runs:
                free -= _count(cursor, _ACTIVE, [int(name), most])
                free -= _count(cursor, _RUNS_LET_IN, [gate]) if free > 0 else 0
            else:
                free -= _count(cursor, _IN_FLIGHT, [name])
                free -= _count(cursor, _NODES_LET_IN, [gate]) if free > 0 else 0
        if free <= 0:
            return 0
        if of_runs:
            cursor.execute(_LET_IN_RUNS, {"gate": gate, "most": MOST + free, "free": free})
        else:
            cursor.execute(_LET_IN_NODES, [gate, free])
        return cursor.rowcount
