"""Many connections record into the same runs while some of them are killed.

A plain model keeps what each connection was told; the log must say the same.
"""

import threading
import time
from collections import defaultdict

import pytest
from django.db import Error, connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs import recorder
from runs.models import Attempt, Event, Lease, LLMCall, Node, ReadyNode, Run
from runs.rows import NewEvent
from runs.states import NODE_FINAL, Kind
from tests.runs.conftest import new_run

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = 3
KEYS = ("first", "second")
ACTS = ("log", "call", "start", "complete", "fail", "finish", "terminate")


def decide(act, key, token, found):  # noqa: C901 (a plain list of what each act may do)
    """What this act may do to the run as it is; every event carries the act's token."""
    node, run = found.nodes[key], found.run
    data = {"token": token}

    def change(after):
        return NewEvent(Kind.STATE_CHANGED, data={"from": run.state, "to": after, **data})

    if act == "log":
        return [NewEvent(Kind.LOG, node=key, data=data)]
    if act == "call":
        price = {"model": "m", "input_tokens": 1, "output_tokens": 1, "cost": "0.1"}
        return [NewEvent(Kind.LLM_CALL, node=key, attempt=1, data={**data, **price})]
    if run.is_final:
        return []
    if act == "terminate":
        if run.state == "created":
            first = change("active")
            return [
                first,
                NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": "terminated", **data}),
            ]
        return [change("terminated")]
    if act == "start" and node.status in ("pending", "queued"):
        begun = {"worker": "w", "timeout_seconds": 60, "input": {}, **data}
        start = NewEvent(Kind.NODE_STARTED, node=key, attempt=node.attempts + 1, data=begun)
        return [change("active"), start] if run.state == "created" else [start]
    if act in ("complete", "fail") and node.status == "running":
        if act == "complete":
            result = {"output": {}, **data}
            return [NewEvent(Kind.NODE_COMPLETED, node=key, attempt=node.attempts, data=result)]
        again = {"error": {"kind": "E"}, "retry_at": timezone.now().isoformat(), **data}
        return [NewEvent(Kind.NODE_FAILED, node=key, attempt=node.attempts, data=again)]
    if act == "finish" and run.state == "active":
        return [change("completed")]
    return []


class Client(threading.Thread):
    """Does its acts over a connection of its own; knows what was confirmed and what is open."""

    def __init__(self, number, acts, run_ids):
        super().__init__()
        self.number, self.acts, self.run_ids = number, acts, run_ids
        self.confirmed = defaultdict(list)
        self.open = defaultdict(set)
        self.error = None
        self.pid = None

    def run(self):
        try:
            for step, (act, which, key) in enumerate(self.acts):
                self.act(act, [self.run_ids[i] for i in which], KEYS[key], f"{self.number}.{step}")
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def act(self, act, run_ids, key, token):
        try:
            connection.ensure_connection()
            self.pid = connection.connection.info.backend_pid
            done = recorder.transact(
                run_ids, lambda found: decide(act, key, token, found), now=timezone.now()
            )
        except Error:
            for run_id in run_ids:
                self.open[run_id].add(token)
            connection.close()
        else:
            for run_id in done:
                self.confirmed[run_id].append(token)


def assert_log_is_what_clients_were_told(run_ids, clients):
    for run_id in run_ids:
        events = list(Event.objects.filter(run=run_id).order_by("seq"))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        acts = list(dict.fromkeys(e.data["token"] for e in events if "token" in e.data))
        told = [t for client in clients for t in client.confirmed[run_id]]
        maybe = {t for client in clients for t in client.open[run_id]}
        assert sorted(told) == sorted(t for t in acts if t not in maybe)
        for client in clients:
            own = [t for t in acts if t in client.confirmed[run_id]]
            assert own == client.confirmed[run_id]


def assert_rows_are_a_reading_of_the_log(run_ids):
    for run_id in run_ids:
        run = Run.objects.get(pk=run_id)
        events = list(Event.objects.filter(run=run_id).order_by("seq"))
        assert run.last_seq == len(events)
        changes = [e for e in events if e.kind == "state_changed"]
        assert run.state == (changes[-1].data["to"] if changes else "created")
        assert run.state_seq == (changes[-1].seq if changes else 1)
        calls = LLMCall.objects.filter(run=run_id)
        assert calls.count() == sum(e.kind == "llm_call" for e in events)
        assert run.cost == sum((c.cost for c in calls), start=0)
        for node in Node.objects.filter(run=run_id):
            own = [e for e in events if e.node == node.key]
            starts = [e.attempt for e in own if e.kind == "node_started"]
            assert starts == list(range(1, node.attempts + 1))
            assert Attempt.objects.filter(node=node).count() == node.attempts
            open_attempts = Attempt.objects.filter(node=node, status="running").count()
            assert Lease.objects.filter(node=node).count() == open_attempts <= 1
            ready = ReadyNode.objects.filter(node=node).exists()
            assert ready == (node.status == "queued")
            if run.is_final and run.state == "terminated":
                assert node.status in NODE_FINAL


def check(run_ids, clients):
    assert_log_is_what_clients_were_told(run_ids, clients)
    assert_rows_are_a_reading_of_the_log(run_ids)


def race(version, scripts, kills):
    new = [new_run(version) for _ in range(RUNS)]
    recorder.create(new, now=timezone.now())
    run_ids = [n.id for n in new]
    clients = [Client(number, acts, run_ids) for number, acts in enumerate(scripts)]
    for client in clients:
        client.start()
    for who, pause in kills:
        time.sleep(pause)
        victim = clients[who % len(clients)].pid
        if victim:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [victim])
    for client in clients:
        client.join(60)
        assert not client.is_alive()
        assert client.error is None, client.error
    return run_ids, clients


one_act = st.tuples(
    st.sampled_from(ACTS),
    st.lists(st.integers(0, RUNS - 1), min_size=1, max_size=RUNS, unique=True),
    st.integers(0, len(KEYS) - 1),
)
script = st.lists(one_act, min_size=3, max_size=25)
kill = st.tuples(st.integers(0, 3), st.floats(0, 0.02))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scripts=st.lists(script, min_size=2, max_size=4), kills=st.lists(kill, max_size=6))
def test_racing_and_dying_connections_leave_one_gapless_history(version, scripts, kills):
    check(*race(version, scripts, kills))


@pytest.mark.parametrize("harm", ["remove", "double"])
def test_the_check_notices_one_event_too_few_or_too_many(version, harm):
    run_ids, clients = race(version, [[("log", [0, 1, 2], 0)] * 3] * 2, [])
    check(run_ids, clients)
    with connection.cursor() as cursor:
        if harm == "remove":
            cursor.execute("SET runs.purge = 'on'")
            cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq = 4", [run_ids[0]])
            cursor.execute("RESET runs.purge")
        else:
            cursor.execute(
                "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
                " SELECT run_id, 8, kind, node, actor, at, recorded_at, data FROM event_tracking"
                " WHERE run_id = %s AND seq = 4",
                [run_ids[0]],
            )
    with pytest.raises(AssertionError):
        check(run_ids, clients)
