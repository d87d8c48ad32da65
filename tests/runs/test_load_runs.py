"""Made-up runs: they satisfy what real ones do, and the checker that says so is no dupe."""

from statistics import median

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils.dateparse import parse_datetime

from runs.models import Event, Node, OutboxLine, Run, WorkflowVersion
from runs.states import RunState
from runs.synthetic import problems
from tests.runs.invariants import INVARIANTS, broken

pytestmark = pytest.mark.django_db(transaction=True)

UNTIL = "2026-11-20T15:30:00Z"
# What breaks each invariant: one row changed, removed or added.
_ENDED = "id = (SELECT id FROM jobs WHERE state = 'completed' ORDER BY id DESC LIMIT 1)"
_RETRY = "id = (SELECT id FROM jobs WHERE retry_of_id IS NOT NULL ORDER BY id DESC LIMIT 1)"
_LAST = "run_id = (SELECT id FROM jobs WHERE state = 'completed' ORDER BY id DESC LIMIT 1)"
BREAKAGES = {
    "a log is numbered from 1 to its run's last number without a gap": (
        f"DELETE FROM event_tracking WHERE {_LAST} AND seq = 4",
        f"UPDATE jobs SET last_seq = last_seq + 1 WHERE {_ENDED}",
    ),
    "a log begins with the run's creation": (
        f"UPDATE event_tracking SET kind = 'log' WHERE {_LAST} AND seq = 1",
        f"UPDATE jobs SET retry_of_id = NULL WHERE {_RETRY}",
    ),
    "nothing in a log is earlier than what stands before it": (
        f"UPDATE event_tracking SET at = at - interval '1 day' WHERE {_LAST} AND seq = 5",
    ),
    "each state follows from the one before": (
        f"""UPDATE event_tracking SET data = data || '{{"to": "failed"}}'
            WHERE {_LAST} AND kind = 'state_changed' AND data->>'to' = 'active'""",
    ),
    "a run is in the state that its log says, since the number that it says": (
        f"UPDATE jobs SET state_seq = state_seq - 1 WHERE {_ENDED}",
        f"UPDATE jobs SET state = 'failed' WHERE {_ENDED}",
    ),
    "a run's end is the time of the event that ended it": (
        f"UPDATE jobs SET completed_at = completed_at + interval '1 ms' WHERE {_ENDED}",
    ),
    "a run's start is the time of the event that started it": (
        f"UPDATE jobs SET started_at = started_at + interval '1 ms' WHERE {_ENDED}",
    ),
    "a run is created, then started, then ended": (
        f"UPDATE jobs SET completed_at = started_at - interval '1 ms' WHERE {_ENDED}",
    ),
    "errors and who ended it stand where they belong": (
        f"UPDATE jobs SET error_message = 'broken' WHERE {_ENDED}",
        f"UPDATE jobs SET ended_by = 'anna' WHERE {_ENDED}",
    ),
    "ids are in the order of creation and hold its time": (
        f"UPDATE jobs SET created_at = created_at - interval '1 ms' WHERE {_ENDED}",
        f"UPDATE jobs SET id = gen_random_uuid() WHERE {_ENDED}",
    ),
    "a run's version is one of its workflow": (
        f"UPDATE jobs SET workflow_id = workflow_id + 1 WHERE {_ENDED}",
    ),
    "a retry follows the failed run that it names": (
        f"UPDATE jobs SET first_id = NULL WHERE {_RETRY}",
        f"UPDATE jobs SET retry_of_id = id WHERE {_RETRY}",
    ),
    "a run counts its nodes": (f"UPDATE jobs SET nodes_done = nodes_done - 1 WHERE {_ENDED}",),
    "a run of a version has that version's nodes": (
        f"UPDATE nodes SET key = 'another' WHERE {_LAST} AND position = 0",
    ),
    "nothing goes on in a run that has ended": (
        f"UPDATE nodes SET status = 'running' WHERE {_LAST} AND position = 0",
    ),
    "a run costs what its model calls cost": (
        f"UPDATE jobs SET cost = cost + 0.0000000001 WHERE {_ENDED}",
        f"UPDATE jobs SET cached_tokens = cached_tokens + 1 WHERE {_ENDED}",
    ),
    "a node costs what its model calls cost": (
        f"UPDATE nodes SET cost = cost + 0.0000000001 WHERE {_LAST} AND position = 0",
    ),
    "a model call is what its event says": (
        "DELETE FROM llm_calls WHERE id = (SELECT max(id) FROM llm_calls)",
        "UPDATE llm_calls SET model = 'other' WHERE id = (SELECT max(id) FROM llm_calls)",
    ),
    "a node's numbers lead to its events": (
        f"UPDATE nodes SET input_seq = input_seq + 1 WHERE {_LAST} AND position = 0",
        f"UPDATE nodes SET output_seq = NULL WHERE {_LAST} AND position = 0",
    ),
    "a node's status is what its last event left it in": (
        f"UPDATE nodes SET status = 'skipped' WHERE {_LAST} AND position = 0",
    ),
    "a node has the attempts that it counts": (
        f"UPDATE nodes SET attempts = attempts + 1 WHERE {_LAST} AND position = 0",
        f"UPDATE nodes SET failures = failures + 1 WHERE {_LAST} AND position = 0",
        "DELETE FROM attempts WHERE id = (SELECT max(id) FROM attempts)",
    ),
    "an attempt's numbers lead to its events": (
        "UPDATE attempts SET result_seq = 1 WHERE status = 'completed'",
        "UPDATE attempts SET retry_at = retry_at + interval '1 s' WHERE retry_at IS NOT NULL",
    ),
    "an event names a node of its run": (
        f"UPDATE event_tracking SET node = 'another' WHERE {_LAST} AND kind = 'node_queued'",
    ),
    "nodes, attempts and model calls belong to a run": (f"DELETE FROM jobs WHERE {_ENDED}",),
}


