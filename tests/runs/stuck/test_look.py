"""What is found of runs that do not get on: each class, and nothing of those that do."""

import threading
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings as portal_settings
from django.db import connection
from django.utils import timezone

from runs import heartbeat, lifecycle, recorder
from runs.engine import worker
from runs.ingest.check import report_of
from runs.ingest.intake import take_in
from runs.models import Decision, Lease, ReadyNode, Run, Source, StuckRun, Workflow
from runs.rows import NewEvent
from runs.states import Kind
from runs.stuck import look, record, rescue, tasks
from runs.stuck.finding import Fact, Finding, Rescue, StuckKind
from tests.runs.conftest import ANNA, changed, executor_node
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = NewEvent(Kind.NODE_QUEUED, node="first")


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


def _faulty(workflow_id, now):
    raise ZeroDivisionError("nothing was counted")


def test_stuck_runs_are_found_where_who_tells_what_is_usual_is_at_fault(make_run, settings, caplog):
    settings.STUCK_FLOOR_SECONDS = 60
    settings.USUAL_TIMES = f"{__name__}._faulty"
    serves("runs", members=["here-1"])
    begun(make_run(QUEUED), ago=3_000)
    tasks.find_stuck()
    assert StuckRun.objects.get().kind == StuckKind.EXECUTOR
    assert "ZeroDivisionError: nothing was counted" in caplog.text


def test_words_that_look_like_an_escape_are_kept_as_they_are(make_run):
    run = Run.objects.get(pk=make_run(QUEUED))
    said = r"\u0000 cannot be converted to text"
    told = [Fact("Last error", f"DataError: {said}\0")]
    now = timezone.now()
    finding = Finding(
        run.pk, run.workflow_id, "first", StuckKind.NETWORK, now, "It failed.", facts=told,
    )  # fmt: skip
    record.keep(look.Seen(now, [finding]))
    assert StuckRun.objects.get().details["facts"] == [["Last error", f"DataError: {said}", None]]


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


def test_many_at_once_are_not_made_to_fail(make_run, publish, settings):
    settings.STUCK_FLOOR_SECONDS = 60
    serves("runs", members=["here-1"])
    version = publish(executor_node("first", idempotent=False))
    run_id = make_run(QUEUED, of=version, keys=("first",))
    begun(run_id, ago=3_000)
    runs = Run.objects.filter(pk=run_id)
    outcome = rescue.rescue(runs, by=ANNA)
    assert (outcome.done, outcome.skipped) == ({}, {run_id: rescue.FAILS})
    assert runs.get().state == "active"
    # Who means this one was asked before.
    rescue.one(runs.get(), "first", by=ANNA, may=bool, reason="", now=timezone.now())
    assert runs.get().state == "failed"


def test_a_node_that_loses_one_worker_after_the_other_is_told_with_how_they_ended(make_run):
    serves("runs", members=["here-3"])
    run_id = make_run(QUEUED)
    for number in (1, 2):
        begun(run_id, attempt=number, who=f"here-{number}")
        error = {"kind": "WorkerLost", "message": f"worker here-{number} was ended by SIGKILL"}
        data = {"error": error, "lost": True, "retry_at": timezone.now().isoformat()}
        lost = NewEvent(Kind.NODE_FAILED, node="first", attempt=number, data=data)
        recorder.record({run_id: [lost]}, now=timezone.now())
    finding = only(run_id)
    assert finding.kind == StuckKind.CRASH
    assert "has lost 2 workers, one after the other" in finding.words
    assert "worker here-2 was ended by SIGKILL" in finding.act
    begun(run_id, attempt=3, who="here-3")
    assert "has lost 2 workers" in only(run_id).words


