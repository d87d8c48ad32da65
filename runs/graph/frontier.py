"""Where a node stands in its graph, looked up, so that wide graphs cost no more a node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from runs.graph.spec import NodeSpec


class Frontier:
    def __init__(self, nodes: Mapping[str, NodeSpec]) -> None:
        self._needs = {key: node.needs for key, node in nodes.items()}
        # What needs a node, in the definition's order.
        self.following: dict[str, list[str]] = {key: [] for key in nodes}
        for key, needs in self._needs.items():
            for need in needs:
                self.following[need].append(key)
        self._above = self._count_above()

    def around(self, key: str, done: int) -> set[str]:
        """The nodes on which it depends what is next when `key` has ended, and with it `done`
        nodes in all: those that it may be the last one for, and what these need."""
        found = {key}
        for following in self.following[key]:
            # All that is above a node has ended before it can begin.
            if self._above[following] <= done:
                found.update((following, *self._needs[following]))
        return found

    def near(self, key: str, most: int) -> set[str] | None:
        """All that `around` may ever give for the node; None if these are more than `most`."""
        found = {key}
        for following in self.following[key]:
            needs = self._needs[following]
            if len(needs) >= most or len(found) > most:
                return None
            found.update((following, *needs))
        return found

    def _count_above(self) -> dict[str, int]:
        """How many nodes each one waits for, near and far. A set of them is the bits of a number:
        a thousand nodes in a row would be half a million entries otherwise."""
        bit = {key: 1 << place for place, key in enumerate(self._needs)}
        above: dict[str, int] = {}
        for key in TopologicalSorter(self._needs).static_order():
            found = 0
            for need in self._needs[key]:
                found |= above[need] | bit[need]
            above[key] = found
        return {key: found.bit_count() for key, found in above.items()}
