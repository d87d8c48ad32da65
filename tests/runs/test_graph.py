"""Definitions: every problem is said with its node's name; what is next follows from states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import graph
from runs.graph import DefinitionError
from runs.states import NodeStatus
from tests.runs.conftest import executor_node

KNOWN = {"probe.noop"}
DONE, SKIPPED, PENDING = NodeStatus.COMPLETED, NodeStatus.SKIPPED, NodeStatus.PENDING


def branch(key="route", to=("left",), default=("right",), needs=()):
    when = {"value": "$.data.total", "greater_than": 5}
    return {
        "id": key, "kind": "branch", "needs": list(needs), "default": list(default),
        "paths": [{"name": "large", "when": when, "to": list(to)}],
    }  # fmt: skip


def problems(*nodes, **fields):
    with pytest.raises(DefinitionError) as caught:
        graph.parse({"nodes": list(nodes), **fields}, KNOWN)
    return [(p.node, p.message) for p in caught.value.problems]


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"nodes": []}, {"nodes": {}}])
def test_what_is_no_graph_is_refused(value):
    with pytest.raises(DefinitionError, match="nodes"):
        graph.parse(value, KNOWN)


@pytest.mark.parametrize(
    ("nodes", "node", "message"),
    [
        ([executor_node("a", needs=["b"]), executor_node("b", needs=["a"])], "a",
         "is part of a cycle: a → b → a"),
        ([executor_node("a", needs=["a"])], "a", "needs itself"),
        ([executor_node("a", needs=["ghost"])], "a", "needs the unknown node “ghost”"),
        ([executor_node("a", "ghost.run")], "a", "unknown executor “ghost.run”"),
        ([executor_node("a"), executor_node("a")], "a", "stands twice"),
        ([executor_node("a", retries=-1)], "a", "“retries” is a whole number from 0 to 20"),
        ([executor_node("a", timeout_seconds=0)], "a", "“timeout_seconds” is a number above 0"),
        ([executor_node("a", retries=True)], "a", "“retries” is a whole number"),
        ([executor_node("a", backoff_seconds=3601)], "a",
         "“backoff_seconds” is a number from 0 to 3,600"),
        ([executor_node("a", colour="red")], "a", "unknown field colour"),
        ([{"id": "a", "kind": "magic"}], "a", "unknown kind 'magic'"),
        ([executor_node("a", input={"x": "$.typo.y"})], "a", "begins with none of $.data"),
        ([executor_node("a", input={"x": "$.data[?"})], "a", "is not a JSONPath"),
        ([executor_node("a", input={"x": "$.nodes.b.output"}), executor_node("b")], "a",
         "reads the output of “b”, which does not run before it"),
        ([executor_node("a", input={"x": "$.nodes.z.output"})], "a", "unknown node “z”"),
        ([branch(to=("left",)), executor_node("left"), executor_node("right", needs=["route"])],
         "route", "leads to “left”, which does not list it under “needs”"),
        ([branch(to=("ghost",), default=())], "route", "leads to the unknown node “ghost”"),
        ([branch(to=("left",), default=()), executor_node("left", needs=["route"]),
          executor_node("lost", needs=["route"])],
         "lost", "is unreachable: no path of route leads to it"),
        ([{"id": "b", "kind": "branch", "paths": [{"when": {"value": "$.data.x"}, "to": []}]}], "b",
         "path 1: a condition has a “value” and one of"),
    ],
)  # fmt: skip
def test_a_problem_names_its_node(nodes, node, message):
    assert any(n == node and message in m for n, m in problems(*nodes)), problems(*nodes)


def test_all_problems_are_told_at_once():
    found = problems(executor_node("a", "x.y", retries=99), executor_node("b", needs=["q"]))
    assert {node for node, _ in found} == {"a", "b"}
    assert len(found) == 3


@pytest.mark.parametrize("bad", ["A", "1a", "a-b", "a" * 65, "", None, 7, "a\n"])
def test_a_bad_id_is_refused(bad):
    assert (
        "needs an “id”" in problems({"id": bad, "kind": "executor", "executor": "probe.noop"})[0][1]
    )


def test_schema_and_output_are_checked():
    found = problems(
        executor_node("a"), input_schema={"type": 7}, output={"x": "$.nodes.b.output"},
        start_deadline_seconds=0,
    )  # fmt: skip
    text = " ".join(message for _, message in found)
    assert "is not a JSON Schema" in text
    assert "reads the unknown node “b”" in text
    assert "start_deadline_seconds" in text


@pytest.mark.parametrize("bad", [0, -1, True, "1", 1e300, float("nan"), 30 * 86_400 + 1])
def test_a_start_deadline_is_at_most_thirty_days(bad):
    (problem,) = problems(executor_node("a"), start_deadline_seconds=bad)
    assert problem == (
        "", "“start_deadline_seconds” is a number above 0, up to 2,592,000",
    )  # fmt: skip


def test_too_many_nodes_are_refused():
    assert "more than 1,000 nodes" in problems(*[executor_node(f"n{i}") for i in range(1001)])[0][1]


def parsed(*nodes):
    return graph.parse({"nodes": list(nodes)}, KNOWN)


def states(**given):
    return {
        key: value if isinstance(value, tuple) else (value, None) for key, value in given.items()
    }


DIAMOND = (
    executor_node("start"),
    branch(needs=["start"]),
    executor_node("left", needs=["route"]),
    executor_node("deeper", needs=["left"]),
    executor_node("right", needs=["route"]),
    executor_node("join", needs=["deeper", "right"]),
)


def test_roots_are_ready_first():
    assert parsed(*DIAMOND).roots == ["start"]


def test_a_path_not_taken_is_skipped_down_to_the_join_which_waits_for_the_other():
    now = states(start=DONE, route=(DONE, ["right"]), left=PENDING, deeper=PENDING,
                 right=PENDING, join=PENDING)  # fmt: skip
    assert parsed(*DIAMOND).advance(now) == (["right"], ["left", "deeper"])


def test_a_join_runs_once_all_its_live_branches_are_done():
    now = states(start=DONE, route=(DONE, ["right"]), left=SKIPPED, deeper=SKIPPED,
                 right=DONE, join=PENDING)  # fmt: skip
    assert parsed(*DIAMOND).advance(now) == (["join"], [])


def test_a_join_whose_branches_are_all_skipped_is_skipped():
    now = states(start=DONE, route=(DONE, []), left=PENDING, deeper=PENDING,
                 right=PENDING, join=PENDING)  # fmt: skip
    ready, skipped = parsed(*DIAMOND).advance(now)
    assert (ready, set(skipped)) == ([], {"left", "right", "deeper", "join"})


def test_pauses_double_up_to_an_hour():
    spec = parsed(executor_node("a", backoff_seconds=10)).nodes["a"]
    assert [spec.backoff(n) for n in (1, 2, 3)] == [10, 20, 40]
    assert spec.backoff(20) == 3600


def test_a_thousand_nodes_in_a_row_are_checked_quickly_enough_to_be_checked_at_all():
    nodes = [executor_node("n0")]
    nodes += [executor_node(f"n{i}", needs=[f"n{i - 1}"]) for i in range(1, 1000)]
    built = parsed(*nodes)
    after = {key: (DONE if key == "n0" else PENDING, None) for key in built.nodes}
    assert built.advance(after) == (["n1"], [])


@st.composite
def graphs_under_way(draw):
    """A graph, the states of its nodes as a run may have them, and one that has just completed."""
    count = draw(st.integers(2, 9))
    keys = [f"n{number}" for number in range(count)]
    nodes = [
        {"id": key, "kind": "executor", "executor": "probe.noop",
         "needs": draw(st.lists(st.sampled_from(keys[:place]), unique=True)) if place else []}
        for place, key in enumerate(keys)
    ]  # fmt: skip
    flow = parsed(*nodes)
    now = dict.fromkeys(keys, (NodeStatus.PENDING, None))
    completed = None
    for _ in range(draw(st.integers(1, count))):
        ready, _ = flow.advance(now)
        if not ready:
            break
        completed = draw(st.sampled_from(ready))
        now[completed] = (NodeStatus.COMPLETED, None)
    assert completed is not None
    before, _ = flow.advance({**now, completed: (NodeStatus.RUNNING, None)})
    for key in before:  # they were queued already
        now[key] = (NodeStatus.QUEUED, None)
    return flow, now, completed


@given(graphs_under_way())
def test_what_is_next_is_the_same_whether_all_nodes_are_looked_at_or_those_around(found):
    flow, now, completed = found
    done = sum(status == NodeStatus.COMPLETED for status, _ in now.values())
    around = flow.frontier.around(completed, done)
    ready, skipped = flow.advance(now)
    assert flow.next_after(completed, {key: now[key] for key in now if key in around}) == ready
    near = flow.frontier.near(completed, most=len(now))
    if near is not None:
        assert near >= around
        assert flow.next_after(completed, {key: now[key] for key in near}) == ready
    assert skipped == []


def test_of_many_side_by_side_only_the_last_looks_at_the_others():
    sides = [{"id": f"s{n}", "kind": "executor", "executor": "probe.noop", "needs": ["first"]}
             for n in range(500)]  # fmt: skip
    first = {"id": "first", "kind": "executor", "executor": "probe.noop"}
    join = {**first, "id": "join", "needs": [side["id"] for side in sides]}
    flow = parsed(first, *sides, join)
    assert flow.frontier.around("s7", 400) == {"s7"}
    assert len(flow.frontier.around("s7", 501)) == 501
    assert flow.frontier.near("s7", 16) is None
    assert flow.frontier.near("first", 16) is None
    assert flow.frontier.near("join", 16) == {"join"}