def test_a_service_that_never_answers_is_a_network_time_out_with_its_host(publish):
    version = publish(
        {"id": "call", "kind": "http", "url": "https://slow.example/x", "retries": 5}, slug="calls"
    )
    run = lifecycle.start(version, {}, trigger="api", by=ANNA)
    error = {"kind": "HttpError", "message": "GET https://slow.example/x: timed out", "trace": ""}
    for number in (1, 2, 3):
        data = {"worker": "here-1", "input": {}, "timeout_seconds": 60}
        events = [NewEvent(Kind.NODE_STARTED, node="call", attempt=number, data=data)]
        if number == 1:
            events.insert(0, changed("created", "active"))
        again = (timezone.now() + timedelta(minutes=5)).isoformat()
        told = {"error": error, "retry_at": again}
        events.append(NewEvent(Kind.NODE_FAILED, node="call", attempt=number, data=told))
        recorder.record({run.pk: events}, now=timezone.now())
    finding = only(run.pk)
    assert (finding.kind, finding.rescue) == (StuckKind.NETWORK, Rescue.HINT)
    assert "no answer from slow.example in 3 attempts" in finding.words
    assert facts(finding)["Last error"] == "HttpError: GET https://slow.example/x: timed out"
    assert facts(finding)["Attempts"] == "3 of 6, 3 failed"
    assert [each.node for each in look.look(timezone.now()).findings] == ["call"]
    rescue.rescue(Run.objects.filter(pk=run.pk), by=ANNA)
    assert ReadyNode.objects.get(run=run.pk).ready_at <= timezone.now()


# -- Queues, limits, pauses ------------------------------------------------------------------


def waited(run_id, seconds):
    ReadyNode.objects.filter(run=run_id).update(
        ready_at=timezone.now() - timedelta(seconds=seconds)
    )


def test_a_queue_that_nobody_serves_is_told_with_the_command_that_starts_a_worker(make_run):
    serves("bulk", "control")
    run_id = make_run(QUEUED)
    waited(run_id, 50)
    assert found_of(run_id) == []
    waited(run_id, 70)
    finding = only(run_id)
    assert (finding.kind, finding.rescue) == (StuckKind.QUEUE, Rescue.NONE)
    assert finding.command == "celery -A config.celery worker -Q runs"
    assert facts(finding)["Queue"].endswith("no worker takes from it")
    assert [each.key for each in look.look(timezone.now()).findings] == [finding.key]
    outcome = rescue.rescue(Run.objects.filter(pk=run_id), by=ANNA)
    assert "nothing done here helps it" in outcome.skipped[run_id]


def test_a_ready_node_beside_an_idle_worker_is_offered_again(make_run):
    serves("runs", processes=2, tasks=[{"task": "runs.execute"}])
    run_id = make_run(QUEUED)
    waited(run_id, 70)
    ReadyNode.objects.update(hint_due=timezone.now() + timedelta(minutes=10), hints=4)
    finding = only(run_id)
    assert (finding.kind, finding.rescue) == (StuckKind.QUEUE, Rescue.HINT)
    assert "1 of 2 slots busy (runs@here)" in facts(finding)["Queue"]
    assert rescue.rescue(Run.objects.filter(pk=run_id), by=ANNA).done
    # It is sent at once, as a first offer.
    assert ReadyNode.objects.get(run=run_id).hints == 1
    serves("runs", processes=1, tasks=[{"task": "runs.execute"}])
    waited(run_id, 700)
    assert found_of(run_id) == []


def test_what_a_pause_holds_is_told_and_resumed_by_who_may(make_run, version):
    serves("runs")
    run_id = make_run(QUEUED)
    Workflow.objects.update(
        paused_at=timezone.now() - timedelta(hours=1), paused_by="maria", pause_reason="audit"
    )
    assert not worker.execute(Run.objects.get(pk=run_id).nodes.get(key="first").pk)
    waited(run_id, 3_000)
    finding = only(run_id)
    assert (finding.kind, finding.rescue) == (StuckKind.PAUSED, Rescue.RESUME)
    assert "by maria: audit" in facts(finding)["Paused"]
    assert [each.kind for each in look.look(timezone.now()).findings] == [StuckKind.PAUSED]
    run = Run.objects.get(pk=run_id)
    with pytest.raises(rescue.NotAllowed):
        rescue.one(run, "first", by=ANNA, may=lambda _: False, reason="", now=timezone.now())
    other = make_run(QUEUED)
    assert not worker.execute(Run.objects.get(pk=other).nodes.get(key="first").pk)
    waited(other, 3_000)
    tasks.find_stuck()
    assert StuckRun.objects.filter(kind="paused").count() == 2
    rescue.one(run, "first", by=ANNA, may=lambda _: True, reason="", now=timezone.now())
    assert Workflow.objects.get(pk=run.workflow_id).paused_at is None
    # What else the pause held does not stand there as paused until the next look.
    assert not StuckRun.objects.exists()
    assert found_of(run_id) == []