def load(count, *more, until=UNTIL):
    call_command("load_runs", "--runs", str(count), "--until", until, *more, verbosity=0)


@pytest.fixture
def nothing_checked():
    """A block in which the database lets everything through, undone at its end."""

    def statement(sql):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = 'replica'")
            cursor.execute(sql)
            return cursor.rowcount

    return statement


def test_made_up_runs_satisfy_every_invariant_and_one_wrong_row_breaks_it(nothing_checked):
    load(2_000, "--check")
    assert Run.objects.count() == 2_000
    assert broken() == {}
    assert {*Run.objects.values_list("state", flat=True)} == {*RunState}
    assert Run.objects.filter(retry_of__isnull=False).count() > 20
    assert 16 < Event.objects.count() / 2_000 < 26
    assert set(BREAKAGES) == set(INVARIANTS)
    for name, statements in BREAKAGES.items():
        for sql in statements:
            with transaction.atomic():
                assert nothing_checked(sql) > 0, sql
                assert broken(name), sql
                transaction.set_rollback(True)


@pytest.mark.long
def test_the_newest_runs_have_nodes_and_the_newest_of_those_their_log():
    load(600, "--nodes-for", "200", "--events-for", "50")
    assert broken() == {}
    newest = list(Run.objects.newest_first().values_list("pk", flat=True))
    assert {*Node.objects.values_list("run", flat=True)} == {*newest[:200]}
    assert {*Event.objects.values_list("run", flat=True)} == {*newest[:50]}


def test_runs_that_are_added_to_a_portal_that_goes_on_have_all_ended():
    load(300, "--days", "1", "--add", "--check")
    assert broken() == {}
    assert Run.objects.count() == 300
    assert not Run.objects.open().exists()
    assert not Run.objects.filter(completed_at__gt=parse_datetime(UNTIL)).exists()


def told():
    columns = ("id", "workflow__slug", "version__number", "state", "created_at", "cost", "ref_id")
    return list(Run.objects.order_by("id").values_list(*columns))


@pytest.mark.long
def test_the_same_seed_and_end_make_the_same_runs(nothing_checked):
    load(300)
    first = told()
    with transaction.atomic():
        for table in ("event_tracking", "llm_calls", "attempts", "nodes", "jobs"):
            nothing_checked(f"DELETE FROM {table}")
    load(300, "--processes", "1")
    assert told() == first


@pytest.mark.long
def test_a_store_with_runs_is_added_to_only_where_that_is_asked_for():
    load(20)
    versions = WorkflowVersion.objects.count()
    with pytest.raises(CommandError, match="--add"):
        load(20, "--seed", "2")
    load(20, "--seed", "2", "--add")
    assert Run.objects.count() == 40
    assert WorkflowVersion.objects.count() == versions
    # The same runs again: nothing of them is written.
    with pytest.raises(CommandError, match="UniqueViolation"):
        load(20, "--seed", "2", "--add")
    assert Run.objects.count() == 40
    assert broken() == {}


def test_a_run_as_large_as_wanted_can_be_made():
    load(0, "--hot-run", "60", "900")
    run = Run.objects.get()
    assert run.nodes_total == run.nodes_done == 60
    assert 700 < run.last_seq < 1_100
    assert broken() == {}


@pytest.mark.long
def test_made_up_runs_are_heard_of_by_those_who_count_by_the_hour():
    load(300, "--days", "2")
    told = Run.objects.filter(pk__in=OutboxLine.objects.values("run_id"))
    assert counted_in(told) == counted_in(Run.objects.all())
    assert told.count() == len(counted_in(told))


def counted_in(runs):
    return {
        (run.workflow_id, run.created_at.replace(minute=0, second=0, microsecond=0)) for run in runs
    }


def test_planted_problems_begin_before_the_end_and_break_no_invariant():
    load(1_500, "--days", "3", "--events-per-run", "12", "--planted")
    assert broken() == {}
    since = parse_datetime(UNTIL) - problems.AGO
    failed = Run.objects.filter(error_kind="SchemaMismatch")
    assert {(run.version.number, run.error_node) for run in failed} == {(4, "read_tables")}
    assert all(run.created_at >= since for run in failed)

    def medians(workflow, node, figure):
        found = {True: [], False: []}
        of = {"run__workflow__slug": workflow, "run__state": "completed", "key": node}
        for each in Node.objects.filter(attempts=1, **of).select_related("run"):
            found[each.run.created_at >= since].append(figure(each))
        return median(found[False]), median(found[True])

    before, after = medians(
        "thumbnail_refresh", "draw", lambda node: node.completed_at - node.started_at
    )
    assert after > 2 * before
    before, after = medians(
        "customer_onboarding", "read_address", lambda node: node.started_at - node.queued_at
    )
    assert after > 5 * before
    before, after = medians("contract_review", "compare_template", lambda node: node.cost)
    assert after > 2 * before
