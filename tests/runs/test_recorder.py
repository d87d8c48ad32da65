"""The recorder: numbers, folds, outbox and bells of a batch."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle, recorder
from runs.models import Attempt, Event, Lease, LLMCall, Node, OutboxLine, ReadyNode, Run
from runs.payload import EVENT_DEPTH, MAX_DEPTH, PayloadTooDeep
from runs.rows import NewEvent
from runs.states import Kind, NodeStatus
from tests.runs.conftest import ANNA, changed, new_run

pytestmark = pytest.mark.django_db(transaction=True)


def log(text="x"):
    return NewEvent(Kind.LOG, node="first", data={"level": "info", "message": text})


def started(node="first", attempt=1, timeout=60):
    return NewEvent(
        Kind.NODE_STARTED,
        node=node,
        attempt=attempt,
        data={"worker": "w1", "input": {"a": 1}, "timeout_seconds": timeout},
    )


def ended(node="first", attempt=1):
    return NewEvent(Kind.NODE_COMPLETED, node=node, attempt=attempt, data={"output": {"b": 2}})


def record(run_id, *events):
    return recorder.record({run_id: events}, now=timezone.now())


def seqs(run_id):
    return list(Event.objects.filter(run=run_id).order_by("seq").values_list("seq", flat=True))


def test_numbers_go_on_without_a_gap(make_run):
    run_id = make_run()
    record(run_id, log(), log())
    record(run_id, log())
    assert seqs(run_id) == [1, 2, 3, 4]
    assert Run.objects.get(pk=run_id).last_seq == 4


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Kind.LOG, "details"), (Kind.NODE_FAILED, "error"), (Kind.HUMAN_ACTION, "answer")],
)
def test_an_event_nested_too_deep_is_refused_whoever_brings_it(make_run, kind, name):
    run_id = make_run(NewEvent(Kind.NODE_QUEUED, node="first"), started())
    before, deep = seqs(run_id), {}
    for _ in range(EVENT_DEPTH):
        deep = {"in": deep}
    with pytest.raises(PayloadTooDeep):
        record(run_id, log(), NewEvent(kind, node="first", attempt=1, data={name: deep}))
    assert seqs(run_id) == before
    record(run_id, NewEvent(kind, node="first", attempt=1, data={name: deep["in"]["in"]}))


def test_a_run_whose_input_is_nested_too_deep_does_not_begin(version):
    deep = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    with pytest.raises(PayloadTooDeep, match="the input is nested more than 100 levels deep"):
        lifecycle.start(version, deep, trigger="webhook", by=ANNA)
    assert not Run.objects.exists()


def test_a_batch_that_is_refused_leaves_nothing(make_run):
    first, second = make_run(), make_run()
    before = OutboxLine.objects.count()
    with pytest.raises(Exception, match="cannot go"):
        recorder.record(
            {first: [log()], second: [log(), changed("active", "completed")]}, now=timezone.now()
        )
    assert seqs(first) == seqs(second) == [1]
    assert OutboxLine.objects.count() == before
    record(first, log())
    assert seqs(first) == [1, 2]


def test_an_unknown_run_is_passed_over(make_run):
    known, unknown = make_run(), new_run(Run.objects.get(pk=make_run()).version).id
    done = recorder.record({known: [log()], unknown: [log()]}, now=timezone.now())
    assert set(done) == {known}


def test_a_nodes_life_is_folded_into_its_rows(make_run):
    run_id = make_run(NewEvent(Kind.NODE_QUEUED, node="first"))
    node = Node.objects.get(run=run_id, key="first")
    assert node.status == NodeStatus.QUEUED
    assert ReadyNode.objects.filter(node=node).exists()

    record(run_id, changed("created", "active"), started(timeout=5))
    lease = Lease.objects.get(node=node)
    assert lease.deadline - lease.renewed_at == timedelta(seconds=5)
    assert lease.expires_at == lease.deadline  # never past the node's timeout
    assert not ReadyNode.objects.exists()
    assert Run.objects.get(pk=run_id).current_node == "first"

    record(run_id, ended(), NewEvent(Kind.NODE_QUEUED, node="second"))
    node.refresh_from_db()
    assert (node.status, node.input_seq, node.output_seq) == (NodeStatus.COMPLETED, 4, 5)
    assert not Lease.objects.exists()
    attempt = Attempt.objects.get(node=node)
    assert (attempt.status, attempt.worker, attempt.result_seq) == ("completed", "w1", 5)
    run = Run.objects.get(pk=run_id)
    assert (run.nodes_done, run.current_node, run.last_seq) == (1, "", 6)


def test_cost_and_tokens_are_the_sum_of_the_ledger(make_run):
    run_id = make_run()
    call = {"model": "m", "input_tokens": 10, "output_tokens": 3, "cached_tokens": 4}
    record(run_id, *(
        NewEvent(Kind.LLM_CALL, node="first", attempt=1, data={**call, "cost": cost})
        for cost in ("0.0000000001", "0.1", "0.2")
    ))  # fmt: skip
    run = Run.objects.get(pk=run_id)
    assert run.cost == Decimal("0.3000000001")
    assert run.cost == sum(LLMCall.objects.values_list("cost", flat=True))
    assert (run.input_tokens, run.output_tokens, run.cached_tokens) == (30, 9, 12)
    assert Node.objects.get(run=run_id, key="first").cost == run.cost


def test_terminating_a_queued_run_logs_both_steps_and_starts_nothing(make_run):
    run_id = make_run(NewEvent(Kind.NODE_QUEUED, node="first"))
    record(run_id, changed("created", "active", started=False), changed("active", "terminated"))
    run = Run.objects.get(pk=run_id)
    assert (run.state, run.started_at, run.ended_by) == ("terminated", None, "anna")
    assert run.completed_at is not None
    assert not ReadyNode.objects.exists()
    assert set(Node.objects.values_list("status", flat=True)) == {"terminated"}


def test_text_that_jsonb_refuses_is_stored_without_it(make_run):
    run_id = make_run()
    record(run_id, log("nul \0 and half \ud800 a pair"))
    assert Event.objects.get(run=run_id, seq=2).data["message"].startswith("nul \ufffd and half")


def test_statements_do_not_grow_with_the_batch(version, tmp_path):
    def count(runs, lines):
        new = [new_run(version) for _ in range(runs)]
        recorder.create(new, now=timezone.now())
        with (tmp_path / "trace").open("w") as trace:
            connection.connection.pgconn.trace(trace.fileno())
            recorder.record({n.id: [log()] * lines for n in new}, now=timezone.now())
            connection.connection.pgconn.untrace()
        sent = (tmp_path / "trace").read_text()
        return sent.count("\tParse\t") + sent.count("\tQuery\t")

    assert 0 < count(1, 1) == count(40, 10) <= 10
