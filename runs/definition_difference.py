"""What differs between two definitions: their nodes, arrows, all else, and the text. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from runs import json_difference, json_text
from runs.json_difference import Change

# Nodes that are listed, and changes of each.
MOST_NODES: Final = 200
MOST_CHANGES: Final = 40
# Lines of a text that are compared, and lines of the comparison that are shown.
MOST_COMPARED: Final = 12_000
MOST_LINES: Final = 3_000
_CONTEXT: Final = 3
ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, slots=True)
class NodeChange:
    id: str
    act: str
    kind: str
    # Of a node that is in both.
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    act: str


@dataclass(frozen=True, slots=True)
class Line:
    """Of the text: `sign` is “+”, “-”, “ ”, or “@” for lines that are left out."""

    sign: str
    text: str
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    nodes: tuple[NodeChange, ...]
    more_nodes: int
    edges: tuple[Edge, ...]
    more_edges: int
    # Of all beside the nodes: description, input schema, output.
    rest: tuple[Change, ...]
    is_reordered: bool
    lines: tuple[Line, ...]
    # Why the texts are not compared, or not to their end.
    lines_note: str

    @property
    def is_empty(self) -> bool:
        return not (self.nodes or self.edges or self.rest or self.is_reordered)

    @property
    def words(self) -> str:
        """How many of what, such as “1 node added, 2 changed”."""
        counts = [sum(node.act == act for node in self.nodes) for act in (ADDED, REMOVED, CHANGED)]
        counts[2] += self.more_nodes
        found = [
            f"{count} {act}"
            for count, act in zip(counts, (ADDED, REMOVED, CHANGED), strict=True)
            if count
        ]
        if not found:
            return "the same nodes"
        first, _, rest = found[0].partition(" ")
        return ", ".join([f"{first} node{'' if first == '1' else 's'} {rest}", *found[1:]])


def difference(before: Any, after: Any) -> Difference:
    old, new = _nodes(before), _nodes(after)
    nodes = list(_node_changes(old, new))
    edges = _edges(old, new)
    lines, note = _lines(before, after)
    both = [key for key in old if key in new]
    return Difference(
        nodes=tuple(nodes[:MOST_NODES]),
        more_nodes=max(len(nodes) - MOST_NODES, 0),
        edges=tuple(edges[:MOST_NODES]),
        more_edges=max(len(edges) - MOST_NODES, 0),
        rest=tuple(json_difference.changes(_rest(before), _rest(after), MOST_CHANGES, "")),
        is_reordered=both != [key for key in new if key in old],
        lines=lines,
        lines_note=note,
    )


def _nodes(definition: Any) -> dict[str, dict[str, Any]]:
    rows = definition.get("nodes") if isinstance(definition, dict) else None
    return {
        str(row.get("id")): row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    }


def _rest(definition: Any) -> Any:
    if not isinstance(definition, dict):
        return definition
    return {name: part for name, part in definition.items() if name != "nodes"}


def _node_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[NodeChange]:
    for key, node in new.items():
        if key not in old:
            yield NodeChange(key, ADDED, _kind(node))
        elif found := json_difference.changes(old[key], node, MOST_CHANGES, ""):
            yield NodeChange(key, CHANGED, _kind(node), tuple(found))
    for key, node in old.items():
        if key not in new:
            yield NodeChange(key, REMOVED, _kind(node))


def _kind(node: dict[str, Any]) -> str:
    return str(node.get("executor") or node.get("kind") or "")


def _edges(old: dict[str, Any], new: dict[str, Any]) -> list[Edge]:
    before, after = _arrows(old), _arrows(new)
    added = [Edge(*pair, ADDED) for pair in after if pair not in before]
    return added + [Edge(*pair, REMOVED) for pair in before if pair not in after]


def _arrows(nodes: dict[str, Any]) -> dict[tuple[str, str], None]:
    """As an ordered set."""
    return {
        (need, key): None
        for key, node in nodes.items()
        for need in (node.get("needs") if isinstance(node.get("needs"), list) else ())
        if isinstance(need, str)
    }


def _lines(before: Any, after: Any) -> tuple[tuple[Line, ...], str]:
    old, new = (json_text.write(each).split("\n") for each in (before, after))
    if len(old) + len(new) > MOST_COMPARED:
        return (), "The definitions are too long to be compared line by line."
    found: list[Line] = []
    ended = 0
    matcher = difflib.SequenceMatcher(None, old, new)
    for number, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        start = group[0][1]
        if number or start:
            skipped = start - ended
            found.append(Line("@", f"{skipped:,} line{'' if skipped == 1 else 's'} the same"))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [Line(" ", old[i], i + 1, j1 + i - i1 + 1) for i in range(i1, i2)]
                continue
            found += [Line("-", old[i], before=i + 1) for i in range(i1, i2)]
            found += [Line("+", new[j], after=j + 1) for j in range(j1, j2)]
        ended = group[-1][2]
    if found and (left := len(old) - ended):
        found.append(Line("@", f"{left:,} line{'' if left == 1 else 's'} the same"))
    if len(found) > MOST_LINES:
        return tuple(found[:MOST_LINES]), f"The first {MOST_LINES:,} of {len(found):,} lines."
    return tuple(found), ""
