"""The drawn graph of a definition, also of one that is not sound yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from runs import graph_layout
from runs.definition_places import places
from runs.graph import MAX_NODES

# Characters of a name that a box has room for, and those of a path's name beside an arrow.
BOX_CHARACTERS = 18
PATH_CHARACTERS = 22
PATH_CHARACTER_WIDTH = 5.8
# Room around the drawing, for strokes and arrow heads.
MARGIN = 4
ICONS = {
    "executor": "play_circle",
    "branch": "alt_route",
    "http": "language",
    "llm": "neurology",
    "human": "person",
}
OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it stands in the text, whatever is wrong with it."""

    id: str
    kind: str
    executor: str
    needs: tuple[str, ...]
    # Path names by the node that they lead to.
    paths: tuple[tuple[str, str], ...]
    line: int | None
    is_bad: bool

    @property
    def icon(self) -> str:
        return ICONS.get(self.kind, "help")

    @property
    def what(self) -> str:
        """What it does, in a word or two."""
        return self.executor or self.kind

    @property
    def short(self) -> str:
        return _short(self.id, BOX_CHARACTERS)


@dataclass(frozen=True, slots=True)
class Shape:
    node: Node
    x: float
    y: float
    # The branch's paths that lead here.
    path: str

    @property
    def middle(self) -> float:
        return self.x + graph_layout.WIDTH / 2

    @property
    def right(self) -> float:
        """Where the path's name ends."""
        return self.middle + 10 + PATH_CHARACTER_WIDTH * len(self.path)


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: tuple[Node, ...]
    rows: int = 0
    width: float = 0
    height: float = 0
    shapes: tuple[Shape, ...] = ()
    lines: tuple[graph_layout.Line, ...] = ()

    @property
    def is_drawn(self) -> bool:
        return bool(self.shapes)

    @property
    def least_width(self) -> int:
        """To fit, it may shrink to this, so that its names can still be read."""
        return round(self.width * 0.8)

    @property
    def view_box(self) -> str:
        return f"{-MARGIN} {-MARGIN} {self.width:g} {self.height:g}"


def draw(definition: Any, text: str, bad: Collection[str] = ()) -> Drawing | None:
    """None where the definition has no nodes at all."""
    nodes = _nodes(definition, text, bad)
    if not nodes:
        return None
    layout = graph_layout.lay_out({node.id: node.needs for node in nodes})
    if layout is None:
        return Drawing(tuple(nodes))
    by_id = {node.id: node for node in nodes}
    leads: dict[str, list[str]] = {key: [] for key in by_id}
    for node in nodes:
        for target, name in node.paths:
            if target in leads:
                leads[target].append(name)
    shapes = tuple(
        Shape(by_id[box.id], box.x, box.y, _short(" · ".join(leads[box.id]), PATH_CHARACTERS))
        for box in layout.boxes
    )
    return Drawing(
        nodes=tuple(nodes),
        rows=layout.rows,
        width=max([layout.width, *(shape.right for shape in shapes)]) + 2 * MARGIN,
        height=layout.height + 2 * MARGIN,
        shapes=shapes,
        lines=layout.lines,
    )


def _nodes(definition: Any, text: str, bad: Collection[str]) -> list[Node]:
    rows = definition.get("nodes") if isinstance(definition, dict) else None
    where = places(text, definition)
    found: dict[str, Node] = {}
    for raw in rows[:MAX_NODES] if isinstance(rows, list) else ():
        key = raw.get("id") if isinstance(raw, dict) else None
        if not isinstance(key, str) or not key or key in found:
            continue
        found[key] = Node(
            id=key,
            kind=str(raw.get("kind", "")),
            executor=raw["executor"] if isinstance(raw.get("executor"), str) else "",
            needs=_ids(raw.get("needs")),
            paths=tuple(_paths(raw)),
            line=where.line(key),
            is_bad=key in bad,
        )
    return list(found.values())


def _paths(raw: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    rows = raw.get("paths")
    for number, row in enumerate(rows if isinstance(rows, list) else (), 1):
        if isinstance(row, dict):
            name = row.get("name")
            word = name if isinstance(name, str) and name else f"path {number}"
            found += [(target, word) for target in _ids(row.get("to"))]
    return found + [(target, OTHERWISE) for target in _ids(raw.get("default"))]


def _ids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
