"""Decisions that need an answer lost on its way, or a worker that comes back too late."""

import pytest
from django.utils import timezone

from runs import ids
from runs.engine import steps
from runs.graph import parse
from runs.recorder import Snapshot
from runs.rows import NewEvent, NodeRow, RunRow
from runs.states import Kind, NodeStatus
from tests.runs.conftest import executor_node

GRAPH = parse({"nodes": [executor_node("a", retries=1), executor_node("b", needs=["a"])]})
SPEC = GRAPH.nodes["a"]
SAID = [NewEvent(Kind.LOG, "a", 1)]


def snapshot(status, attempts=1, state="active", **fields):
    run_id = ids.new_id()
    run = RunRow(id=run_id, version_id=1, state=state, state_seq=2, last_seq=5)
    node = NodeRow(run_id, "a", 0, "executor", "probe.noop", status, attempts=attempts, **fields)
    other = NodeRow(run_id, "b", 1, "executor", "probe.noop", NodeStatus.PENDING)
    return Snapshot(run, {"a": node, "b": other})


def kinds(events):
    return [event.kind for event in events]


def complete(found, attempt=1):
    return kinds(steps.complete(found, GRAPH, "a", attempt, {}, before=SAID))


def fail(found, attempt=1):
    error = {"kind": "Broken", "message": "x", "trace": ""}
    return kinds(steps.fail(found, SPEC, attempt, error, timezone.now(), before=SAID))


@pytest.mark.parametrize(
    "found",
    [
        snapshot(NodeStatus.QUEUED, error_kind=steps.LOST),
        snapshot(NodeStatus.RUNNING, attempts=2),
        snapshot(NodeStatus.TERMINATED, state="terminated"),
    ],
)
def test_what_comes_too_late_is_kept_as_that(found):
    assert complete(found) == fail(found) == [Kind.LOG, Kind.LATE_RESULT]


def claim(found, before):
    return [(e.kind, e.attempt) for e in steps.claim(found, "a", before, "w", {}, SPEC)]


def test_a_claim_is_refused_unless_the_node_is_queued():
    for status in set(NodeStatus) - {NodeStatus.QUEUED}:
        assert claim(snapshot(status), 1) == []
    assert claim(snapshot(NodeStatus.QUEUED, state="terminated"), 1) == []
    assert claim(snapshot(NodeStatus.QUEUED, attempts=3), 3) == [(Kind.NODE_STARTED, 4)]


def test_a_claim_is_refused_where_the_node_was_tried_meanwhile_and_waits_again():
    assert claim(snapshot(NodeStatus.QUEUED, attempts=4), 3) == []


def test_lost_attempts_do_not_use_up_retries_but_are_bounded():
    def lose(attempts, failures=0):
        found = snapshot(NodeStatus.RUNNING, attempts=attempts, failures=failures)
        return steps.lose(found, SPEC, attempts, "w", timezone.now())[0].data

    assert "retry_at" in lose(1)
    assert "retry_at" in lose(steps.MAX_LOST, failures=1)
    assert "retry_at" not in lose(steps.MAX_LOST)
