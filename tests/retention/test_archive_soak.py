"""The archive's soak, in small; and that its checker finds what it looks for."""

import random
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.embedded.portal import PROJECT
from runs import archiving, objects, restoring
from runs.models import Archive, Run
from tests.chaos.archive import judging, stock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_whoever_is_killed_no_log_is_lost():
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "archive", "--seed=3", "--runs=200", "--rounds=6"],
        cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def ledger(settings, tmp_path):
    """Twelve runs: four live, four archived, one of them with a late event, four restored."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    run_ids = stock.fill(12, random.Random(1))
    kept = judging.Ledger()
    kept.of(run_ids)
    archiving.archive(run_ids[4:])
    restore(run_ids[8:])
    return kept


def restore(run_ids):
    now = timezone.now()
    fetched = restoring.fetch(run_ids)
    restoring.finish(fetched, run_ids, until=now + timedelta(days=1), now=now)


def test_nothing_is_found_where_all_is_as_it_must_be(ledger):
    assert judging.of_tables() + judging.of_storage() == []
    restore(sorted(ledger.rows))
    assert judging.of_tables() + judging.of_storage() + judging.of_logs(ledger) == []


ONE = "(SELECT id FROM jobs WHERE logs = '{}' ORDER BY id LIMIT 1)"
SPOILT = {
    "an event of a live run is gone": (
        f"DELETE FROM event_tracking WHERE run_id = {ONE.format('live')} AND seq = 3"
    ),
    "an event of a restored run is gone": (
        f"DELETE FROM event_tracking WHERE run_id = {ONE.format('restored')} AND seq = 3"
    ),
    "an event of an archived run came back": (
        "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
        f" SELECT {ONE.format('archived')}, 2, 'log', '', '', now(), now(), '{{}}'"
    ),
    "an archived run is said to be live": (
        f"UPDATE jobs SET logs = 'live' WHERE id = {ONE.format('archived')}"
    ),
    "the row of an object is gone": (
        f"DELETE FROM archives WHERE run_id = {ONE.format('archived')}"
    ),
    "a late event was forgotten": (
        f"UPDATE jobs SET last_seq = last_seq + 1 WHERE id = {ONE.format('archived')}"
    ),
    "archiving was not ended": (
        f"UPDATE jobs SET logs = 'archiving' WHERE id = {ONE.format('archived')}"
    ),
    "an object in use is doomed": (
        "INSERT INTO doomed_objects (name, doomed_at, due_at, tries, reason)"
        " SELECT name, now(), now(), 0, '' FROM archives LIMIT 1"
    ),
}


@pytest.mark.parametrize("statement", SPOILT.values(), ids=SPOILT.keys())
def test_the_checker_finds_a_row_that_is_wrong(ledger, statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('runs.purge', 'on', true)")
        cursor.execute(statement)
    assert judging.of_tables() + judging.of_storage() != []


def test_the_checker_finds_an_object_that_is_lost(ledger):
    objects.delete_many([Archive.objects.first().name])
    assert "not whole" in str(judging.of_storage())


def test_the_checker_finds_an_object_that_is_cut(ledger, tmp_path):
    path = tmp_path / Archive.objects.first().name
    path.write_bytes(path.read_bytes()[:-20])
    assert "not whole" in str(judging.of_storage())


def test_the_checker_finds_an_object_that_is_another_ones(ledger, tmp_path):
    one, other = Archive.objects.order_by("run_id")[:2]
    (tmp_path / one.name).write_bytes((tmp_path / other.name).read_bytes())
    assert "another one" in str(judging.of_storage())


def test_the_checker_finds_an_object_that_nobody_names(ledger, tmp_path):
    (tmp_path / "archive/2026/nobodys.zst").write_bytes(b"x")
    assert "nobody names" in str(judging.of_storage())


def test_the_checker_finds_a_row_that_is_not_what_it_was(ledger):
    run = Run.objects.filter(logs="live").first()
    ledger.rows[run.pk][2] = "another"
    assert "not what it was" in str(judging.of_logs(ledger))


def test_the_checker_finds_a_late_event_that_is_missing(ledger):
    run = Run.objects.filter(logs="live").first()
    ledger.late[run.pk] = ["told, and not there"]
    assert "came late" in str(judging.of_logs(ledger))


def test_the_checker_finds_a_log_of_a_run_that_was_deleted(ledger):
    ledger.deleted.add(Run.objects.filter(logs="live").first().pk)
    assert "was deleted" in str(judging.of_logs(ledger))
