"""The pulse: what it judges, and that no run and no step of it holds up the others."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs import definitions, lifecycle, recorder
from runs.engine import dispatch, rescue, tasks, worker
from runs.models import Decision, Event, Lease, Node, ReadyNode, Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.conftest import ANNA, changed, executor_node
from tests.runs.engine.conftest import pulses

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = NewEvent(Kind.NODE_QUEUED, node="first")


def begun(run_id, timeout=60, attempt=1):
    data = {"worker": "w1", "input": {}, "timeout_seconds": timeout}
    start = NewEvent(Kind.NODE_STARTED, node="first", attempt=attempt, data=data)
    recorder.record({run_id: [changed("created", "active"), start]}, now=timezone.now())


@pytest.fixture
def broken_version(version):
    """The version no longer passes the checks of today."""
    definition = {
        "nodes": [{**node, "kind": "of the past"} for node in version.definition["nodes"]]
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'workflow_versions'::regclass"
                       " AND NOT tgisinternal")  # fmt: skip
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            cursor.execute(f'ALTER TABLE workflow_versions DISABLE TRIGGER "{name}"')
        type(version).objects.filter(pk=version.pk).update(definition=definition)
        for name in names:
            cursor.execute(f'ALTER TABLE workflow_versions ENABLE TRIGGER "{name}"')
    definitions.graph_of.cache_clear()
    yield version
    definitions.graph_of.cache_clear()


def assert_failed_for_its_definition(run_id):
    run = Run.objects.get(pk=run_id)
    assert (run.state, run.error_kind) == ("failed", "DefinitionInvalid")
    assert "version 1 does not pass the checks: first: unknown kind" in run.error_message
    assert not ReadyNode.objects.filter(run=run).exists()
    assert not Lease.objects.filter(run=run).exists()


def test_lost_work_of_a_version_that_no_longer_parses_fails_its_run(
    make_run, publish, broken_version
):
    other = publish(executor_node("first"), executor_node("second"), slug="other")
    sick, well = make_run(QUEUED), make_run(QUEUED, of=other)
    for run_id in (sick, well):
        begun(run_id)
    later = timezone.now() + timedelta(hours=1)
    Lease.objects.update(expires_at=timezone.now())
    assert rescue.expired_leases(later) == 2
    assert_failed_for_its_definition(sick)
    assert Node.objects.get(run=well, key="first").status == "queued"


def test_a_queued_node_of_a_version_that_no_longer_parses_fails_its_run(make_run, broken_version):
    run_id = make_run(QUEUED)
    assert not worker.execute(Node.objects.get(run=run_id, key="first").pk)
    assert_failed_for_its_definition(run_id)


def test_a_run_that_cannot_be_rescued_does_not_hold_up_the_others(make_run, caplog):
    sick, well = make_run(QUEUED), make_run(QUEUED)
    for run_id in (sick, well):
        begun(run_id)
    Lease.objects.update(expires_at=timezone.now())
    with connection.cursor() as cursor:
        # Its next number stands in the log already.
        cursor.execute(
            "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
            " SELECT id, last_seq + 1, 'log', '', '', now(), now(), '{}' FROM jobs WHERE id = %s",
            [sick],
        )
    assert rescue.expired_leases(timezone.now() + timedelta(seconds=5)) == 1
    assert Node.objects.get(run=well, key="first").status == "queued"
    assert "cannot be rescued" in caplog.text


def test_a_step_of_the_pulse_that_fails_is_told_once_and_the_others_go_on(
    make_run, monkeypatch, caplog
):
    make_run(QUEUED)
    sent = []

    def broken(now):
        raise ValueError("no rescue today")

    (_, trouble), *others = tasks._STEPS
    monkeypatch.setattr(tasks, "_STEPS", ((broken, trouble), *others))
    monkeypatch.setattr(dispatch, "send", sent.append)
    tasks.tick()
    tasks.tick()
    assert [len(ids) for ids in sent] == [1, 0]
    assert caplog.text.count("no rescue today") == 1


def test_a_lease_that_ended_with_the_nodes_time_is_a_timeout_and_counts(make_run):
    run_id = make_run(QUEUED)
    begun(run_id, timeout=5)
    lease = Lease.objects.get(run=run_id)
    # Its worker is given a moment to say so itself.
    assert rescue.expired_leases(lease.deadline + timedelta(seconds=1)) == 0
    assert rescue.expired_leases(lease.deadline + timedelta(seconds=3)) == 1
    run, node = Run.objects.get(pk=run_id), Node.objects.get(run=run_id, key="first")
    assert (run.state, run.error_kind) == ("failed", "NodeTimeout")
    assert run.error_message == "not done after 300 s"
    assert (node.failures, node.attempts) == (1, 1)
    assert node.attempt_set.get().status == "failed"


def test_a_timeout_found_by_the_rescue_is_repeated_while_retries_are_left(make_run, publish):
    of = publish(executor_node("first", retries=1), executor_node("second"), slug="patient")
    run_id = make_run(QUEUED, of=of)
    begun(run_id, timeout=5)
    assert rescue.expired_leases(timezone.now() + timedelta(seconds=10)) == 1
    node = Node.objects.get(run=run_id, key="first")
    assert (node.status, node.failures) == ("queued", 1)


def test_a_draining_node_past_its_time_is_closed(make_run):
    run_id = make_run(QUEUED)
    begun(run_id, timeout=5)
    recorder.record({run_id: [changed("active", "terminated")]}, now=timezone.now())
    assert rescue.expired_leases(timezone.now() + timedelta(seconds=10)) == 1
    assert not Lease.objects.exists()
    assert Node.objects.get(run=run_id, key="first").attempt_set.get().status == "lost"


def test_an_old_hint_does_not_cut_a_pause_short(make_run):
    run_id = make_run(QUEUED)
    begun(run_id)
    later = timezone.now() + timedelta(hours=1)
    data = {"error": {"kind": "Broken", "message": "x"}, "retry_at": later.isoformat()}
    failed = NewEvent(Kind.NODE_FAILED, node="first", attempt=1, data=data)
    recorder.record({run_id: [failed]}, now=timezone.now())
    node = Node.objects.get(run=run_id, key="first")
    assert not worker.execute(node.pk)
    node.refresh_from_db()
    assert (node.status, node.attempts) == ("queued", 1)
    assert ReadyNode.objects.get(node=node).hint_due is None


@pytest.mark.long
def test_two_pulses_at_once_do_nothing_twice(make_run, publish, broker):
    broker.delete("runs")
    soon = publish(executor_node("first"), slug="soon", start_deadline_seconds=1)
    question = {"id": "first", "kind": "human", "timeout_seconds": 1, "on_timeout": "approve"}
    asking = publish(question, slug="asking")
    lost = [make_run(QUEUED) for _ in range(20)]
    late = [lifecycle.start(soon, {}, trigger="api", by=ANNA).pk for _ in range(20)]
    asked = [lifecycle.start(asking, {}, trigger="api", by=ANNA).pk for _ in range(20)]
    for run_id in lost:
        begun(run_id)
    for node in Node.objects.filter(run__in=asked):
        assert worker.execute(node.pk)
    Lease.objects.update(expires_at=timezone.now())
    long_ago = timezone.now() - timedelta(hours=1)
    Decision.objects.update(due_at=long_ago)
    Run.objects.filter(pk__in=late).update(start_deadline=long_ago)
    broker.delete("runs")
    # Of the hints that were sent already each is due once more.
    ReadyNode.objects.update(hint_due=None)
    pulses(times=2, every=0.0, clocks=["", ""])
    count = Counter(
        Event.objects.filter(run__in=[*lost, *late, *asked]).values_list("run_id", "kind")
    )
    assert {count[run_id, "node_failed"] for run_id in lost} == {1}
    assert {count[run_id, "state_changed"] for run_id in late} == {1}
    assert {count[run_id, "human_action"] for run_id in asked} == {2}
    assert {count[run_id, "node_completed"] for run_id in asked} == {1}
    assert set(Run.objects.filter(pk__in=late).values_list("state", flat=True)) == {"failed"}
    # One message for each node that is ready.
    assert broker.llen("runs") == ReadyNode.objects.count() == 20
    broker.delete("runs")
