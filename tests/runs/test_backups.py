"""Backups: all of a database comes back, in a server of its own, and the portal goes on there."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from analytics import upkeep
from config.embedded import locations
from config.embedded.portal import PROJECT
from config.embedded.postgres import Postgres
from runs import backups, doomed, ids, lifecycle, postgres_programs, recorder
from runs.models import User
from runs.rows import NewEvent
from runs.states import Kind
from runs.triggers import changes, listen
from tests import servers
from tests.portal import Portal
from tests.retention import nightly
from tests.runs.conftest import ANNA, executor_node, make_groups
from tests.runs.engine.conftest import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = settings.RUNS_SCHEMA
# Transactions that the source is further on than a new server.
BURNT = 5_000
# What a restore changes itself, once it has found that all is there.
OWN = {"audit", "doomed_objects", "outbox", "outbox_cursors"}


@pytest.fixture(scope="module")
def another():
    """A server that has not come as far as the tests' own."""
    folder = servers.temporary_folder()
    server = servers.Server(Postgres(folder, durable=False))
    yield locations.database_url(folder)
    server.stop()


@pytest.fixture
def empty(another):
    """A new database there; its address."""
    with psycopg.connect(another, autocommit=True) as there:
        there.execute("DROP DATABASE IF EXISTS restored")
        there.execute("CREATE DATABASE restored")
    return another.removesuffix("/portal") + "/restored"


