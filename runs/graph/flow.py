"""Which nodes of a run are next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from runs import input_schema
from runs.graph.frontier import Frontier
from runs.graph.spec import NodeSpec
from runs.states import NODE_FINAL, NodeStatus


@dataclass(frozen=True, slots=True)
class Resumed:
    """How a run begins that takes over results, each list in an order in which it may happen."""

    kept: list[str]
    skipped: list[str]
    ready: list[str]
    # What follows from these.
    waiting: list[str]


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: Mapping[str, NodeSpec]
    input_schema: dict[str, Any]
    output: dict[str, Any]
    start_deadline_seconds: float | None
    # Executed by another system: its nodes appear in each run as they are heard of.
    elsewhere: bool = False
    _frontier: Frontier | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def roots(self) -> list[str]:
        return [node.id for node in self.nodes.values() if not node.needs]

    def check_input(self, value: Any) -> str:
        """What is wrong with a run's input; "" where it fits the workflow's schema."""
        return input_schema.violation(self.input_schema, value)

    def resume(self, before: Mapping[str, tuple[str, Any]]) -> Resumed:
        """What of an ended run still holds: results that follow from nothing but results.

        `before` is as `advance` takes it. What failed, was not begun or follows from such is to be
        done anew; what the choices of kept branches leave out is skipped.
        """
        now = dict.fromkeys(self.nodes, (str(NodeStatus.PENDING), None))
        found = Resumed([], [], [], [])
        for key in self.order():
            edges = [self._edge(source, key, now) for source in self.nodes[key].needs]
            if None in edges:
                found.waiting.append(key)
            elif edges and not any(edges):
                now[key] = (NodeStatus.SKIPPED, None)
                found.skipped.append(key)
            elif before[key][0] == NodeStatus.COMPLETED:
                now[key] = before[key]
                found.kept.append(key)
            else:
                found.ready.append(key)
        return found

    def order(self) -> list[str]:
        """The nodes, each after what it needs."""
        sorter = TopologicalSorter({node.id: node.needs for node in self.nodes.values()})
        return list(sorter.static_order())

    def _edge(self, source: str, target: str, states: Mapping[str, tuple[str, Any]]) -> bool | None:
        """Whether a dependency is live; None while that is open."""
        status, selected = states[source]
        if status == NodeStatus.COMPLETED:
            spec = self.nodes[source]
            if spec.kind == "branch" and target in spec.targets:
                return target in (selected or ())
            return True
        return False if status in NODE_FINAL else None

    @property
    def frontier(self) -> Frontier:
        if self._frontier is None:
            object.__setattr__(self, "_frontier", Frontier(self.nodes))
        assert self._frontier is not None
        return self._frontier

    def next_after(self, key: str, states: Mapping[str, tuple[str, Any]]) -> list[str]:
        """As `advance` would have it: the nodes that can now run since `key` is completed, which
        is no branch, so that nothing is skipped. `states` has at least `frontier.around(key)`.
        """
        return [
            following
            for following in self.frontier.following[key]
            if states.get(following, ("", None))[0] == NodeStatus.PENDING
            and states.keys() >= set(self.nodes[following].needs)
            and None not in [self._edge(n, following, states) for n in self.nodes[following].needs]
        ]

    def advance(self, states: Mapping[str, tuple[str, Any]]) -> tuple[list[str], list[str]]:
        """The pending nodes that can now run, and those that never will.

        `states` maps each node to its status and, for a branch, what it selected. A node runs
        when all its dependencies are settled and at least one is live; when none is, it is
        skipped, and so on down the graph.
        """
        now = dict(states)
        ready: list[str] = []
        skipped: list[str] = []
        open_ids = [key for key, (status, _) in states.items() if status == NodeStatus.PENDING]
        changed = True
        while changed:
            changed = False
            for key in list(open_ids):
                edges = [self._edge(source, key, now) for source in self.nodes[key].needs]
                if None in edges:
                    continue
                open_ids.remove(key)
                if edges and not any(edges):
                    skipped.append(key)
                    now[key] = (NodeStatus.SKIPPED, None)
                    changed = True
                else:
                    ready.append(key)
        return ready, skipped
