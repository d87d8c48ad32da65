"""Limits of workflows and executors, queues with windows of their own, pauses."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle
from runs.engine import dispatch, gates, registry, worker
from runs.models import Event, ExecutorLimit, Node, ReadyNode, Run, Workflow
from runs.states import Kind
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import wait_for, wait_for_end

pytestmark = pytest.mark.django_db(transaction=True)
# Enough for a plan that reads all of them to show in blocks.
FLOOD = 10_000


@pytest.fixture
def unsent(monkeypatch):
    """Hints that would go to the broker: the test executes the nodes itself."""
    sent = []
    monkeypatch.setattr(dispatch, "send", sent.extend)
    return sent


def limit(version, most):
    Workflow.objects.filter(pk=version.workflow_id).update(max_active=most)
    version.workflow.refresh_from_db()
    return version


def start(version, count=1, data=None):
    return [
        lifecycle.start(version, data or {}, trigger="api", by=ANNA).pk for _ in range(count)
    ]  # fmt: skip


def runs_of(hinted):
    nodes = dict(Node.objects.filter(pk__in=[h.node_id for h in hinted]).values_list("pk", "run"))
    return [nodes[hint.node_id] for hint in hinted]


def execute(hinted):
    return [worker.execute(hint.node_id) for hint in hinted]


def states(run_ids):
    found = dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "state"))
    return [found[pk] for pk in run_ids]


# -- Workflows -------------------------------------------------------------------------------


def test_runs_beyond_the_limit_wait_in_order_and_are_let_in_as_places_get_free(publish, unsent):
    version = limit(publish(executor_node("a"), executor_node("b", needs=["a"])), 2)
    run_ids = start(version, 5)
    assert runs_of(unsent) == run_ids[:2]
    first, second = unsent
    unsent.clear()
    assert execute([first, second]) == [True, True]
    assert states(run_ids) == ["active", "active", *["created"] * 3]
    begun = dispatch.take(timezone.now())
    assert runs_of(begun) == run_ids[:2]
    assert execute(begun[:1]) == [True]
    assert states(run_ids)[:1] == ["completed"]
    assert runs_of(dispatch.take(timezone.now())) == run_ids[2:3]  # at once, without a tick
    lifecycle.terminate(Run.objects.filter(pk=run_ids[1]), by=ANNA)
    assert runs_of(unsent) == run_ids[3:4]


def test_a_hint_for_a_run_that_is_held_begins_nothing(publish, unsent):
    version = limit(publish(executor_node("a")), 1)
    run_ids = start(version, 2)
    held = Node.objects.get(run=run_ids[1])
    assert worker.execute(held.pk) is False
    assert states(run_ids) == ["created", "created"]


def test_a_limit_set_while_runs_are_hinted_at_holds_when_they_are_claimed(publish, unsent):
    version = publish(executor_node("a"), executor_node("b", needs=["a"]))
    run_ids = start(version, 4)
    limit(version, 1)
    assert execute(unsent) == [True, False, False, False]
    assert states(run_ids) == ["active", *["created"] * 3]
    limit(version, None)
    gates.release()
    hinted = dispatch.take(timezone.now())
    assert sorted(runs_of(hinted)) == sorted(run_ids)  # b of the first, a of the others


def test_many_first_nodes_of_a_run_count_once(publish, unsent):
    version = limit(publish(*(executor_node(f"n{n}") for n in range(5))), 2)
    run_ids = start(version, 3)
    assert sorted(runs_of(unsent)) == sorted(run_ids[:2] * 5)


def flood(version, count=FLOOD, **fields):
    """Queued runs of a version, each with one first node, as they would be after `count` starts;
    through SQL, since that many starts take minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SET runs.load = 'on'")
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO jobs (id, workflow_id, version_id, state, state_seq, last_seq,
                    created_at, trigger, triggered_by, ref_type, ref_id, cost, input_tokens,
                    output_tokens, cached_tokens, nodes_total, nodes_done, current_node,
                    error_node, error_kind, error_message, ended_by, reason)
                SELECT gen_random_uuid(), %s, %s, 'created', 1, 1, now() - interval '1 hour',
                    'api', 'anna', '', '', 0, 0, 0, 0, 1, 0, '', '', '', '', '', ''
                FROM generate_series(1, %s) RETURNING id
            ), nodes_made AS (
                INSERT INTO nodes (run_id, key, position, kind, executor, status, attempts,
                    failures, error_kind, error_message, cost, queue)
                SELECT id, 'a', 0, 'executor', %s, 'queued', 0, 0, '', '', 0, %s FROM made
                RETURNING id, run_id, queue
            )
            INSERT INTO ready_nodes (node_id, run_id, ready_at, hints, queue, gate, held)
            SELECT id, run_id, now() - interval '1 hour', 0, queue, %s, %s <> '' FROM nodes_made
            """,
            [
                version.workflow_id, version.pk, count, fields.get("executor", "probe.noop"),
                fields.get("queue", ""), *[fields.get("gate", "")] * 2,
            ],
        )  # fmt: skip
        cursor.execute("SET runs.load = 'off'")
        cursor.execute("ANALYZE ready_nodes, nodes, jobs")


def plan(statement, values):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values)
        found = cursor.fetchone()[0]
    found = json.loads(found) if isinstance(found, str) else found
    top = found[0]["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], json.dumps(found)


TAKE = {"own": [""], "window": 256, "pause": 30, "doublings": 5}


def test_many_thousand_runs_of_a_limited_workflow_stand_in_nobodys_way(publish, unsent):
    limited = limit(publish(executor_node("a"), slug="limited"), 1)
    gate = gates.of_workflow(limited.workflow_id)
    flood(limited, gate=gate)
    other = publish(executor_node("a"), slug="other")
    assert runs_of(unsent) == []
    (run,) = start(other)
    assert runs_of(unsent) == [run]  # behind all of them by time, and hinted at at once
    blocks, _ = plan(dispatch._TAKE, {**TAKE, "now": timezone.now()})
    assert blocks < 200
    for statement, values in (
        (gates._HELD, [500]),
        (gates._LET_IN_RUNS, {"gate": gate, "most": 1_001, "free": 1}),
        (gates._ACTIVE, [limited.workflow_id, 1]),
        (gates._RUNS_LET_IN, [gate]),
    ):
        blocks, text = plan(statement, values)
        assert blocks < 150, (statement, blocks, text)


# -- Queues ----------------------------------------------------------------------------------


def test_a_queue_without_a_worker_fills_no_other_queues_window(publish, unsent, settings):
    settings.ENGINE_WINDOW = 4
    away = publish(executor_node("a", queue="gpu"), slug="away")
    flood(away, 50, queue="gpu")
    start(away, 10)
    assert [hint.queue for hint in unsent] == ["gpu"] * 4
    unsent.clear()
    near = publish(executor_node("a"), slug="near")
    run_ids = start(near, 4)
    assert runs_of(unsent) == run_ids
    assert {hint.queue for hint in unsent} == {""}


def test_a_worker_takes_nodes_of_its_own_queues_only(publish, start_worker, tmp_path, broker):
    broker.delete("gpu")
    version = publish(
        executor_node("a", queue="gpu"), executor_node("b", needs=["a"]),
    )  # fmt: skip
    start_worker(queues="runs")
    (first,) = start(version)
    wait_for(lambda: broker.llen("gpu") == 1, "the hint in its queue")
    assert states([first]) == ["created"]
    start_worker(queues="gpu")
    run = wait_for_end(Run.objects.get(pk=first))
    assert run.state == "completed"
    workers = dict(
        Event.objects.filter(run=first, kind=Kind.NODE_STARTED).values_list("node", "data__worker")
    )
    assert workers["a"] != workers["b"]


def test_an_executors_queue_is_that_of_its_nodes_unless_they_name_one(publish, unsent):
    version = publish(
        executor_node("a", "probe.on_gpu"), executor_node("b", "probe.on_gpu", queue="runs"),
        executor_node("c"),
    )  # fmt: skip
    start(version)
    queues = dict(Node.objects.values_list("key", "queue"))
    assert queues == {"a": "gpu", "b": "", "c": ""}
    assert "gpu" in registry.queues()


# -- Executors -------------------------------------------------------------------------------


def test_an_executors_nodes_in_flight_never_exceed_its_limit(publish, start_worker, tmp_path):
    """Six processes of two workers, and nodes that tell when they begin and end."""
    ExecutorLimit.objects.create(executor="probe.count", most=2)
    log = tmp_path / "log"
    version = publish(
        *(executor_node(f"n{n}", "probe.count", input={"path": str(log)}) for n in range(12))
    )
    other = publish(executor_node("a"), slug="other")
    for _ in range(2):
        start_worker(concurrency=3)
    run_ids = start(version, 2)
    beside = start(other)
    for run_id in beside + run_ids:
        assert wait_for_end(Run.objects.get(pk=run_id)).state == "completed"
    inside = most = 0
    lines = log.read_text().split()
    assert len(lines) == 2 * 24
    for line in lines:
        inside += 1 if line == "+" else -1
        most = max(most, inside)
    assert most == 2
    assert not ReadyNode.objects.exists()


def test_claims_at_once_let_in_as_many_as_the_limit(publish, unsent, monkeypatch):
    """Twelve who claim at the same moment, each by a connection of its own."""
    ExecutorLimit.objects.create(executor="probe.noop", most=3)
    monkeypatch.setattr(worker.executors, "run", lambda _: gate.wait() and None)
    version = publish(*(executor_node(f"n{n}") for n in range(12)))
    start(version)
    begun, release = threading.Barrier(12), threading.Event()
    gate = release

    def claim(node_id):
        begun.wait()
        try:
            worker.execute(node_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[hint.node_id]) for hint in unsent]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: Node.objects.filter(status="running").count() == 3, "three in flight")
        wait_for(lambda: ReadyNode.objects.filter(held=True).count() == 9, "nine that wait")
        assert Node.objects.filter(status="running").count() == 3
    finally:
        release.set()
        for thread in threads:
            thread.join()


def test_a_declared_limit_is_that_of_the_code_unless_the_operator_says_otherwise():
    assert registry.limit_of("probe.one_by_one") == 1
    gate = gates.of_executor("probe.one_by_one")
    assert gates._limits([gate]) == {gate: 1}
    ExecutorLimit.objects.create(executor="probe.one_by_one", most=7)
    assert gates._limits([gate]) == {gate: 7}
    assert gates._limits([gates.of_executor("nobody.knows")]) == {}


# -- Pauses ----------------------------------------------------------------------------------


def test_while_a_workflow_is_paused_active_runs_go_on_and_queued_ones_wait(publish, unsent):
    version = publish(executor_node("a"), executor_node("b", needs=["a"]))
    active, queued = start(version, 2)
    assert execute(unsent[:1]) == [True]
    Workflow.objects.filter(pk=version.workflow_id).update(paused_at=timezone.now())
    version.workflow.refresh_from_db()
    (later,) = start(version)
    assert execute(unsent[1:]) == [False, True]  # the first node of one, the second of the other
    assert states([active, queued, later]) == ["completed", "created", "created"]
    gates.release()
    assert dispatch.take(timezone.now()) == []
    Workflow.objects.filter(pk=version.workflow_id).update(paused_at=None)
    gates.release()
    assert execute(dispatch.take(timezone.now())) == [True, True]
    assert states([queued, later]) == ["active", "active"]


def test_the_start_deadline_of_a_held_run_applies(publish, unsent):
    from runs.engine import rescue

    version = limit(publish(executor_node("a"), start_deadline_seconds=1), 1)
    run_ids = start(version, 2)
    rescue.missed_deadlines(timezone.now() + timedelta(seconds=2))
    assert states(run_ids) == ["failed", "failed"]
    assert not ReadyNode.objects.exists()


# -- Executors that a worker does not know ---------------------------------------------------


@pytest.mark.long
def test_a_node_whose_executor_a_worker_lacks_is_left_to_one_that_has_it(
    publish, start_worker, tmp_path, beat
):
    version = publish(executor_node("a", "probe.echo", input={"x": 1}))
    start_worker(EXTRA_APPS="")
    (run_id,) = start(version)
    said = wait_for(lambda: Event.objects.filter(run=run_id, kind=Kind.LOG).first(), "the line")
    assert "does not know the executor “probe.echo”" in said.data["message"]
    assert states([run_id]) == ["created"]
    start_worker()
    # Which of the two gets it is chance, each time that it is given out, at most 15 s apart.
    assert wait_for_end(Run.objects.get(pk=run_id), 240).state == "completed"
    assert Event.objects.filter(run=run_id, kind=Kind.LOG).count() == 1


def test_a_node_that_no_worker_knows_fails_in_the_end_with_what_to_do(
    publish, unsent, monkeypatch, settings
):
    settings.ENGINE_MISSING_EXECUTOR_SECONDS = 120
    version = publish(executor_node("a", "probe.echo"))
    (run_id,) = start(version)
    monkeypatch.setattr(worker.registry, "find", lambda _: None)
    node_id = unsent[0].node_id
    assert worker.execute(node_id) is False
    waiting = ReadyNode.objects.get()
    assert waiting.ready_at > timezone.now()
    assert waiting.hint_due is None
    long_ago = timezone.now() - timedelta(seconds=121)
    ReadyNode.objects.update(declined_at=long_ago, ready_at=long_ago)
    worker.execute(node_id)
    run = Run.objects.get(pk=run_id)
    assert (run.state, run.error_kind, run.error_node) == ("failed", "ExecutorMissing", "a")
    assert "Install the app that registers it" in run.error_message


# -- Versions --------------------------------------------------------------------------------


def test_runs_under_way_keep_their_version_when_a_new_one_is_published(publish, unsent):
    old = publish(executor_node("a"), executor_node("b", "probe.echo", needs=["a"]))
    (run_id,) = start(old)
    assert execute(unsent) == [True]
    new = publish(executor_node("a"), executor_node("c", needs=["a"]))
    assert execute(dispatch.take(timezone.now())) == [True]
    run = Run.objects.get(pk=run_id)
    assert (run.state, run.version_id) == ("completed", old.pk)
    assert list(run.nodes.values_list("key", flat=True)) == ["a", "b"]
    assert new.pk != old.pk
