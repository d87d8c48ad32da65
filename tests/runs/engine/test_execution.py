"""What a run does on real workers while nothing goes wrong with them."""

import json
from datetime import timedelta

import pytest
from django.conf import settings

from runs import lifecycle
from runs.context import context_of
from runs.engine.tasks import execute
from runs.models import AuditEntry, LLMCall, Node, ReadyNode, Run
from runs.payload import MAX_DEPTH
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import kinds, node, wait_for, wait_for_end, wait_for_node

pytestmark = pytest.mark.django_db(transaction=True)


def payload(run, seq):
    return run.events.get(seq=seq).data


def test_a_chain_runs_to_its_end_with_every_step_in_the_log(worker, begin):
    run = wait_for_end(begin(executor_node("first"), executor_node("second", needs=["first"])))
    assert run.state == "completed"
    assert kinds(run) == [
        "run_created", "node_queued", "state_changed", "node_started", "node_completed",
        "node_queued", "node_started", "node_completed", "state_changed",
    ]  # fmt: skip
    assert (run.nodes_done, run.nodes_total, run.current_node) == (2, 2, "")
    assert run.created_at <= run.started_at <= run.completed_at
    assert not ReadyNode.objects.exists()


def test_branches_run_side_by_side(worker, begin, tmp_path):
    left, right = str(tmp_path / "left"), str(tmp_path / "right")
    run = begin(
        executor_node("left", "probe.meet", input={"mine": left, "other": right}),
        executor_node("right", "probe.meet", input={"mine": right, "other": left}),
        executor_node("join", needs=["left", "right"]),
    )
    assert wait_for_end(run).state == "completed"
    assert node(run, "join").started_at >= max(node(run, k).completed_at for k in ("left", "right"))


def test_inputs_come_from_the_run_and_from_earlier_nodes(worker, begin):
    run = begin(
        executor_node("a", "probe.echo", input={"x": "$.data.order.id", "y": [1, "$.data.tags"]}),
        executor_node("b", "probe.echo", needs=["a"], input={"all": "$.nodes.a.output"}),
        data={"order": {"id": 7}, "tags": ["red"]},
        output={"id": "$.nodes.b.output.all.x"},
    )
    run = wait_for_end(run)
    assert payload(run, node(run, "b").output_seq)["output"] == {"all": {"x": 7, "y": [1, ["red"]]}}


def test_a_path_that_leads_nowhere_fails_the_node_and_says_which(worker, begin):
    run = wait_for_end(begin(executor_node("a", "probe.echo", retries=3, input={"x": "$.data.no"})))
    assert (run.state, run.error_kind) == ("failed", "InputMissing")
    assert "$.data.no leads to nothing" in run.error_message
    assert node(run, "a").attempts == 1


def branching(**fields):
    return [
        executor_node("measure", "probe.echo", input={"total": "$.data.total"}),
        {
            "id": "route",
            "kind": "branch",
            "needs": ["measure"],
            "paths": [
                {
                    "name": "large",
                    "when": {"value": "$.nodes.measure.output.total", "greater_than": 100},
                    "to": ["approve"],
                }
            ],
            "default": ["file"],
        },
        executor_node("approve", needs=["route"]),
        executor_node("sign", needs=["approve"]),
        executor_node("file", needs=["route"]),
        executor_node("report", needs=["sign", "file"]),
    ]


@pytest.mark.parametrize(
    ("total", "taken", "skipped"),
    [(500, ["approve", "sign"], ["file"]), (5, ["file"], ["approve", "sign"])],
)
def test_a_branch_takes_one_path_and_the_join_runs(worker, begin, total, taken, skipped):
    run = wait_for_end(begin(*branching(), data={"total": total}))
    assert run.state == "completed"
    status = dict(Node.objects.filter(run=run).values_list("key", "status"))
    assert [status[key] for key in taken] == ["completed"] * len(taken)
    assert [status[key] for key in skipped] == ["skipped"] * len(skipped)
    assert status["report"] == "completed"
    selected = run.events.get(kind="path_selected").data
    assert selected["selected"] == [taken[0]]


