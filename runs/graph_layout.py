"""Where to draw the nodes of a workflow: in rows, each node below all that it needs. Pure.

The usual way for layered graphs: rank by the longest path, give a line a place in every row it
crosses, order the rows so that few lines cross, then move all towards their neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# More than this is not drawn: nobody could read it, and a page must stay small.
MAX_NODES = 400
MAX_LINES = 1_200
# Places that lines may take in the rows they cross; above it they run straight.
MAX_BENDS = 4_000
SWEEPS = 6

WIDTH, HEIGHT = 168.0, 34.0
GAP_X, GAP_Y = 16.0, 38.0
# A line's place in a row that it only crosses.
BEND = 8.0

Point = tuple[float, float]
Rows = list[list[str]]
Edges = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Box:
    id: str
    x: float
    y: float
    row: int


@dataclass(frozen=True, slots=True)
class Line:
    """From `source`, which `target` needs, through these points."""

    source: str
    target: str
    points: tuple[Point, ...]
    # Against the order of the rows: part of a cycle.
    is_back: bool = False

    @property
    def path(self) -> str:
        """The points as an SVG path: upright at each end of a piece, curved between."""
        (x, y), *rest = self.points
        if self.is_back:
            ((to_x, to_y),) = rest
            out = max(x, to_x) + GAP_X * 2
            return f"M{x:g} {y:g}C{out:g} {y:g} {out:g} {to_y:g} {to_x:g} {to_y:g}"
        parts = [f"M{x:g} {y:g}"]
        for to_x, to_y in rest:
            middle = (y + to_y) / 2
            parts.append(
                f"L{to_x:g} {to_y:g}"
                if to_x == x
                else f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
            )
            x, y = to_x, to_y
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Layout:
    width: float
    height: float
    rows: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def lay_out(needs: Mapping[str, Sequence[str]]) -> Layout | None:
    """A place for each node, in the given order where it is free; None for what is too large.

    Needs that are not nodes are left out. Cycles are drawn, with the line that closes them
    marked.
    """
    known = {
        key: [other for other in dict.fromkeys(others) if other in needs and other != key]
        for key, others in needs.items()
    }
    if len(known) > MAX_NODES or sum(map(len, known.values())) > MAX_LINES:
        return None
    ranks = _ranks(known)
    edges = [(other, key) for key, others in known.items() for other in others]
    onward = [(s, t) for s, t in edges if ranks[s] < ranks[t]]
    rows, chains = _with_bends(ranks, onward)
    above, below = _neighbours(chains)
    _order(rows, above, below)
    centres = _places(rows, known, above, below)
    return _drawn(rows, ranks, chains, edges, centres)


def _ranks(known: dict[str, list[str]]) -> dict[str, int]:
    """The row of each node; where a cycle blocks all that are left, its first node goes ahead."""
    ranks: dict[str, int] = {}
    followers: dict[str, list[str]] = {key: [] for key in known}
    for key, others in known.items():
        for other in others:
            followers[other].append(key)
    open_needs = {key: len(others) for key, others in known.items()}
    left = dict.fromkeys(known)
    ready = [key for key in known if not open_needs[key]]
    while left:
        key = ready.pop() if ready else next(iter(left))
        if key in ranks:
            continue
        del left[key]
        ranks[key] = 1 + max((ranks[other] for other in known[key] if other in ranks), default=-1)
        for follower in followers[key]:
            open_needs[follower] -= 1
            if not open_needs[follower]:
                ready.append(follower)
    return {key: ranks[key] for key in known}


def _with_bends(ranks: dict[str, int], edges: Edges) -> tuple[Rows, dict[tuple[str, str], Edges]]:
    """The rows with a place for each line that crosses them, and each line as its steps."""
    rows: Rows = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for key, rank in ranks.items():
        rows[rank].append(key)
    routed = sum(ranks[t] - ranks[s] - 1 for s, t in edges) <= MAX_BENDS
    chains: dict[tuple[str, str], Edges] = {}
    for source, target in edges:
        stops = [source]
        if routed:
            for rank in range(ranks[source] + 1, ranks[target]):
                stops.append(f"{source} {target} {rank}")  # ids have no blanks
                rows[rank].append(stops[-1])
        stops.append(target)
        chains[source, target] = list(pairwise(stops))
    return rows, chains


def _neighbours(
    chains: dict[tuple[str, str], Edges],
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for steps in chains.values():
        for upper, lower in steps:
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _order(rows: Rows, above: dict[str, list[str]], below: dict[str, list[str]]) -> None:
    """Sort each row by the mean place of its neighbours, down and up again."""
    place = {key: float(index) for row in rows for index, key in enumerate(row)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            wanted = {key: _mean([place[n] for n in near.get(key, ())], place[key]) for key in row}
            row.sort(key=wanted.__getitem__)  # stable: what is alike keeps the given order
            place.update((key, float(index)) for index, key in enumerate(row))


def _places(
    rows: Rows,
    known: dict[str, list[str]],
    above: dict[str, list[str]],
    below: dict[str, list[str]],
) -> dict[str, float]:
    """The middle of each place, near its neighbours' as far as the row has room."""
    half = {key: (WIDTH if key in known else BEND) / 2 for row in rows for key in row}
    centres: dict[str, float] = {}
    for row in rows:
        centres.update(zip(row, _spread([0.0] * len(row), row, half), strict=True))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            wanted = [_mean([centres[n] for n in near.get(k, ())], centres[k]) for k in row]
            centres.update(zip(row, _spread(wanted, row, half), strict=True))
    left = min((centres[key] - half[key] for key in centres), default=0.0)
    return {key: round(centre - left, 1) for key, centre in centres.items()}


