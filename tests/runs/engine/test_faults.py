"""Workers die, hang and come back; messages get lost; runs are ended under way."""

import signal

import pytest

from runs import lifecycle
from runs.models import Lease, ReadyNode, Run
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import kinds, node, wait_for, wait_for_end, wait_for_node

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(tmp_path, key="a", **fields):
    inputs = {
        "path": str(tmp_path / "go"),
        "mark": str(tmp_path / "mark"),
        **fields.pop("input", {}),
    }
    return executor_node(key, "probe.wait_for", input=inputs, **fields)


def marks(tmp_path):
    return (tmp_path / "mark").read_text().splitlines()


def wait_for_mark(tmp_path, count=1):
    wait_for(lambda: (tmp_path / "mark").exists() and len(marks(tmp_path)) >= count, "a mark")


def test_a_killed_worker_costs_an_attempt_not_the_run(start_worker, beat, begin, tmp_path):
    worker = start_worker()
    run = begin(waiting(tmp_path), executor_node("b", needs=["a"]))
    wait_for_mark(tmp_path)
    worker.kill()
    (tmp_path / "go").touch()
    start_worker()
    run = wait_for_end(run)
    assert run.state == "completed"
    first, second = node(run, "a").attempt_set.order_by("number")
    assert (first.status, first.error_kind) == ("lost", "WorkerLost")
    assert second.status == "completed"
    assert kinds(run, "a").count("node_completed") == 1


@pytest.mark.long
def test_a_lost_node_that_is_not_idempotent_is_failed_not_run_again(
    start_worker, beat, begin, tmp_path
):
    worker = start_worker()
    run = begin(waiting(tmp_path, idempotent=False, retries=3))
    wait_for_mark(tmp_path)
    worker.kill()
    start_worker()
    run = wait_for_end(run)
    assert (run.state, run.error_kind) == ("failed", "WorkerLost")
    assert len(marks(tmp_path)) == 1


@pytest.mark.long
def test_a_zombies_late_result_is_refused_and_kept_in_the_log(start_worker, beat, begin, tmp_path):
    zombie = start_worker()
    run = begin(waiting(tmp_path), executor_node("b", needs=["a"]))
    wait_for_mark(tmp_path)
    zombie.signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    start_worker()
    run = wait_for_end(run)
    assert run.state == "completed"
    events = run.last_seq
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: run.events.filter(kind="late_result").exists(), "the late result")
    late = run.events.get(kind="late_result")
    assert (late.node, late.attempt, late.data["outcome"]) == ("a", 1, "completed")
    assert late.seq == events + 1
    run = Run.objects.get(pk=run.pk)
    assert run.state == "completed"
    assert node(run, "a").attempts == 2
    assert kinds(run, "a").count("node_completed") == 1
    assert not Lease.objects.exists()


@pytest.mark.long
def test_a_long_node_keeps_its_lease(start_worker, beat, begin, tmp_path):
    start_worker()
    run = begin(waiting(tmp_path, input={"seconds": 5.0}))  # more than twice the lease
    run = wait_for_end(run)
    assert run.state == "completed"
    assert node(run, "a").attempts == 1


def test_lost_messages_are_sent_again(start_worker, beat, begin, broker):
    run = begin(executor_node("a"), executor_node("b", needs=["a"]))
    assert broker.llen("runs") == 1
    broker.delete("runs")
    start_worker()
    assert wait_for_end(run).state == "completed"


def test_runs_recorded_while_no_worker_was_there_are_executed_later(start_worker, beat, begin):
    run = begin(executor_node("a"))
    start_worker()
    assert wait_for_end(run).state == "completed"


def test_terminating_flips_the_state_at_once_and_drains_the_node(
    start_worker, beat, begin, tmp_path
):
    start_worker()
    run = begin(waiting(tmp_path), executor_node("b", needs=["a"]))
    wait_for_mark(tmp_path)
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA, reason="wrong document")
    run = Run.objects.get(pk=run.pk)
    assert (run.state, run.ended_by, run.reason) == ("terminated", "anna", "wrong document")
    assert node(run, "a").attempt_set.get().status == "running"  # draining
    graph = {key: node(run, key).status for key in ("a", "b")}
    assert graph == {"a": "terminated", "b": "terminated"}
    (tmp_path / "go").touch()
    wait_for(lambda: run.events.filter(kind="late_result").exists(), "the late result")
    assert node(run, "a").attempt_set.get().status == "late"
    assert {key: node(run, key).status for key in ("a", "b")} == graph
    assert Run.objects.get(pk=run.pk).state == "terminated"
    assert not Lease.objects.exists()


def test_an_executor_is_told_to_stop(start_worker, begin, tmp_path):
    start_worker()
    run = begin(waiting(tmp_path, input={"heed_stop": True}))
    wait_for_mark(tmp_path)
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA)
    wait_for(lambda: run.events.filter(kind="late_result").exists(), "the late result", 10)
    assert run.events.get(kind="late_result").data["output"] == {"stopped": True}


@pytest.mark.long
def test_a_draining_node_whose_worker_dies_is_closed(start_worker, beat, begin, tmp_path):
    worker = start_worker()
    run = begin(waiting(tmp_path))
    wait_for_mark(tmp_path)
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA)
    worker.kill()
    wait_for(lambda: not Lease.objects.exists(), "the end of the lease")
    assert node(run, "a").attempt_set.get().status == "lost"
    assert Run.objects.get(pk=run.pk).state == "terminated"


def test_terminating_a_queued_run_starts_nothing(start_worker, begin, tmp_path):
    run = begin(waiting(tmp_path))
    lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA)
    assert not ReadyNode.objects.exists()
    start_worker()
    other = begin(executor_node("x"), slug="other")
    wait_for_end(other)  # the worker has been through the queue
    run = Run.objects.get(pk=run.pk)
    assert (run.state, run.started_at) == ("terminated", None)
    assert not (tmp_path / "mark").exists()
    assert node(run, "a").attempts == 0


def test_a_final_run_is_not_terminated_again(start_worker, begin):
    start_worker()
    run = wait_for_end(begin(executor_node("a")))
    outcome = lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA)
    assert not outcome.done
    assert outcome.skipped == {run.pk: "it is completed already"}


@pytest.mark.long
def test_two_beats_and_two_control_workers_do_nothing_twice(start_worker, beat, begin, tmp_path):
    start_worker(queues="control")
    worker = start_worker()
    run = begin(waiting(tmp_path))
    wait_for_mark(tmp_path)
    worker.kill()
    (tmp_path / "go").touch()
    start_worker()
    run = wait_for_end(run)
    assert kinds(run, "a").count("node_failed") == 1
    assert len(marks(tmp_path)) == 2


@pytest.mark.long
def test_a_result_waits_for_the_database(start_worker, begin, tmp_path):
    from django.db import connection

    start_worker()
    run = begin(waiting(tmp_path))
    wait_for_node(run, "a", "running")
    wait_for_mark(tmp_path)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    (tmp_path / "go").touch()
    run = wait_for_end(run)
    assert run.state == "completed"
    assert node(run, "a").attempts == 1


def test_a_run_that_nobody_takes_up_fails_at_its_deadline(beat, begin):
    run = wait_for_end(begin(executor_node("a"), start_deadline_seconds=0.5))
    assert (run.state, run.error_kind, run.started_at) == ("failed", "StartDeadline", None)
    assert node(run, "a").status == "skipped"
