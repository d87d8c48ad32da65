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
    return kinds(steps.fail(found, GRAPH, "a", attempt, error, timezone.now(), before=SAID))


def test_a_result_that_was_recorded_already_adds_nothing():
    assert complete(snapshot(NodeStatus.COMPLETED)) == []
    assert complete(snapshot(NodeStatus.COMPLETED, state="completed")) == []


def test_a_failure_that_was_recorded_already_adds_nothing():
    assert fail(snapshot(NodeStatus.QUEUED, failures=1, error_kind="Broken")) == []
    assert fail(snapshot(NodeStatus.FAILED, failures=1, error_kind="Broken", state="failed")) == []


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


def test_a_claim_is_refused_unless_the_node_is_queued():
    spec = GRAPH.nodes["a"]
    for status in set(NodeStatus) - {NodeStatus.QUEUED}:
        assert steps.claim(snapshot(status), "a", "w", {}, spec) == []
    assert steps.claim(snapshot(NodeStatus.QUEUED, state="terminated"), "a", "w", {}, spec) == []
    begun = steps.claim(snapshot(NodeStatus.QUEUED, attempts=3), "a", "w", {}, spec)
    assert [(e.kind, e.attempt) for e in begun] == [(Kind.NODE_STARTED, 4)]


def test_lost_attempts_do_not_use_up_retries_but_are_bounded():
    def lose(attempts, failures=0):
        found = snapshot(NodeStatus.RUNNING, attempts=attempts, failures=failures)
        return steps.lose(found, GRAPH, "a", attempts, "w", timezone.now())[0].data

    assert "retry_at" in lose(1)
    assert "retry_at" in lose(steps.MAX_LOST, failures=1)
    assert "retry_at" not in lose(steps.MAX_LOST)
