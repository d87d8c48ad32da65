"""What is found of runs that do not get on: each class, and nothing of those that do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs import heartbeat, recorder
from runs.models import (
    Lease,
    Run,
    StuckRun,
)
from runs.rows import NewEvent
from runs.states import Kind
from runs.stuck import look, rescue, tasks
from runs.stuck.finding import Rescue, StuckKind
from tests.runs.conftest import ANNA, changed

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = NewEvent(Kind.NODE_QUEUED, node="first")
NOW = timezone.now


def begun(run_id, ago=0, *, attempt=1, who="here-1", timeout=60):
    """Let a worker have the first node, since so many seconds."""
    now = timezone.now() - timedelta(seconds=ago)
    data = {"worker": who, "input": {}, "timeout_seconds": timeout}
    start = NewEvent(Kind.NODE_STARTED, node="first", attempt=attempt, data=data)
    events = [start] if attempt > 1 else [changed("created", "active"), start]
    recorder.record({run_id: events}, now=now)
    # It renews its lease, whatever it tells.
    Lease.objects.filter(run=run_id).update(
        expires_at=timezone.now() + timedelta(seconds=30), renewed_at=timezone.now(),
        deadline=timezone.now() + timedelta(seconds=600),
    )  # fmt: skip


def serves(*queues, members=(), processes=1, tasks=(), name="runs@here"):
    told = {"processes": processes, "tasks": list(tasks), "members": list(members)}
    heartbeat.give(heartbeat.Process("worker", name, queues), told)


def found_of(run_id, now=None):
    return look.of_run(Run.objects.get(pk=run_id), now or timezone.now())


def only(run_id, now=None):
    [finding] = found_of(run_id, now)
    return finding


def facts(finding):
    return {fact.label: fact.words for fact in finding.facts}


def test_runs_that_get_on_are_not_stuck(make_run):
    serves("runs", processes=2)
    make_run(QUEUED)
    begun(make_run(QUEUED), ago=20)
    assert look.look(timezone.now()).findings == []
    tasks.find_stuck()
    assert not StuckRun.objects.exists()


# -- Workers ---------------------------------------------------------------------------------


def test_an_attempt_that_tells_nothing_is_silent_and_its_worker_is_known(make_run, settings):
    settings.STUCK_FLOOR_SECONDS = 60
    serves("runs", members=["here-1"])
    run_id = make_run(QUEUED)
    begun(run_id, ago=3_000)
    finding = only(run_id)
    assert (finding.kind, finding.node, finding.attempt) == (StuckKind.EXECUTOR, "first", 1)
    assert "first has told nothing for 50 min" in finding.words
    assert "alive, of runs@here" in facts(finding)["Worker"]
    assert facts(finding)["Last event"] == "number 4, node started"
    assert facts(finding)["Usually"] == "nothing is known yet"
    assert finding.rescue == Rescue.RERUN
    # What it tells now ends that.
    recorder.record(
        {run_id: [NewEvent(Kind.PROGRESS, node="first", attempt=1, data={"done": 1})]},
        now=timezone.now(),
    )
    assert found_of(run_id) == []


def test_how_long_a_node_may_be_silent_is_told_by_how_long_it_usually_takes(make_run, settings):
    settings.STUCK_FLOOR_SECONDS = 5
    for _ in range(3):
        done = make_run(QUEUED)
        begun(done, ago=100)
        recorder.record(
            {done: [
                NewEvent(Kind.NODE_COMPLETED, node="first", attempt=1, data={"output": 1}),
                NewEvent(Kind.NODE_SKIPPED, node="second", data={"reason": "-"}),
                changed("active", "completed"),
            ]},
            now=timezone.now(),
        )  # fmt: skip
    run_id, other = make_run(QUEUED), make_run(QUEUED)
    begun(run_id, ago=250)
    begun(other, ago=330)
    assert found_of(run_id) == []
    finding = only(other)
    assert "usually it ends within 1 min" in finding.words


def test_a_lease_that_ended_and_that_nobody_took_is_a_lost_worker(make_run):
    serves("runs", members=["here-2"])
    run_id = make_run(QUEUED)
    begun(run_id, ago=60)
    over = timezone.now() - timedelta(seconds=40)
    Lease.objects.update(expires_at=over, renewed_at=over)
    finding = only(run_id)
    assert (finding.kind, finding.since) == (StuckKind.CRASH, over)
    assert "gone: no worker that gives signs of life" in facts(finding)["Worker"]
    assert "Beat gives no signs of life" in finding.act
    outcome = rescue.rescue(Run.objects.filter(pk=run_id), by=ANNA)
    assert outcome.done == {run_id: run_id}
    assert Run.objects.get(pk=run_id).nodes.get(key="first").status == "queued"
    lost = Run.objects.get(pk=run_id).events.filter(kind="node_failed").get()
    assert lost.data["lost"]
    assert "anna had its node run again" in lost.data["error"]["message"]
    # Again it does nothing: the node waits for a worker.
    assert rescue.rescue(Run.objects.filter(pk=run_id), by=ANNA).done == {}
