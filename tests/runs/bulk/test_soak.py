"""The soak of bulk operations, in small; and that its checker finds what it looks for."""

import random
import subprocess
import sys
import uuid

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.embedded.portal import PROJECT
from runs.actors import Actor
from runs.bulk import operations, selection, work
from runs.filters import RunFilter
from tests.chaos.bulk import judging, stock

pytestmark = pytest.mark.django_db
BEN = Actor(name="ben", ref_type="user", ref_id="user_ben")
ASKED = (
    ("retry", RunFilter(state="failed")),
    ("terminate", RunFilter(state="queued", workflow="mail")),
    ("delete", RunFilter(state="completed")),
)


@pytest.mark.long
def test_whatever_is_killed_each_run_has_one_outcome():
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "bulk", "--seed=3", "--runs=2000", "--rounds=4"],
        cwd=PROJECT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def meant():
    """What operations leave behind, and which runs they meant."""
    stock.fill(40, random.Random(1))
    found = {}
    for kind, wanted in ASKED:
        operation = operations.make(
            kind, by=BEN, now=timezone.now(), wanted=wanted, reason="in small"
        )
        runs = frozenset(selection.runs_of(operation).values_list("pk", flat=True))
        found[operation.pk] = judging.Meant(runs, timezone.now())
        assert runs
        while work.step(operation.pk)[0] is work.Moved.ON:
            pass
    return found


def problems(meant):
    return judging.of_tables() + judging.of_meant(meant)


def test_nothing_is_found_where_all_is_as_it_must_be(meant):
    assert problems(meant) == []


OF = "operation_id = (SELECT id FROM bulk_operations WHERE kind = '{}')"
ONE = "(SELECT run_id FROM bulk_outcomes WHERE {} AND status = 'done' LIMIT 1)"
RETRIED, TERMINATED, DELETED = (
    ONE.format(OF.format(kind)) for kind in ("retry", "terminate", "delete")
)


@pytest.mark.parametrize(
    "breaks",
    [
        f"DELETE FROM bulk_outcomes WHERE {OF.format('retry')} AND run_id = {RETRIED}",
        f"DELETE FROM bulk_outcomes WHERE {OF.format('delete')} AND run_id = {DELETED}",
        f"UPDATE bulk_outcomes SET new_run = gen_random_uuid() WHERE run_id = {RETRIED}",
        f"UPDATE bulk_outcomes SET status = 'skipped' WHERE run_id = {TERMINATED}",
        "UPDATE bulk_operations SET state = 'running' WHERE kind = 'retry'",
        f"DELETE FROM deleted_runs WHERE run_id = {DELETED}",
        "INSERT INTO deleted_runs (run_id, deleted_at, deleted_by, reason)"
        f" VALUES ({TERMINATED}, now(), '', '')",
        f"DELETE FROM event_tracking WHERE run_id = {RETRIED} AND seq = 3",
        f"DELETE FROM nodes WHERE run_id = {TERMINATED} AND key = 'second'",
        "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
        f" VALUES ({TERMINATED}, 99, 'log', '', '', now(), now(), '{{}}')",
        f"DELETE FROM jobs WHERE retry_of_id = {RETRIED}",
        f"DELETE FROM jobs WHERE id = {TERMINATED}",
        "INSERT INTO jobs SELECT (jsonb_populate_record(j, jsonb_build_object('id',"
        f" gen_random_uuid()))).* FROM jobs j WHERE retry_of_id = {RETRIED}",
        "UPDATE bulk_outcomes SET operation_id = gen_random_uuid()"
        f" WHERE {OF.format('retry')} AND run_id = {RETRIED}",
        "UPDATE attempts SET run_id = gen_random_uuid() WHERE id = (SELECT min(id) FROM attempts)",
    ],
)
def test_what_is_taken_away_or_put_in_is_found(meant, breaks):
    with transaction.atomic(), connection.cursor() as cursor:
        # As whoever owns the tables may.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL runs.purge = 'on'")
        cursor.execute(breaks)
        assert cursor.rowcount == 1
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert problems(meant)
    # Else the references would be checked that have just been broken.
    transaction.set_rollback(True)


def test_an_operation_that_nobody_asked_for_is_found(meant):
    twice = operations.make(
        "hold", by=BEN, now=timezone.now(), wanted=RunFilter(workflow="ocr"), reason="twice"
    )
    assert twice.pk not in meant
    assert f"{twice.pk} was not asked for" in problems(meant)


def test_one_that_was_asked_for_and_is_not_there_is_found(meant):
    meant[uuid.uuid4()] = judging.Meant(frozenset(), timezone.now())
    assert "is not there" in str(problems(meant))