@pytest.fixture
def filled(version, publish):
    """A database with something in every kind of table, and readers that came to their places."""
    make_groups()
    ada = User.objects.create_superuser("ada", password="x")
    publish(executor_node("only"), slug="target")
    rule = {"when": {"run_ends": {"workflow": "example", "states": ["completed"]}},
            "then": [{"start": "target"}]}  # fmt: skip
    changes.make(ada, "event", "after", rule, now=timezone.now())
    run_id = lifecycle.start(version, {}, trigger="manual", by=ANNA).id
    for number in range(3):
        line = NewEvent(Kind.LOG, node="first", data={"level": "info", "message": f"ä{number}"})
        recorder.record({run_id: [line]}, now=timezone.now())
    upkeep.rebuild(timezone.now())
    listen.tick(timezone.now())
    upkeep.tick(timezone.now())
    doomed.doom(["archive/2026/01/01/x.zst"], "for a test", now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN FOR i IN 1..{BURNT} LOOP"
            " PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
    recorder.record({run_id: [line]}, now=timezone.now())
    listen.tick(timezone.now())
    return run_id


def manage(*arguments, url):
    done = subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        env={**os.environ, "DATABASE_URL": url}, cwd=PROJECT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def rows(url, table):
    with psycopg.connect(url) as there:
        return sorted(there.execute(f"SELECT t::text FROM {SCHEMA}.{table} AS t").fetchall())


def xid_of(url):
    with psycopg.connect(url) as there:
        return int(there.execute("SELECT pg_current_xact_id()::text").fetchone()[0])


@pytest.mark.long
def test_every_row_comes_back_and_readers_go_on_where_they_were(filled, empty, tmp_path):
    folder = tmp_path / "backup"
    call_command("backup", folder)
    told = manage("restore", folder, url=empty).stdout
    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    assert f"All {sum(t['rows'] for t in tables.values()):,} rows" in told
    full = {name for name, table in tables.items() if table["rows"]}
    assert full >= {
        "jobs", "nodes", "event_tracking", "audit", "outbox", "outbox_cursors", "triggers",
        "analytics_runs", "doomed_objects", "django_migrations",
    }  # fmt: skip
    here = connection_url()
    for table in sorted(full - OWN):
        assert rows(empty, table) == rows(here, table), table
    (noted,) = set(rows(empty, "audit")) - set(rows(here, "audit"))
    assert "restore database" in noted[0]
    # The guards of the tables work, and are known to be those of this release.
    with psycopg.connect(empty) as there, pytest.raises(psycopg.errors.CheckViolation):
        there.execute(f"DELETE FROM {SCHEMA}.audit")
    listed = manage("pgtrigger", "ls", url=empty).stdout
    assert "INSTALLED" in listed
    assert not {"OUTDATED", "UNINSTALLED", "PRUNE"} & set(re.split(r"\W+", listed))
    # The server is behind: what is recorded there now must be read all the same.
    assert xid_of(empty) < xid_of(here)
    assert manage("shell", "--no-imports", "-c", READ_ON, url=empty).stdout.split() == ["1", "0"]


READ_ON = """
from django.db import connection
from django.utils import timezone
from runs import outbox, recorder
from runs.models import Run
from runs.rows import NewEvent
from runs.states import Kind
from django.db import transaction
def unread():
    with transaction.atomic():
        lines = outbox.read("triggers")
        if lines:
            outbox.advance("triggers", lines[-1], timezone.now())
        return len(lines)
run = Run.objects.get(workflow__slug="example")
line = NewEvent(Kind.LOG, node="first", data={"level": "info", "message": "after"})
recorder.record({run.pk: [line]}, now=timezone.now())
print(unread(), unread())
"""


def test_what_was_lost_doubled_or_changed_is_found(filled, tmp_path):
    folder = tmp_path / "backup"
    call_command("backup", folder)
    assert backups.verify(folder) == []
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {SCHEMA}.workflows SET slug = 'other' WHERE slug = 'target'")
        assert told(folder) == ["workflows (checksum)"]
        cursor.execute(f"INSERT INTO {SCHEMA}.outbox_cursors VALUES ('new', '5', 1, now())")
        assert told(folder) == [
            "outbox_cursors (checksum)", "outbox_cursors (rows)", "workflows (checksum)"
        ]  # fmt: skip
        cursor.execute(f"UPDATE {SCHEMA}.workflows SET slug = 'target' WHERE slug = 'other'")
        cursor.execute(f"DELETE FROM {SCHEMA}.outbox_cursors WHERE reader = 'new'")
        assert told(folder) == []
        cursor.execute(f"CREATE TABLE {SCHEMA}.stray ()")
        try:
            assert told(folder) == ["stray (a table of its own)"]
        finally:
            cursor.execute(f"DROP TABLE {SCHEMA}.stray")


def told(folder):
    return sorted(each.what for each in backups.verify(folder))


def test_a_damaged_backup_and_a_full_database_are_refused(filled, tmp_path):
    folder = tmp_path / "backup"
    call_command("backup", folder)
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", folder)
    with pytest.raises(CommandError, match="has tables in the schema"):
        call_command("restore", folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = max(copy.joinpath("database").glob("*.dat*"), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(CommandError, match=f"The backup is damaged: {file.name}"):
        call_command("restore", copy)
    with pytest.raises(CommandError, match="is no backup"):
        call_command("restore", tmp_path)


def test_nobody_else_can_read_a_backup_and_no_command_shows_the_password(filled, tmp_path):
    folder = tmp_path / "backup"
    call_command("backup", folder)
    assert folder.stat().st_mode & 0o077 == 0
    env = postgres_programs.environment(connection.get_connection_params())
    assert env["PGPASSWORD"] == connection.settings_dict["PASSWORD"]


def test_an_operators_time_limits_are_not_a_backups(filled, tmp_path):
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    limit = f"ALTER DATABASE {name} {{}} idle_in_transaction_session_timeout {{}}"
    with connection.cursor() as cursor:
        cursor.execute(limit.format("SET", "= '50ms'"))
    try:
        call_command("backup", tmp_path / "backup")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(limit.format("RESET", ""))
    assert backups.verify(tmp_path / "backup") == []


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_where_no_folder_can_be_it_ends_with_a_sentence(tmp_path, command):
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="file"):
        call_command(command, tmp_path / "file" / "backup")


def test_no_fitting_program_is_said_so(monkeypatch, tmp_path):
    with pytest.raises(postgres_programs.ProgramError, match="Install postgresql-client-99"):
        postgres_programs.find("pg_dump", 99)
    path, version = postgres_programs.find("pg_dump", 18)
    assert version == 18
    monkeypatch.setenv("PG_BIN", str(path.parent))
    assert postgres_programs.find("pg_dump", 15)[1] in (15, 16, 17, 18)


# -- Storage -------------------------------------------------------------------------------------


def test_after_a_restore_nothing_is_swept_for_some_weeks(settings, tmp_path):
    nightly.storage_in(settings, tmp_path)
    nightly.policy()
    now = timezone.now()
    doomed.doom(["archive/2026/01/01/old.zst"], "for a test", now=now)
    later = ids.encode("run", ids.new_id())
    deleted = "archive/2026/01/03/deleted.zst"
    for name in ("archive/2026/01/01/old.zst", deleted, f"archive/2026/01/02/{later}.5.zst"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of a later time")
    backups.after_restore("backup", now=now)
    sweeping = nightly.until_ended(nightly.begin("sweep"))
    assert sweeping.report["orphans"] == 1
    doomed.doom([deleted], "its run was deleted", now=now)
    assert doomed.sweep(now + timedelta(days=29)) == 0
    assert len(nightly.stored(tmp_path)) == 3
    assert doomed.sweep(now + timedelta(days=31)) == 3
    assert nightly.stored(tmp_path) == []


# -- A whole portal ------------------------------------------------------------------------------


@pytest.mark.long
def test_a_portal_goes_on_with_what_was_restored(filled, empty, tmp_path):
    call_command(
        "load_runs", "--runs", "200", "--events-for", "100", "--processes", "1", "--add",
        verbosity=0,
    )  # fmt: skip
    folder = tmp_path / "backup"
    call_command("backup", folder)
    manage("restore", folder, url=empty)
    data_dir = servers.temporary_folder() / "restored"
    portal = Portal(data_dir, DATABASE_URL=empty, DEMO=0).start()
    try:
        with psycopg.connect(empty, autocommit=True) as there:
            # What was queued is executed; its end is heard of, and starts another run.
            wait_for(lambda: states(there, "example") == ["completed"], "the queued run's end", 100)
            wait_for(lambda: states(there, "target") == ["completed"], "the triggered run's end")
            (gaps,) = there.execute(
                f"SELECT count(*) FROM (SELECT run_id FROM {SCHEMA}.event_tracking e"
                f" JOIN {SCHEMA}.jobs j ON j.id = e.run_id GROUP BY run_id, last_seq"
                " HAVING count(*) <> last_seq OR min(seq) <> 1 OR max(seq) <> last_seq) AS wrong"
            ).fetchone()
            assert gaps == 0
            with pytest.raises(psycopg.errors.CheckViolation, match="only grows"):
                there.execute(f"DELETE FROM {SCHEMA}.audit")
            with pytest.raises(psycopg.Error):
                there.execute(f"UPDATE {SCHEMA}.event_tracking SET seq = seq + 1")
            dirty = f"SELECT count(*) FROM {SCHEMA}.analytics_buckets WHERE dirty_since IS NOT NULL"
            rolled = f"SELECT sum(runs) FROM {SCHEMA}.analytics_runs WHERE span = 0"
            count = f"SELECT count(*) FROM {SCHEMA}.jobs WHERE state IN ('completed', 'failed')"
            assert there.execute(count).fetchone()[0] > 100
            # What has just ended may not have been heard of when nothing is left to be counted.
            wait_for(lambda: there.execute(rolled).fetchone()[0] >= 202, "the rollups")
            wait_for(lambda: there.execute(dirty).fetchone() == (0,), "the rollups' end")
    finally:
        portal.stop()


def states(there, slug):
    return [
        state
        for (state,) in there.execute(
            f"SELECT state::text FROM {SCHEMA}.jobs j JOIN {SCHEMA}.workflows w"
            " ON w.id = j.workflow_id WHERE slug = %s",
            [slug],
        )
    ]


def connection_url():
    at = connection.settings_dict
    return f"postgresql://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