def test_a_failed_attempt_is_repeated_after_a_growing_pause(worker, beat, begin):
    run = begin(executor_node("a", "probe.fail_until", input={"attempt": 3}, retries=2,
                              backoff_seconds=0.5))  # fmt: skip
    run = wait_for_end(run)
    assert run.state == "completed"
    first, second, third = node(run, "a").attempt_set.order_by("number")
    assert [a.status for a in (first, second, third)] == ["failed", "failed", "completed"]
    assert second.started_at - first.completed_at >= timedelta(seconds=0.5)
    assert third.started_at - second.completed_at >= timedelta(seconds=1)
    assert (first.error_kind, first.error_message) == ("Broken", "attempt 1")


def test_a_node_out_of_retries_fails_the_run_and_skips_the_rest(worker, beat, begin):
    run = begin(
        executor_node("a", "probe.fail", input={"message": "no such page"}, retries=1,
                      backoff_seconds=0),
        executor_node("b", needs=["a"]),
    )  # fmt: skip
    run = wait_for_end(run)
    assert (run.state, run.error_node, run.error_kind) == ("failed", "a", "Broken")
    assert run.reason == "a failed after 2 attempts"
    assert node(run, "b").status == "skipped"
    assert run.events.get(node="b").data["reason"] == "a failed"
    trace = payload(run, node(run, "a").error_seq)["error"]["trace"]
    assert "executors.py" in trace
    assert "raise Broken(message)" in trace


def test_a_permanent_error_is_not_repeated(worker, begin):
    run = begin(executor_node("a", "probe.fail", input={"permanent": True}, retries=5))
    assert wait_for_end(run).state == "failed"
    assert node(run, "a").attempts == 1


def test_nodes_in_flight_finish_before_a_failing_run_ends(worker, begin, tmp_path):
    go, begun = tmp_path / "go", str(tmp_path / "begun")
    run = begin(
        executor_node("slow", "probe.wait_for", input={"path": str(go), "mark": begun}),
        executor_node("bad", "probe.fail", input={"message": "x", "after": begun}),
        executor_node("after", needs=["slow"]),
    )
    wait_for_node(run, "bad", "failed")
    assert Run.objects.get(pk=run.pk).state == "active"
    go.touch()
    run = wait_for_end(run)
    assert run.state == "failed"
    assert node(run, "slow").status == "completed"
    assert node(run, "after").status == "skipped"


def test_a_node_that_takes_too_long_is_stopped(worker, begin, tmp_path):
    run = begin(executor_node("a", "probe.wait_for", timeout_seconds=0.5,
                              input={"path": str(tmp_path / "never")}))  # fmt: skip
    run = wait_for_end(run)
    assert (run.state, run.error_kind, run.error_message) == (
        "failed", "NodeTimeout", "not done after 0.5 s",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("executor", "inputs", "message"),
    [
        ("probe.large", {"size": settings.ENGINE_PAYLOAD_BYTES + 1}, "the limit is"),
        ("probe.not_json", {}, "not JSON"),
        ("probe.nest", {"levels": MAX_DEPTH + 1}, "the output is nested more than 100 levels"),
        ("probe.nest", {"levels": 900}, "the output is nested more than 100 levels"),
        ("probe.nest", {"levels": 50_000}, "the output is nested more than 100 levels"),
    ],
)
def test_an_output_that_cannot_be_stored_fails_the_node(worker, begin, executor, inputs, message):
    run = wait_for_end(begin(executor_node("a", executor, input=inputs, retries=3)))
    assert (run.error_kind, node(run, "a").attempts) == ("OutputInvalid", 1)
    assert message in run.error_message


def test_the_deepest_output_is_taken_and_no_node_gets_it_deeper(worker, begin):
    run = wait_for_end(
        begin(
            executor_node("a", "probe.nest", input={"levels": MAX_DEPTH}),
            executor_node(
                "b", "probe.echo", needs=["a"], input={"given": "$.nodes.a.output"}, retries=3
            ),
        )
    )
    assert node(run, "a").status == "completed"
    assert (run.error_node, run.error_kind, node(run, "b").attempts) == ("b", "InputInvalid", 1)
    assert run.error_message == "the node's input is nested more than 100 levels deep"
    # What is stored can be told to whoever asks.
    assert json.dumps(context_of(run)).count("{") > MAX_DEPTH


