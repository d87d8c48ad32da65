"""The drawn graph: below what it needs, never on top of each other, whatever is drawn."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import graph_layout
from runs.graph_layout import HEIGHT, MAX_NODES, WIDTH, lay_out


@st.composite
def graphs(draw, cyclic=False):
    count = draw(st.integers(1, 14))
    keys = [f"n{number}" for number in range(count)]
    needs = {}
    for index, key in enumerate(keys):
        choices = keys if cyclic else keys[:index]
        some = st.lists(st.sampled_from(choices), max_size=4, unique=True)
        needs[key] = draw(some) if choices else []
    shuffled = draw(st.permutations(keys))
    return {key: needs[key] for key in shuffled}


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_every_node_is_drawn_below_all_that_it_needs(needs):
    layout = lay_out(needs)
    row = {box.id: box.row for box in layout.boxes}
    assert set(row) == set(needs)
    assert all(row[other] < row[key] for key, others in needs.items() for other in others)
    assert all(row[key] == 0 for key, others in needs.items() if not others)


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(graphs(cyclic=True))
def test_no_box_covers_another_and_all_is_inside(needs):
    layout = lay_out(needs)
    by_row = {}
    for box in layout.boxes:
        by_row.setdefault(box.y, []).append(box.x)
        assert box.x >= -0.1
        assert box.x + WIDTH <= layout.width + 0.1
        assert box.y + HEIGHT <= layout.height
    for places in by_row.values():
        places.sort()
        assert all(b - a >= WIDTH for a, b in pairwise(places))


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(graphs(cyclic=True))
def test_every_need_is_a_line_between_its_boxes(needs):
    layout = lay_out(needs)
    wanted = {(o, k) for k, others in needs.items() for o in others if o != k}
    assert {(line.source, line.target) for line in layout.lines} == wanted
    boxes = {box.id: box for box in layout.boxes}
    for line in layout.lines:
        assert line.path.startswith("M")
        if not line.is_back:
            middle = boxes[line.target].x + WIDTH / 2
            assert abs(line.points[-1][0] - middle) < 0.2
            assert line.points[-1][1] == boxes[line.target].y


def test_a_line_across_rows_does_not_cross_the_box_between():
    layout = lay_out({"a": [], "b": ["a"], "c": ["b", "a"]})
    box = next(box for box in layout.boxes if box.id == "b")
    line = next(line for line in layout.lines if (line.source, line.target) == ("a", "c"))
    passing = [x for x, y in line.points if box.y <= y <= box.y + HEIGHT]
    assert len(passing) == 2
    assert all(x < box.x or x > box.x + WIDTH for x in passing)


def test_parallel_nodes_keep_the_order_of_the_definition():
    layout = lay_out({"start": [], **{key: ["start"] for key in "zyxw"}})
    places = {box.id: box.x for box in layout.boxes}
    assert places["z"] < places["y"] < places["x"] < places["w"]


def test_a_cycle_is_drawn_and_the_line_that_closes_it_is_marked():
    layout = lay_out({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["c"]})
    assert len(layout.boxes) == 4
    assert [(line.source, line.target) for line in layout.lines if line.is_back] == [("c", "a")]


def test_needs_that_are_no_nodes_are_left_out():
    layout = lay_out({"a": ["ghost", "a"]})
    assert layout.lines == ()
    assert len(layout.boxes) == 1


def test_nothing_gives_an_empty_drawing():
    assert lay_out({}) == graph_layout.Layout(0.0, 0.0, 0, (), ())


def test_what_is_too_large_is_not_drawn():
    assert lay_out({f"n{number}": [] for number in range(MAX_NODES + 1)}) is None
    keys = [f"n{number}" for number in range(60)]
    assert lay_out({key: keys[:index] for index, key in enumerate(keys)}) is None


def test_many_long_lines_run_straight_rather_than_fill_the_rows():
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(300)}
    for key in list(chain)[100:]:
        chain[key] = [*chain[key], "n0"]
    layout = lay_out(chain)
    assert max(len(line.points) for line in layout.lines) == 2


def test_the_same_graph_is_always_drawn_the_same():
    chosen = random.Random(7)
    needs = {f"n{i}": chosen.sample([f"n{j}" for j in range(i)], min(i, 2)) for i in range(40)}
    assert lay_out(needs) == lay_out(dict(needs))
