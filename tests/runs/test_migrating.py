"""Migrations beside others: none waits for a lock so long that all others wait behind it."""

import threading
import time

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models

from runs.migrating import PatientExecutor
from tests.runs.test_outbox import _psycopg_parameters as parameters

pytestmark = pytest.mark.django_db(transaction=True)


class Adding(migrations.Migration):
    operations = [
        migrations.AddField("workflow", "tried", models.IntegerField(null=True)),
        migrations.AddField("workflow", "again", models.IntegerField(null=True)),
    ]


class AddingBeside(Adding):
    atomic = False


@pytest.fixture
def executor():
    made = PatientExecutor(connection)
    made.lock_seconds, made.pause, made.patience = 0.3, 0.2, 20.0
    made.recorder.record_applied = lambda *_: None
    made.said = []
    made.say = made.said.append
    yield made
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE workflows DROP COLUMN IF EXISTS tried, DROP COLUMN IF EXISTS again"
        )


def apply(executor, kind):
    state = executor.loader.project_state()
    executor.apply_migration(state, kind("9999_adding", "runs"))


def columns():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'workflows'::regclass"
            " AND attname IN ('tried', 'again')"
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("kind", [Adding, AddingBeside])
def test_a_migration_that_waits_lets_others_through_and_comes_again(executor, kind):
    longest = 0.0
    over = threading.Event()

    def read():
        """As the pages do, all the while."""
        nonlocal longest
        with psycopg.connect(**parameters(), autocommit=True) as other:
            while not over.is_set():
                begun = time.monotonic()
                other.execute("SELECT count(*) FROM workflows")
                longest = max(longest, time.monotonic() - begun)
                time.sleep(0.01)

    def is_said():
        return any("waits for a lock" in said for said in executor.said)

    def let_go():
        """Once it has waited in vain, and for some tries more."""
        while not is_said() and not over.is_set():
            time.sleep(0.01)
        time.sleep(1.0)
        holder.rollback()

    reader, releaser = threading.Thread(target=read), threading.Thread(target=let_go)
    with psycopg.connect(**parameters()) as holder:
        holder.execute("SELECT count(*) FROM workflows")  # a transaction that stays open
        reader.start()
        releaser.start()
        try:
            apply(executor, kind)
        finally:
            over.set()
            reader.join()
            releaser.join()
    assert columns() == {"tried", "again"}
    assert is_said()
    # Longer than a statement waits: the machine may be busy.
    assert longest < 1.2


def test_a_migration_that_gets_no_lock_is_given_up_whole_and_says_who_was_there(executor):
    executor.patience = 0.5
    with psycopg.connect(**parameters(), application_name="a long report") as holder:
        holder.execute("SELECT count(*) FROM workflows")
        with pytest.raises(CommandError, match="a long report, idle in transaction"):
            apply(executor, Adding)
    assert columns() == set()


def test_the_command_is_this_one():
    call_command("migrate", "--lock-seconds", "1", verbosity=0)
    with pytest.raises(CommandError, match="lock-seconds"):
        call_command("migrate", "--lock-seconds", "soon")
