"""The same events from many senders at once, in any order: each is stored once, and the rows are
what the history says."""

import threading
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise

import pytest
from django.db import connection, connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.fold import fold
from runs.ingest.check import report_of
from runs.ingest.intake import take_in
from runs.models import Event, Node, Run, User
from runs.recorder_sql import load_nodes, lock_runs
from runs.rows import NewEvent, RunRow
from runs.states import Kind
from tests.runs.api.reports import assert_whole, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sender(db):
    return User.objects.create_user("sender", is_staff=True)


def send(events, by):
    now = timezone.now()
    reports = [
        report_of(dict(event, data=dict(event.get("data", {}))), n, now, 1_000_000, doubtful=True)
        for n, event in enumerate(events)
    ]
    return take_in(reports, by=by, now=now)


def at_once(*acts):
    """Run them in threads with connections of their own; gives what they gave."""
    barrier = threading.Barrier(len(acts))
    results, errors = [None] * len(acts), []

    def work(place, act):
        try:
            connection.ensure_connection()
            barrier.wait(20)
            results[place] = act()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    return results


def lifecycle_of(run):
    return [
        told("run_created", run, s=0),
        told("node_started", run, node="a", s=1),
        told("log", run, node="a", s=2, data={"message": "hello"}),
        told("node_completed", run, node="a", s=3),
        told("run_completed", run, s=4),
    ]


def test_two_calls_with_the_same_events_store_each_once(sender):
    events = [event for n in range(20) for event in lifecycle_of(f"r{n}")]
    outcomes = at_once(*[lambda: send(events, sender)] * 4)
    assert sum(outcome.stored for outcome in outcomes) == len(events)
    assert sum(outcome.duplicates for outcome in outcomes) == 3 * len(events)
    assert not any(outcome.refused for outcome in outcomes)
    assert Run.objects.filter(state="completed").count() == 20
    assert_whole()


def test_senders_of_different_events_of_the_same_new_runs(sender):
    """Runs, workflow and source are first heard of by all of them at once, in other orders."""
    batches = [
        [told("log", f"r{(n * step) % 31}", node=f"n{n % 3}", data={"message": "x"})
         for n in range(93)]
        for step in (1, 7, 30, 11)
    ]  # fmt: skip
    outcomes = at_once(*[lambda batch=batch: send(batch, sender) for batch in batches])
    assert [outcome.stored for outcome in outcomes] == [93] * 4
    assert Run.objects.count() == 31
    assert_whole()


def test_two_calls_with_the_same_lines_store_each_once(sender):
    send([told("node_started", f"r{n}", node="a") for n in range(20)], sender)
    lines = [told("log", f"r{n % 20}", node="a", data={"message": str(n)}) for n in range(100)]
    outcomes = at_once(*[lambda: send(lines, sender)] * 4)
    assert sum(outcome.stored for outcome in outcomes) == 100
    assert sum(outcome.duplicates for outcome in outcomes) == 300
    assert_whole()


def test_one_id_for_two_runs_is_stored_for_one_of_them(sender):
    send([told("run_created", run) for run in ("r1", "r2")], sender)
    acts = [
        lambda run=run: send([told("log", run, id_="same", data={"message": "x"})], sender)
        for run in ("r1", "r2", "r1", "r2")
    ]
    outcomes = at_once(*acts)
    assert sum(outcome.stored for outcome in outcomes) == 1
    assert sum(outcome.duplicates for outcome in outcomes) == 3
    assert_whole()


# -- Any interleaving ------------------------------------------------------------------------

_nodes = st.sampled_from(["a", "b"])
_attempts = st.sampled_from([None, 1, 2, 3])
_seconds = st.integers(0, 59)


@st.composite
def histories(draw):
    """Events, sensible or not, of two runs."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        type_ = draw(st.sampled_from([
            "run_created", "run_started", "run_completed", "run_failed", "run_terminated",
            "node_queued", "node_started", "node_completed", "node_failed", "node_skipped", "log",
            "progress", "llm_call", "path_selected",
        ]))  # fmt: skip
        data = {
            "log": {"message": "x"}, "progress": {"done": 1, "total": 2},
            "llm_call": {"model": "m", "cost": "0.1", "input_tokens": 3},
            "path_selected": {"selected": ["b"]},
        }.get(type_, {})  # fmt: skip
        if type_ == "node_failed" and draw(st.booleans()):
            data = {"retry_at": "2026-01-31T02:01:00Z"}
        event = told(
            type_, draw(st.sampled_from(["r1", "r2"])), id_=f"h{number}", s=draw(_seconds),
            data=data,
        )  # fmt: skip
        if not type_.startswith("run_"):
            event["node"] = draw(_nodes)
            if (attempt := draw(_attempts)) is not None and type_ != "node_queued":
                event["attempt"] = attempt
        found.append(event)
    return found


@st.composite
def interleavings(draw):
    """Calls that together send each event at least once, some of them again and again."""
    events = draw(histories())
    order = draw(st.permutations(range(len(events))))
    again = draw(st.lists(st.integers(0, len(events) - 1), max_size=10))
    sent = [events[place] for place in [*order, *again]]
    cuts = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=4)))
    edges = [0, *cuts, len(sent)]
    return len(events), [sent[a:b] for a, b in pairwise(edges)]


def folded(run):
    """The rows that the history alone gives."""
    nodes = {}
    row = RunRow(
        run.id, run.version_id, "created", 1, 0, source_id=run.source_id, created_at=run.created_at
    )
    for event in Event.objects.filter(run=run).order_by("seq"):
        new = NewEvent(
            Kind(event.kind), event.node, event.attempt, event.actor, event.data, event.at
        )
        fold(row, nodes, [new], event.recorded_at)
    return row, nodes


@settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(interleavings())
def test_any_interleaving_gives_a_gapless_history_and_its_rows(sender, told_how):
    count, calls = told_how
    with connection.cursor() as cursor:
        cursor.execute("SET runs.purge = 'on'")
        cursor.execute("TRUNCATE jobs, event_tracking, nodes, attempts, leases, llm_calls,"
                       " ready_nodes, decisions, outbox, archives")  # fmt: skip
        cursor.execute("RESET runs.purge")
    outcomes = [send(call, sender) for call in calls]
    assert sum(outcome.stored for outcome in outcomes) == count
    assert sum(map(len, calls)) == count + sum(outcome.duplicates for outcome in outcomes)
    assert_whole()
    for run in Run.objects.all():
        row, nodes = folded(run)
        [stored] = lock_runs_of(run)
        assert asdict(row) == asdict(stored)
        shown = {key: asdict(node) for key, node in load_nodes([run.id]).get(run.id, {}).items()}
        assert {key: asdict(node) for key, node in nodes.items()} == shown
    assert not Node.objects.filter(run__completed_at__isnull=False).exclude(
        status__in=["completed", "failed", "skipped", "terminated"]
    )


def lock_runs_of(run):
    from django.db import transaction

    with transaction.atomic():
        return lock_runs([run.id])


def test_the_checker_sees_a_row_that_differs(sender):
    send(lifecycle_of("r1"), sender)
    run = Run.objects.get()
    row, _ = folded(run)
    row.last_seq += 1
    [stored] = lock_runs_of(run)
    assert asdict(row) != asdict(stored)
    assert isinstance(stored.completed_at, datetime)
