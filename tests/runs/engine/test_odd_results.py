"""What executors raise, tell and give that cannot be stored as it is."""

import pytest

from runs.models import LLMCall, Run
from tests.runs.conftest import executor_node
from tests.runs.engine.conftest import node, wait_for, wait_for_end

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("surrogate", "Broken", "half ? and \N{REPLACEMENT CHARACTER} nul"),
        ("unreadable", "Unreadable", "its message could not be read: RuntimeError"),
        ("exit", "SystemExit", "3"),
        ("interrupt", "KeyboardInterrupt", "by itself"),
        ("generator", "GeneratorExit", "odd"),
    ],
)
def test_whatever_is_raised_fails_the_attempt_at_once(worker, begin, what, kind, message):
    run = wait_for_end(begin(executor_node("a", "probe.raise_odd", input={"what": what})))
    assert (run.error_kind, run.error_message) == (kind, message)
    assert node(run, "a").attempts == 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("progress", "done is a number from 0"),
        ("negative", "done is a number from 0"),
        ("total", "total is a number from 0"),
        ("tokens", "input_tokens is a number from 0"),
        ("cost", "cost is an amount from 0 to below 10000000000"),
        ("nan", "cost is an amount from 0"),
        ("infinite", "cost is an amount from 0"),
        ("words", "cost is an amount in US dollars, not 'much'"),
    ],
)
def test_a_figure_that_no_column_holds_fails_at_the_callers_line(worker, begin, what, message):
    run = wait_for_end(begin(executor_node("a", "probe.say_odd", input={"what": what})))
    assert run.error_kind == "ValueError"
    assert message in run.error_message
    trace = run.events.get(kind="node_failed").data["error"]["trace"]
    assert "executors.py" in trace.splitlines()[0]


@pytest.mark.parametrize(
    ("what", "text"), [("surrogate", "half ?"), ("nul", "a\N{REPLACEMENT CHARACTER}b")]
)
def test_characters_that_cannot_be_stored_are_replaced(worker, begin, what, text):
    run = wait_for_end(begin(executor_node("a", "probe.output_of", input={"what": what})))
    assert run.state == "completed"
    assert run.events.get(kind="node_completed").data["output"] == {"text": text}


def test_what_the_database_refuses_is_a_permanent_failure_that_says_so(worker, begin):
    run = wait_for_end(begin(executor_node("a", "probe.overspend", retries=3)))
    assert (run.error_kind, node(run, "a").attempts) == ("ResultRefused", 1)
    assert "what the node told, 3 lines and model calls" in run.error_message
    assert "numeric field overflow" in run.error_message
    assert not LLMCall.objects.filter(run=run).exists()


def test_lines_that_are_refused_do_not_cost_the_lease(start_worker, beat, begin, tmp_path):
    start_worker()
    go = tmp_path / "go"
    run = begin(executor_node("a", "probe.overspend", retries=3, input={"path": str(go)}))
    lease = wait_for(lambda: getattr(node(run, "a"), "lease", None), "the lease")
    # It is renewed past its first end while the lines are refused again and again.
    wait_for(lambda: node(run, "a").lease.renewed_at > lease.expires_at, "its renewal")
    go.touch()
    assert wait_for_end(run).error_kind == "ResultRefused"
    assert node(run, "a").attempts == 1


@pytest.mark.parametrize("how", ["atomic", "autocommit"])
def test_a_transaction_left_open_does_not_swallow_results(start_worker, begin, how):
    start_worker()
    run = begin(
        executor_node("a", "probe.leave_transaction_open", input={"how": how}),
        executor_node("b", needs=["a"]),
    )
    assert wait_for_end(run).state == "completed"
    assert Run.objects.get(pk=run.pk).nodes_done == 2


@pytest.mark.parametrize("kind", ["Exception", "BaseException"])
def test_a_timeout_cannot_be_swallowed(worker, begin, tmp_path, kind):
    inputs = {"mark": str(tmp_path / "mark"), "kind": kind}
    run = begin(executor_node("a", "probe.swallow", timeout_seconds=0.5, input=inputs))
    run = wait_for_end(run)
    assert (run.error_kind, run.error_message) == ("NodeTimeout", "not done after 0.5 s")
    # By BaseException it was swallowed, came again, and the result was refused.
    swallowed = (tmp_path / "mark").exists() and (tmp_path / "mark").read_text().count("\n")
    assert swallowed == (2 if kind == "BaseException" else False)