def _spread(wanted: list[float], row: list[str], half: dict[str, float]) -> list[float]:
    """Places nearest to the wanted ones that keep the row's order and distances.

    Blocks of places that would overlap are moved as one to their mean wanted place.
    """
    offsets, offset = [], 0.0
    for index, key in enumerate(row):
        if index:
            offset += half[row[index - 1]] + half[key] + GAP_X
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(wanted):
        total, count = value - offsets[index], 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before, members = blocks.pop()
            total, count = total + before, count + members
        blocks.append((total, count))
    starts = [total / count for total, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _drawn(
    rows: Rows,
    ranks: dict[str, int],
    chains: dict[tuple[str, str], Edges],
    edges: Edges,
    centres: dict[str, float],
) -> Layout:
    def top(row: int) -> float:
        return row * (HEIGHT + GAP_Y)

    boxes = [
        Box(key, round(centres[key] - WIDTH / 2, 1), top(index), index)
        for index, row in enumerate(rows)
        for key in row
        if key in ranks
    ]
    lines = []
    for source, target in edges:
        if (source, target) not in chains:
            sides = [
                (centres[key] + WIDTH / 2, top(ranks[key]) + HEIGHT / 2) for key in (source, target)
            ]
            lines.append(Line(source, target, tuple(sides), is_back=True))
            continue
        bends: list[Point] = []
        for upper, _ in chains[source, target][1:]:
            y = top(int(upper.rsplit(" ", 1)[1]))
            bends += [(centres[upper], y), (centres[upper], y + HEIGHT)]
        start = (centres[source], top(ranks[source]) + HEIGHT)
        lines.append(Line(source, target, (start, *bends, (centres[target], top(ranks[target])))))
    width = max((centres[key] + WIDTH / 2 for key in ranks), default=0.0)
    if any(line.is_back for line in lines):
        width += GAP_X * 2
    return Layout(
        width=max([width, *(x + BEND for line in lines for x, _ in line.points)]),
        height=top(len(rows)) - GAP_Y if rows else 0.0,
        rows=len(rows),
        boxes=tuple(boxes),
        lines=tuple(lines),
    )
