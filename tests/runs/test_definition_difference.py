"""What differs between two definitions."""

import time

from runs import definition_difference
from tests.runs.conftest import executor_node


def node(key, **fields):
    return {"id": key, "kind": "executor", "executor": "probe.noop", **fields}


BEFORE = {
    "description": "One.",
    "nodes": [node("a"), node("b", needs=["a"], retries=1), node("c", needs=["b"])],
}
AFTER = {
    "description": "Two.",
    "nodes": [node("a"), node("b", needs=["a"], retries=True), node("d", needs=["a"])],
}


def test_nodes_arrows_and_the_rest_are_told_apart():
    found = definition_difference.difference(BEFORE, AFTER)
    assert [(each.act, each.id) for each in found.nodes] == [
        ("changed", "b"), ("added", "d"), ("removed", "c"),
    ]  # fmt: skip
    # To Python 1 and true are the same.
    (change,) = found.nodes[0].changes
    assert (change.path, change.before, change.after) == ("retries", "1", "true")
    assert [(each.act, each.source, each.target) for each in found.edges] == [
        ("added", "a", "d"), ("removed", "b", "c"),
    ]  # fmt: skip
    assert [(each.path, each.before, each.after) for each in found.rest] == [
        ("description", '"One."', '"Two."')
    ]
    assert found.words == "1 node added, 1 removed, 1 changed"
    assert not found.is_empty


def test_the_same_definition_differs_in_nothing():
    found = definition_difference.difference(BEFORE, BEFORE)
    assert found.is_empty
    assert found.lines == ()


def test_nodes_that_only_moved_are_not_others():
    found = definition_difference.difference(BEFORE, {**BEFORE, "nodes": BEFORE["nodes"][::-1]})
    assert found.nodes == ()
    assert found.is_reordered
    assert not found.is_empty


def test_the_lines_rebuild_both_texts():
    found = definition_difference.difference(BEFORE, AFTER).lines
    numbered = [line for line in found if line.sign != "@"]
    added = [line.text.strip() for line in numbered if line.sign == "+"]
    assert added[0] == '"description": "Two.",'
    old = [line.before for line in numbered if line.before]
    new = [line.after for line in numbered if line.after]
    assert old == sorted(old)
    assert new == sorted(new)
    assert {line.sign for line in numbered} == {" ", "+", "-"}


def test_the_largest_definitions_are_compared_in_time():
    nodes = [executor_node(f"n{number}", needs=["n0"] if number else []) for number in range(1000)]
    other = [{**each, "retries": number % 3} for number, each in enumerate(nodes)]
    begun = time.monotonic()
    found = definition_difference.difference({"nodes": nodes}, {"nodes": other})
    assert time.monotonic() - begun < 10
    assert len(found.nodes) == definition_difference.MOST_NODES
    assert found.more_nodes == 800
    assert found.words == "1000 nodes changed"


def test_whatever_a_version_holds_can_be_compared():
    for one in ({"executed": "elsewhere"}, {"nodes": 1}, {"nodes": [1, {}]}, [], None):
        definition_difference.difference(one, AFTER)
        definition_difference.difference(AFTER, one)
