"""How the nodes of a definition hang together: edges, order, who reads whom. Pure."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from runs.graph.fields import Problems
from runs.graph.spec import NodeSpec


def check(problems: Problems, nodes: dict[str, NodeSpec]) -> None:
    _edges(problems, nodes)
    _reads(problems, nodes, _order(problems, nodes))


def _edges(problems: Problems, nodes: dict[str, NodeSpec]) -> None:
    for node in nodes.values():
        for other in node.needs:
            if other == node.id:
                problems.say(node.id, "needs itself")
            elif other not in nodes:
                problems.say(node.id, f"needs the unknown node “{other}”")
        for target in sorted(node.targets):
            if target not in nodes:
                problems.say(node.id, f"leads to the unknown node “{target}”")
            elif node.id not in nodes[target].needs:
                problems.say(node.id, f"leads to “{target}”, which does not list it under “needs”")
        _unreachable(problems, node, nodes)


def _unreachable(problems: Problems, node: NodeSpec, nodes: dict[str, NodeSpec]) -> None:
    sources = [nodes[other] for other in node.needs if other in nodes]
    if sources and all(
        source.kind == "branch" and node.id not in source.targets for source in sources
    ):
        names = ", ".join(source.id for source in sources)
        problems.say(node.id, f"is unreachable: no path of {names} leads to it")


def _order(problems: Problems, nodes: dict[str, NodeSpec]) -> list[str]:
    try:
        sorter = TopologicalSorter(
            {node.id: [n for n in node.needs if n in nodes] for node in nodes.values()}
        )
        return list(sorter.static_order())
    except CycleError as error:
        ring = list(reversed(error.args[1]))
        problems.say(ring[0], f"is part of a cycle: {' → '.join(ring)}")
        return []


def _reads(problems: Problems, nodes: dict[str, NodeSpec], order: list[str]) -> None:
    """A node may read only what must have been settled before it starts."""
    above: dict[str, set[str]] = {}
    for key in order:
        known = [need for need in nodes[key].needs if need in nodes]
        above[key] = set(known).union(*(above[need] for need in known))
        for other in sorted(nodes[key].reads() - above[key]):
            if other not in nodes:
                problems.say(key, f"reads the output of the unknown node “{other}”")
            else:
                problems.say(key, f"reads the output of “{other}”, which does not run before it")
