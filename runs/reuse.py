"""What a retry takes over of the run that it repeats, so that only the rest is done anew."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from runs import ids
from runs.definitions import graph_of
from runs.driver import plain_cursor
from runs.engine import steps
from runs.graph import DefinitionError, Graph, Resumed
from runs.models import Node, Run
from runs.rows import Copied, NewEvent
from runs.states import Kind, NodeStatus

# Which of these events are not there: they were archived.
_MISSING = """
SELECT DISTINCT run_id FROM unnest(%s::uuid[], %s::int[]) AS wanted(run_id, seq)
WHERE NOT EXISTS (
    SELECT FROM event_tracking AS e WHERE e.run_id = wanted.run_id AND e.seq = wanted.seq
)
"""
_PATHS = """
SELECT run_id, seq, data->'output'->>'path'
FROM unnest(%s::uuid[], %s::int[]) AS wanted(of_run, of_seq)
JOIN event_tracking ON run_id = of_run AND seq = of_seq
"""


@dataclass(frozen=True, slots=True)
class Reuse:
    """How the retry of one run begins."""

    plan: Resumed
    events: list[NewEvent]


def plan_of(run: Run) -> Resumed:
    """What a retry would take over of this run, and what it would do anew.

    Raises DefinitionError.
    """
    nodes = Node.objects.filter(run=run.pk).only("key", "status", "selected")
    return _plan(graph_of(run.version_id), list(nodes))


def reuse_of(runs: Sequence[Run]) -> tuple[dict[uuid.UUID, Reuse], dict[uuid.UUID, str]]:
    """For each of these runs what to take over, or why nothing can be."""
    found: dict[uuid.UUID, tuple[Graph, Resumed]] = {}
    refused: dict[uuid.UUID, str] = {}
    nodes: dict[uuid.UUID, dict[str, Node]] = {run.pk: {} for run in runs}
    for node in Node.objects.filter(run__in=list(nodes)).order_by():
        nodes[node.run_id][node.key] = node
    for run in runs:
        try:
            graph = graph_of(run.version_id)
            found[run.pk] = graph, _plan(graph, list(nodes[run.pk].values()))
        except DefinitionError as problem:
            refused[run.pk] = (
                f"version {run.version.number} no longer passes the checks, so it cannot go on"
                f" from there: {problem}"
            )
    kept = [nodes[pk][key] for pk, (_, plan) in found.items() for key in plan.kept]
    for run_id in _without_events(kept):
        del found[run_id]
        refused[run_id] = ARCHIVED
    paths = _paths([node for node in kept if node.kind == "branch" and node.run_id in found])
    return {
        pk: Reuse(plan, _events(pk, graph, plan, nodes[pk], paths))
        for pk, (graph, plan) in found.items()
    }, refused


ARCHIVED = "its log is archived: restore it first, then retry"


def _plan(graph: Graph, nodes: Sequence[Node]) -> Resumed:
    before = {node.key: (str(node.status), node.selected) for node in nodes}
    # A version's nodes are its run's; one that is missing all the same was not executed.
    return graph.resume({key: before.get(key, (NodeStatus.PENDING, None)) for key in graph.nodes})


def _without_events(nodes: Sequence[Node]) -> list[uuid.UUID]:
    if not nodes:
        return []
    with plain_cursor() as cursor:
        runs, seqs = [node.run_id for node in nodes], [node.output_seq for node in nodes]
        cursor.execute(_MISSING, [runs, seqs])
        return [run_id for (run_id,) in cursor.fetchall()]


def _paths(branches: Sequence[Node]) -> dict[tuple[uuid.UUID, int], str]:
    """What the paths are called that branches took: by their run and the event of their output."""
    if not branches:
        return {}
    with plain_cursor() as cursor:
        runs, seqs = [node.run_id for node in branches], [node.output_seq for node in branches]
        cursor.execute(_PATHS, [runs, seqs])
        return {(run_id, seq): path or "" for run_id, seq, path in cursor.fetchall()}


def _events(
    run_id: uuid.UUID,
    graph: Graph,
    plan: Resumed,
    nodes: dict[str, Node],
    paths: dict[tuple[uuid.UUID, int], str],
) -> list[NewEvent]:
    events: list[NewEvent] = []
    states = {key: (str(NodeStatus.PENDING), None) for key in graph.nodes}
    for key in plan.kept:
        node = nodes[key]
        assert node.output_seq is not None  # it completed
        # Where it was executed, however many retries ago.
        source = ids.encode("run", node.reused_from or run_id)
        if node.selected is not None:
            path = paths.get((run_id, node.output_seq), "")
            chosen = {"selected": node.selected, "path": path, "reused_from": source}
            events.append(NewEvent(Kind.PATH_SELECTED, node=key, data=chosen))
        copied = Copied(run_id, node.input_seq, node.output_seq)
        told = {"reused_from": source}
        events.append(NewEvent(Kind.NODE_COMPLETED, node=key, data=told, copied=copied))
        states[key] = (NodeStatus.COMPLETED, node.selected)
    for key in plan.skipped:
        states[key] = (NodeStatus.SKIPPED, None)
        reason = steps.why_skipped(graph, key, states)
        events.append(NewEvent(Kind.NODE_SKIPPED, node=key, data={"reason": reason}))
    events += [NewEvent(Kind.NODE_QUEUED, node=key) for key in plan.ready]
    return events