def test_what_an_executor_says_is_stored_at_once_and_before_its_result(worker, begin, tmp_path):
    go = tmp_path / "go"
    run = begin(executor_node("a", "probe.say_and_wait", input={"path": str(go)}))
    wait_for(lambda: run.events.filter(kind="log").exists(), "the line")
    # The executor still works: the line did not wait for its result.
    assert node(run, "a").status == "running"
    go.touch()
    wait_for_end(run)


def test_lines_keep_their_order_and_stand_before_the_result(worker, begin):
    run = wait_for_end(begin(executor_node("a", "probe.say", input={"lines": 300})))
    said = run.events.filter(node="a").order_by("seq")
    messages = [e.data["message"] for e in said if e.kind == "log"]
    assert messages == [f"line {n}" for n in range(300)]
    assert kinds(run, "a")[-1] == "node_completed"
    assert (node(run, "a").progress_done, node(run, "a").progress_total) == (300, 300)


@pytest.mark.parametrize("then", ["return", "fail"])
def test_model_calls_are_kept_also_when_the_attempt_fails(worker, begin, then):
    run = begin(executor_node("a", "probe.call_model", input={"calls": 3, "then": then}))
    run = wait_for_end(run)
    assert LLMCall.objects.filter(run=run).count() == 3
    assert (str(run.cost), run.input_tokens) == ("0.0030000000", 30)


def test_repeated_hints_execute_a_node_once(worker, begin, tmp_path):
    mark = tmp_path / "mark"
    run = begin(executor_node("a", "probe.wait_for", input={"path": "/", "mark": str(mark)}))
    for _ in range(20):
        execute.delay(node(run, "a").pk)
    wait_for_end(run)
    assert mark.read_text().count("\n") == 1


def test_an_input_that_breaks_the_schema_is_a_failed_run_that_never_started(begin):
    run = begin(
        executor_node("a"),
        input_schema={"type": "object", "required": ["document"]},
    )
    assert (run.state, run.started_at, run.error_kind) == ("failed", None, "InputInvalid")
    assert "document" in run.error_message
    assert run.completed_at is not None
    assert not ReadyNode.objects.exists()


def test_a_missing_executor_is_a_failed_run_that_says_which(begin):
    run = begin(executor_node("a", "nobody.knows"))
    assert (run.state, run.error_node, run.error_kind) == ("failed", "a", "ExecutorMissing")
    assert "nobody.knows" in run.error_message


def test_a_retry_is_a_new_run_with_the_same_input_linked_to_the_first(worker, begin):
    first = wait_for_end(begin(executor_node("a", "probe.fail"), data={"n": 1}))
    outcome = lifecycle.retry(Run.objects.filter(pk=first.pk), by=ANNA, reason="again")
    second = wait_for_end(Run.objects.get(pk=outcome.done[first.pk]))
    outcome = lifecycle.retry(Run.objects.filter(pk=second.pk), by=ANNA)
    third = wait_for_end(Run.objects.get(pk=outcome.done[second.pk]))
    assert (second.retry_of_id, second.first_id) == (first.pk, first.pk)
    assert (third.retry_of_id, third.first_id) == (second.pk, first.pk)
    assert third.version_id == first.version_id
    assert third.trigger == first.trigger
    assert payload(third, 1)["input"] == {"n": 1}
    assert AuditEntry.objects.filter(action="retry", reason="again", actor="anna").count() == 1


def test_only_failed_runs_are_retried(begin):
    run = begin(executor_node("a"))
    outcome = lifecycle.retry(Run.objects.filter(pk=run.pk), by=ANNA)
    assert not outcome.done
    assert "only failed runs" in outcome.skipped[run.pk]
    assert Run.objects.count() == 1


def test_a_version_that_no_longer_passes_the_checks_is_a_failed_run(begin):
    run = begin({"id": "a", "kind": "of the past"})
    assert (run.state, run.error_kind, run.nodes_total) == ("failed", "DefinitionInvalid", 0)
    assert "unknown kind" in run.error_message
