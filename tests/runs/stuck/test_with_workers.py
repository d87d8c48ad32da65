"""Stuck runs with real workers: one that is killed, one that hangs, a queue that has none."""

import pytest
from django.utils import timezone

from runs import heartbeat
from runs.models import Run
from runs.stuck import limits, look, rescue
from runs.stuck.finding import Rescue, StuckKind
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import wait_for, wait_for_end, wait_for_node

pytestmark = pytest.mark.django_db(transaction=True)


def found_of(run):
    return look.of_run(Run.objects.get(pk=run.pk), timezone.now())


def facts(finding):
    return {fact.label: fact.words for fact in finding.facts}


def helped(run):
    outcome = rescue.rescue(Run.objects.filter(pk=run.pk), by=ANNA)
    assert outcome.done == {run.pk: run.pk}, outcome.skipped


def test_a_killed_worker_is_told_as_gone_and_another_one_ends_its_run(
    start_worker, begin, tmp_path, monkeypatch
):
    monkeypatch.setattr(limits, "UNRESCUED", limits.UNRESCUED / 30)
    monkeypatch.setattr(heartbeat, "ALIVE", 1)
    worker, mark, go_on = start_worker(), tmp_path / "mark", tmp_path / "go"
    run = begin(
        executor_node("only", "probe.wait_for", input={"path": str(go_on), "mark": str(mark)})
    )
    wait_for_node(run, "only", "running")
    wait_for(mark.exists, "the attempt")
    worker.kill()
    # There is no beat, so nobody rescues it.
    [finding] = wait_for(lambda: found_of(run), "the finding")
    assert (finding.kind, finding.rescue) == (StuckKind.CRASH, Rescue.RERUN)
    assert "its lease ended" in finding.words
    assert "gone: no worker that gives signs of life" in facts(finding)["Worker"]
    helped(run)
    go_on.touch()
    start_worker()
    assert wait_for_end(run).state == "completed"
    attempts = run.nodes.get(key="only").attempt_set.order_by("number")
    assert [each.status for each in attempts] == ["lost", "completed"]


@pytest.mark.long
def test_a_hanging_executor_is_told_with_its_living_worker_and_its_node_runs_again(
    start_worker, begin, tmp_path, settings
):
    settings.STUCK_FLOOR_SECONDS = 1
    first = start_worker(concurrency=2)
    assert first.process.poll() is None
    mark, go_on = tmp_path / "mark", tmp_path / "go"
    given = {"path": str(go_on), "mark": str(mark), "seconds": 25.0}
    run = begin(executor_node("only", "probe.wait_for", input=given, timeout_seconds=6))
    wait_for_node(run, "only", "running")
    [finding] = wait_for(lambda: found_of(run), "the finding")
    assert (finding.kind, finding.attempt) == (StuckKind.EXECUTOR, 1)
    assert "alive" in facts(finding)["Worker"]
    assert facts(finding)["Last event"].endswith("node started")
    helped(run)
    go_on.touch()
    assert wait_for_end(run).state == "completed"
    assert run.nodes.get(key="only").attempts == 2


def test_a_queue_without_a_worker_is_told_until_one_is_started(start_worker, begin, settings):
    settings.STUCK_QUEUE_SECONDS = 1
    start_worker()
    wait_for(lambda: any(p.kind == "worker" for p in heartbeat.ages()), "the worker")
    run = begin(executor_node("only", "probe.on_gpu"))
    [finding] = wait_for(lambda: found_of(run), "the finding")
    assert (finding.kind, finding.node) == (StuckKind.QUEUE, "only")
    assert finding.command == "celery -A config.celery worker -Q gpu"
    start_worker(queues="gpu")
    assert wait_for_end(run).state == "completed"
    assert found_of(run) == []
