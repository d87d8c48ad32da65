"""Behind PgBouncer in transaction mode all works, and nothing is left on its connections."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack

import psycopg
import pytest

from config.embedded.network import free_port
from config.embedded.portal import PROJECT
from config.embedded.processes import stop
from config.embedded.services import bring_up
from tests.portal import Portal
from tests.production.machine import DATABASE_PASSWORD
from tests.production.servers import PgBouncer, PlainPostgres
from tests.runs.engine.conftest import wait_for
from tests.servers import temporary_folder

POOL = 4
EVENTS = 200
# What may not differ between one transaction's connection and the next one's.
LEFT = """
SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
    current_setting('synchronous_commit'), current_setting('search_path'),
    coalesce(nullif(current_setting('runs.purge', true), ''), 'off'),
    coalesce(nullif(current_setting('session_replication_role'), ''), 'origin'),
    (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
    pg_backend_pid()
"""


@pytest.fixture(scope="module")
def pooled():
    """A portal on a PostgreSQL that it reaches by PgBouncer alone; addresses by it and past it."""
    if not PgBouncer.is_installed():
        pytest.skip("PgBouncer is not installed")
    folder = temporary_folder()
    server = PlainPostgres(folder, free_port())
    port = free_port()
    told = PROJECT.joinpath("docs/deploy/pgbouncer.ini").read_text()
    told = told.replace("port=5432", f"port={server.port}").replace("= 6432", f"= {port}")
    told = re.sub("default_pool_size = .*", f"default_pool_size = {POOL}", told)
    told = re.sub("reserve_pool_size = .*", "reserve_pool_size = 0", told)
    running = [bring_up(server)]
    with psycopg.connect(server.url("postgres"), autocommit=True) as there:
        there.execute(f"CREATE ROLE portal LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        there.execute("CREATE DATABASE portal OWNER portal TEMPLATE template0 ENCODING 'UTF8'")
    by = f"postgresql://portal:{DATABASE_PASSWORD}@127.0.0.1:{port}/portal"
    direct = f"postgresql://portal:{DATABASE_PASSWORD}@127.0.0.1:{server.port}/portal"
    migrated = Portal(folder / "portal", DATABASE_URL=direct, DEMO=0)
    try:
        _manage(direct, "migrate", "--verbosity", "0")
        running.append(bring_up(PgBouncer(folder, port, told, DATABASE_PASSWORD)))
        rates = dict.fromkeys(("API_TOKEN_RATE", "API_USER_RATE"), 1_000_000)
        migrated.restart(DATABASE_URL=by, DATABASE_PREPARE=0, DEMO=1, **rates)
        yield migrated, by, direct
    finally:
        if not migrated.has_ended():
            migrated.stop()
        stop(running, grace=10)


def _manage(url, *words):
    env = {**os.environ, "DATABASE_URL": url, "DATABASE_PREPARE": "0"}
    command = [sys.executable, "manage.py", *words]
    return subprocess.check_output(command, env=env, cwd=PROJECT, text=True)


@pytest.fixture(scope="module")
def token(pooled):
    _, by, _ = pooled
    scopes = "view,execute,export,ingest,retention,workflows"
    return _manage(by, "create_token", "admin", "--scopes", scopes).strip()


@pytest.mark.long
def test_all_works_and_no_connection_keeps_anything_of_it(pooled, token):
    portal, by, direct = pooled

    def ask(path, body=None):
        request = urllib.request.Request(
            portal.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            kind = answer.headers["Content-Type"]
            return json.loads(text) if kind.startswith("application/json") else text

    created = {"event_id": "c", "source": "s", "external_id": "r", "workflow": "reported",
               "type": "run_created"}  # fmt: skip
    lines = [
        {"event_id": f"l{n}", "source": "s", "external_id": "r", "type": "log",
         "data": {"message": f"line {n}"}}
        for n in range(EVENTS)
    ]  # fmt: skip
    assert ask("/api/events", [created, *lines])["stored"] == EVENTS + 1
    (reported,) = ask("/api/runs/?workflow=reported")["results"]
    # Streams.
    request = urllib.request.Request(
        f"{portal.url}/api/sse-logs/{reported['id']}",
        headers={"Authorization": f"Bearer {token}", "Last-Event-ID": "0"},
    )
    with urllib.request.urlopen(request, timeout=10) as stream:
        numbers = []
        while len(numbers) < EVENTS + 1:
            line = stream.readline()
            if line.startswith(b"id: "):
                numbers.append(int(line[4:]))
    assert numbers == list(range(1, EVENTS + 2))
    # The engine, with limits that are an advisory lock's.
    nodes = [{"id": key, "kind": "executor", "executor": "probe.say"} for key in "abc"]
    ask("/api/workflows/", {"id": "limited", "definition": {"nodes": nodes}})
    ask("/api/workflows/limited/limit/", {"max_active": 2})
    runs = [ask("/api/workflows/limited/runs/", {"input": {}})["id"] for _ in range(8)]
    wait_for(
        lambda: all(ask(f"/api/runs/{run}/")["state"] == "completed" for run in runs),
        "the runs' ends",
        seconds=90,
    )
    # Exports, bulk operations, the nightly archive, the analysis, pages of a form with choices.
    exported = ask("/api/runs/export/?as=ndjson")
    assert exported.count(b"\n") > 5
    bulk = ask("/api/bulk/", {"kind": "export", "filter": {"created": "1h"},
                              "options": {"format": "ndjson", "with_logs": True}})  # fmt: skip
    wait_for(lambda: ask(f"/api/bulk/{bulk['id']}/")["state"] == "finished", "the export")
    night = ask("/api/retention/executions/", {"kind": "archive", "reason": "a test"})
    wait_for(
        lambda: ask(f"/api/retention/executions/{night['id']}/")["state"] == "finished", "a night"
    )
    ask("/api/analysis/overview/")
    ask("/api/analysis/duration/?created=24h")
    assert portal.can_log_in(portal.password)
    time.sleep(2)
    portal.stop()
    _check_connections(by, direct)


def _check_connections(by: str, direct: str) -> None:
    """Each of PgBouncer's connections to the server, all held at a time."""
    found = {}
    with ExitStack() as stack:
        for _ in range(POOL):
            held = stack.enter_context(psycopg.connect(by, prepare_threshold=None))
            *state, pid = held.execute(LEFT).fetchone()
            found[pid] = state
    assert len(found) == POOL
    with psycopg.connect(direct, prepare_threshold=None) as fresh:
        *wanted, _ = fresh.execute(LEFT).fetchone()
    assert wanted[6:] == [0, 0, 0]
    assert [state for state in found.values() if state != wanted] == []


@pytest.mark.long
def test_a_connection_that_keeps_something_is_found(pooled):
    _, by, direct = pooled
    with psycopg.connect(by, prepare_threshold=None, autocommit=True) as careless:
        careless.execute("SET statement_timeout = '7s'")
    with pytest.raises(AssertionError):
        _check_connections(by, direct)
    with psycopg.connect(by, prepare_threshold=None, autocommit=True) as careful:
        careful.execute("RESET statement_timeout")