def test_what_a_limit_holds_for_long_is_told(make_run, version):
    serves("runs")
    Workflow.objects.update(max_active=1)
    first, second = make_run(QUEUED), make_run(QUEUED)
    begun(first)
    assert not worker.execute(Run.objects.get(pk=second).nodes.get(key="first").pk)
    waited(second, 300)
    assert found_of(second) == []
    waited(second, 900)
    finding = only(second)
    assert finding.kind == StuckKind.LIMIT
    assert "the limit of 1 active run of example is reached" in finding.words


def test_without_the_broker_nobody_is_said_to_be_gone_and_what_was_known_stays(
    make_run, monkeypatch
):
    serves("bulk")
    run_id = make_run(QUEUED)
    waited(run_id, 70)
    tasks.find_stuck()
    assert StuckRun.objects.get().kind == StuckKind.QUEUE
    monkeypatch.setattr(portal_settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    seen = look.look(timezone.now())
    assert seen.findings == []
    assert StuckKind.QUEUE in seen.unknown
    record.keep(seen)
    assert StuckRun.objects.get().kind == StuckKind.QUEUE


# -- Persons, sources, what should not be ----------------------------------------------------


def test_a_question_waits_for_too_long_after_a_day(publish, settings):
    version = publish({"id": "approve", "kind": "human", "title": "Pay?"}, slug="asks")
    run = lifecycle.start(version, {}, trigger="api", by=ANNA)
    assert worker.execute(run.nodes.get(key="approve").pk)
    assert found_of(run.pk) == []
    Decision.objects.update(asked_at=timezone.now() - timedelta(hours=25), people=["maria"])
    finding = only(run.pk)
    assert (finding.kind, finding.rescue) == (StuckKind.PERSON, Rescue.DECIDE)
    assert "approve has waited for a person for 25 h" in finding.words
    assert "Remind maria" in finding.act
    assert [each.kind for each in look.look(timezone.now()).findings] == [StuckKind.PERSON]
    settings.STUCK_PERSON_SECONDS = 100_000
    assert found_of(run.pk) == []


def test_a_run_whose_source_is_silent_is_closed_here_by_who_may(db):
    now, by = timezone.now(), account(*(f"runs.{each}" for each in ("ingest_event", "add_source")))
    told = [
        {"event_id": "1", "source": "airflow", "external_id": "dag-7", "workflow": "nightly",
         "type": "run_created"},
        {"event_id": "2", "source": "airflow", "external_id": "dag-7", "type": "node_started",
         "node": "extract"},
    ]  # fmt: skip
    reports = [report_of(each, n, now, 10_000, doubtful=True) for n, each in enumerate(told)]
    take_in(reports, by=by, now=now - timedelta(hours=2))
    new = Run.objects.get(external_id="dag-7")
    Source.objects.update(last_event_at=now)
    # It goes on with others, and a run may take its time.
    assert found_of(new.id) == []
    Source.objects.update(last_event_at=timezone.now() - timedelta(hours=1))
    finding = only(new.id)
    assert (finding.kind, finding.rescue) == (StuckKind.SOURCE, Rescue.CLOSE)
    assert "airflow has told nothing for 1 h" in finding.words
    assert facts(finding)["Its id there"] == "dag-7"
    assert [each.kind for each in look.look(timezone.now()).findings] == [StuckKind.SOURCE]
    # With many others it is left alone: it cannot be undone.
    many = rescue.rescue(Run.objects.filter(pk=new.id), by=ANNA)
    assert "close it on its page" in many.skipped[new.id]
    rescue.one(
        Run.objects.get(pk=new.id),
        "",
        by=ANNA,
        may=lambda _: True,
        reason="gone",
        now=timezone.now(),
    )
    run = Run.objects.get(pk=new.id)
    assert (run.state, run.reason, run.ended_by) == ("terminated", "gone", "anna")


def test_a_run_of_which_nothing_is_under_way_goes_on_from_where_it_was(make_run):
    serves("runs", processes=2)
    lost, unqueued = make_run(QUEUED), make_run(QUEUED)
    begun(lost, ago=60)
    Lease.objects.filter(run=lost).delete()
    begun(unqueued, ago=60)
    done = NewEvent(Kind.NODE_COMPLETED, node="first", attempt=1, data={"output": 1})
    recorder.record({unqueued: [done]}, now=timezone.now() - timedelta(seconds=30))
    for run_id in (lost, unqueued):
        finding = only(run_id)
        assert (finding.kind, finding.rescue) == (StuckKind.BROKEN, Rescue.SETTLE)
    assert "1 pending, 1 running" in facts(only(lost))["Nodes"]
    found = look.look(timezone.now()).findings
    assert {each.run_id for each in found} == {lost, unqueued}
    outcome = rescue.rescue(Run.objects.all(), by=ANNA)
    assert set(outcome.done) == {lost, unqueued}
    assert {(row.run_id, row.node.key) for row in ReadyNode.objects.select_related("node")} == {
        (lost, "first"),
        (unqueued, "second"),
    }
    assert found_of(lost) == found_of(unqueued) == []


# -- Locks -----------------------------------------------------------------------------------


@pytest.fixture
def somebody():
    """A connection of somebody else's, who opens a transaction and goes away."""
    parameters = connection.get_connection_params()
    del parameters["cursor_factory"]
    with psycopg.connect(**parameters, application_name="a report") as other:
        yield other
        other.rollback()


def test_a_row_that_somebody_has_locked_is_told_with_who_and_what_ends_it(
    make_run, somebody, settings, django_db_blocker
):
    settings.STUCK_LOCK_SECONDS = 1
    run_id = make_run(QUEUED)
    pid = somebody.info.backend_pid
    somebody.execute("SELECT id FROM jobs WHERE id = %s FOR UPDATE", [run_id])

    def wait():
        line = NewEvent(Kind.LOG, data={"level": "info", "message": "at last"})
        recorder.record({run_id: [line]}, now=timezone.now())
        connection.close()

    waits = threading.Thread(target=wait)
    waits.start()
    try:
        found = []
        later = timezone.now() + timedelta(seconds=30)
        for _ in range(100):
            later += timedelta(milliseconds=50)
            found = [each for each in look.look(later).findings if each.kind == StuckKind.LOCK]
            if found:
                break
        [finding] = found
        assert finding.run_id == run_id
        assert f"locked by process {pid} (a report)" in finding.words
        assert finding.command == f"SELECT pg_terminate_backend({pid});"
        assert "FOR UPDATE" in facts(finding)["Its statement"]
    finally:
        somebody.rollback()
        waits.join(20)
    assert found_of(run_id) == []


# -- Keeping ---------------------------------------------------------------------------------


def test_what_is_kept_goes_with_the_next_look_and_two_looks_make_one_row(make_run):
    serves("bulk")
    run_id = make_run(QUEUED)
    waited(run_id, 70)
    seen, again = look.look(timezone.now()), look.look(timezone.now())
    record.keep(again)
    first = StuckRun.objects.get()
    record.keep(seen)  # who looked earlier changes nothing
    record.keep(again)
    assert StuckRun.objects.get().checked_at == first.checked_at
    serves("runs", "bulk")
    ReadyNode.objects.update(ready_at=timezone.now())
    tasks.find_stuck()
    assert not StuckRun.objects.exists()


def test_a_row_of_a_run_that_ended_goes_also_where_its_class_cannot_be_asked(make_run):
    serves("bulk")
    run_id = make_run(QUEUED)
    waited(run_id, 70)
    tasks.find_stuck()
    lifecycle.terminate(Run.objects.filter(pk=run_id), by=ANNA, reason="enough")
    record.keep(look.Seen(timezone.now(), unknown=set(StuckKind)))
    assert not StuckRun.objects.exists()
