"""The database keeps the state machine and the log by itself, also against raw SQL."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from runs import recorder
from runs.models import Run, WorkflowVersion
from runs.states import FINAL_STATES, TRANSITIONS, RunState
from tests.runs.conftest import changed

pytestmark = pytest.mark.django_db(transaction=True)

WAYS = {
    RunState.CREATED: [],
    RunState.ACTIVE: [("created", "active")],
    RunState.COMPLETED: [("created", "active"), ("active", "completed")],
    RunState.FAILED: [("created", "failed")],
    RunState.TERMINATED: [("created", "active"), ("active", "terminated")],
}


def sql(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


def bring_to(run_id, state):
    for before, after in WAYS[state]:
        recorder.record({run_id: [changed(before, after)]}, now=timezone.now())


def forced_update(run_id, state):
    completed = timezone.now() if state in FINAL_STATES else None
    return sql(
        "UPDATE jobs SET state = %s, completed_at = %s WHERE id = %s", state, completed, run_id
    )


@pytest.mark.parametrize("after", list(RunState))
@pytest.mark.parametrize("before", list(RunState))
def test_raw_sql_makes_no_forbidden_transition(make_run, before, after):
    run_id = make_run()
    bring_to(run_id, before)
    if after == before:
        assert forced_update(run_id, after) == 1
    elif after in TRANSITIONS[before]:
        with pytest.raises(IntegrityError, match="without its event"):
            forced_update(run_id, after)
    else:
        with pytest.raises(IntegrityError, match=f"cannot go from {before} to {after}"):
            forced_update(run_id, after)
    assert Run.objects.get(pk=run_id).state == before


@pytest.mark.parametrize("before", list(RunState))
def test_recorder_makes_no_forbidden_transition(make_run, before):
    run_id = make_run()
    bring_to(run_id, before)
    for after in set(RunState) - TRANSITIONS[before] - {before}:
        with pytest.raises(IntegrityError, match="cannot go"):
            recorder.record({run_id: [changed(before, after)]}, now=timezone.now())
    assert Run.objects.get(pk=run_id).state == before


def test_state_change_needs_its_own_event_not_an_older_one(make_run):
    run_id = make_run()
    sql(
        "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
        " VALUES (%s, 2, 'state_changed', '', '', now(), now(),"
        ' \'{"from": "created", "to": "failed"}\')',
        run_id,
    )
    with pytest.raises(IntegrityError, match="without its event"):
        sql("UPDATE jobs SET state = 'active', state_seq = 2, last_seq = 2 WHERE id = %s", run_id)


def test_a_run_cannot_be_inserted_in_another_state_or_without_its_event(version):
    columns = (
        "id, workflow_id, version_id, state, state_seq, last_seq, created_at, completed_at,"
        " trigger, triggered_by, ref_type, ref_id, cost, input_tokens, output_tokens,"
        " cached_tokens, nodes_total, nodes_done, current_node, error_node, error_kind,"
        " error_message, ended_by, reason"
    )
    values = "gen_random_uuid(), %s, %s, %s, 1, 1, now(), %s, 'api', 'x', '', '', 0, 0, 0, 0, 0, 0"
    insert = f"INSERT INTO jobs ({columns}) VALUES ({values}, '', '', '', '', '', '')"
    ids = (version.workflow_id, version.pk)
    with pytest.raises(IntegrityError, match="begins created"):
        sql(insert, *ids, "completed", timezone.now())
    with pytest.raises(IntegrityError, match="created without its event"):
        sql(insert, *ids, "created", None)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_tracking SET data = '{}' WHERE run_id = %s",
        "UPDATE event_tracking SET seq = seq + 100 WHERE run_id = %s",
        "DELETE FROM event_tracking WHERE run_id = %s",
        "DELETE FROM jobs WHERE id = %s",
    ],
)
def test_raw_sql_changes_no_event(make_run, statement):
    run_id = make_run()
    with pytest.raises(IntegrityError):
        sql(statement, run_id)
    assert list(Run.objects.get(pk=run_id).events.values_list("seq", "kind")) == [
        (1, "run_created")
    ]


def test_events_are_not_truncated(make_run):
    make_run()
    with pytest.raises(IntegrityError, match="purge only"):
        sql("TRUNCATE event_tracking")


def test_the_purge_path_deletes_events(make_run):
    run_id = make_run()
    with transaction.atomic():
        sql("SET LOCAL runs.purge = 'on'")
        assert sql("DELETE FROM event_tracking WHERE run_id = %s", run_id) == 1


def test_a_workflow_version_never_changes(version):
    with pytest.raises(IntegrityError, match="never changes"):
        WorkflowVersion.objects.filter(pk=version.pk).update(definition={"nodes": []})


def test_a_run_belongs_to_its_versions_workflow(make_run, publish):
    run_id = make_run()
    other = publish({"id": "x", "kind": "executor", "executor": "probe.noop"}, slug="other")
    with pytest.raises(IntegrityError):
        sql("UPDATE jobs SET workflow_id = %s WHERE id = %s", other.workflow_id, run_id)


def test_the_audit_only_grows():
    sql(
        "INSERT INTO audit (actor, ref_type, ref_id, action, target_type, target_id, reason, count)"
        " VALUES ('a', '', '', 'retry', 'run', '', '', 1)"
    )
    for statement in ("UPDATE audit SET actor = 'b'", "DELETE FROM audit"):
        with pytest.raises(IntegrityError, match="only grows"):
            sql(statement)
