"""No migration may lock a large table for long; and who says so is tested itself."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.config import migration_locks
from tests.config.migration_locks import ALLOWED, after_baseline, judge, problems_of

# Some operations are not to be asked for within a transaction.
pytestmark = pytest.mark.django_db(transaction=True)


def test_no_migration_since_the_baseline_holds_up_a_portal_that_goes_on():
    found = {
        f"{each.app_label}.{each.name}": problems
        for each in after_baseline()
        if (each.app_label, each.name) not in ALLOWED and (problems := judge(each))
    }
    assert found == {}


def test_what_is_allowed_is_there_has_a_reason_and_needs_to_be_allowed():
    judged = {(each.app_label, each.name): each for each in after_baseline()}
    assert set(ALLOWED) <= set(judged)
    for key, reason in ALLOWED.items():
        assert len(reason) > 20
        assert judge(judged[key])


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX "x" ON "jobs" ("state")',
        'CREATE UNIQUE INDEX "x" ON "marie_scheduler"."jobs" ("state") WHERE "state" = 1',
        'DROP INDEX IF EXISTS "jobs_x"',
        'ALTER TABLE "jobs" ALTER COLUMN "cost" TYPE numeric(30, 10) USING "cost"::numeric',
        'ALTER TABLE "jobs" ALTER COLUMN "cost" SET NOT NULL',
        'ALTER TABLE "jobs" ADD CONSTRAINT "x" CHECK ("cost" >= 0)',
        'ALTER TABLE "jobs" ADD CONSTRAINT "x" FOREIGN KEY ("a") REFERENCES "b" ("id")',
        'ALTER TABLE "jobs" ADD CONSTRAINT "x" UNIQUE ("a")',
        'ALTER TABLE "jobs" ADD COLUMN "a" bigint NULL CONSTRAINT "x" REFERENCES "b" ("id")',
        'ALTER TABLE "jobs" ADD COLUMN "a" uuid DEFAULT gen_random_uuid() NOT NULL',
        'ALTER TABLE "jobs" ADD COLUMN "a" integer GENERATED ALWAYS AS ("b" + 1) STORED',
        "UPDATE jobs SET cost = 0",
        "DELETE FROM event_tracking WHERE kind = 'log'",
        "INSERT INTO analytics_runs (a) SELECT cost FROM jobs",
        'ALTER TABLE "jobs" RENAME COLUMN "a" TO "b"',
        'ALTER TABLE "jobs" DROP COLUMN "a" CASCADE',
        'CREATE INDEX CONCURRENTLY "x" ON "jobs" ("state")',
        "LOCK TABLE jobs IN SHARE MODE",
        "VACUUM FULL jobs",
    ],
)
def test_what_locks_is_found(statement):
    assert len(problems_of([statement])) == 1
    assert len(problems_of(["CREATE TABLE other ()", statement])) == 1


@pytest.mark.parametrize(
    ("statements", "atomic"),
    [
        (['CREATE INDEX CONCURRENTLY "x" ON "jobs" ("state")'], False),
        (['DROP INDEX CONCURRENTLY IF EXISTS "jobs_x"'], False),
        (['ALTER TABLE "jobs" ADD COLUMN "a" integer DEFAULT 0 NOT NULL'], True),
        (['ALTER TABLE "jobs" ADD COLUMN "a" varchar(9) NULL'], True),
        (['ALTER TABLE "jobs" ADD CONSTRAINT "x" CHECK ("cost" >= 0) NOT VALID'], True),
        (['ALTER TABLE "jobs" VALIDATE CONSTRAINT "x"'], True),
        (['ALTER TABLE "jobs" ADD CONSTRAINT "x" UNIQUE USING INDEX "y"'], True),
        (['CREATE TABLE "new" ("id" bigint)', 'CREATE INDEX "x" ON "new" ("id")'], True),
        (["UPDATE workflows SET paused_at = NULL", "DELETE FROM auth_permission"], True),
    ],
)
def test_what_does_not_lock_for_long_is_let_through(statements, atomic):
    assert problems_of(statements, atomic=atomic) == []


@pytest.mark.parametrize(
    ("app", "name", "words"),
    [
        ("runs", "0006_error_index", "not built CONCURRENTLY"),
        ("runs", "0012_limits", "RunPython(give_limits)"),
        ("analytics", "0005_newest_first", "not built CONCURRENTLY"),
    ],
)
def test_migrations_of_before_the_baseline_that_would_not_pass_today_do_not(app, name, words):
    migration = MigrationLoader(connection).graph.nodes[app, name]
    assert any(words in problem for problem in judge(migration))


def test_a_migration_that_goes_easy_passes():
    assert judge(MigrationLoader(connection).graph.nodes["runs", "0018_archive_indexes"]) == []


def test_what_is_newer_than_the_baseline_is_looked_at(monkeypatch):
    monkeypatch.setitem(migration_locks.BASELINE, "runs", "0017_archive")
    names = [each.name for each in after_baseline() if each.app_label == "runs"]
    assert names[:2] == ["0018_archive_indexes", "0019_restore"]
    assert "0023_services" in names
