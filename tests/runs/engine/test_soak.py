"""The soak of the engine, in small; and that it would find what it looks for."""

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.embedded.network import free_port
from config.embedded.portal import PROJECT
from runs import lifecycle
from runs.engine import answers, attendant, rescue, steps, worker
from runs.models import Decision, Lease, LLMCall, Node, ReadyNode, Run, User, Workflow
from runs.states import DecisionAct
from tests.chaos.engine import judging, shapes
from tests.chaos.engine.model_server import Server, calls, sent
from tests.runs.conftest import ANNA

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_whatever_falls_over_each_run_comes_to_its_end_and_nothing_is_done_twice():
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "engine", "--seed=7", "--runs=40"],
        cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for mishap in ("worker killed", "PostgreSQL shut down", "frozen", "model server killed"):
        assert mishap in done.stdout


# -- The checker is checked --------------------------------------------------------------------


def work_off(*, until):
    """Execute whatever is ready, here."""
    ended = time.monotonic() + 20
    while not until():
        assert time.monotonic() < ended
        for node_id in ReadyNode.objects.values_list("node_id", flat=True):
            worker.execute(node_id)


@pytest.fixture
def left_behind(transactional_db, broker, settings, tmp_path):
    """What a soak leaves behind, in small: three runs with nodes of every kind, one of them
    lost once, one failed."""
    port, files = free_port(), SimpleNamespace(calls=tmp_path / "calls", marks=tmp_path / "marks")
    settings.PRIVATE_HOSTS = frozenset({f"127.0.0.1:{port}"})
    with Server(port, files.calls) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        known = shapes.definitions(f"http://127.0.0.1:{port}", str(files.marks))
        runs = {}
        for n, slug in enumerate(("mixed", "calling", "failing"), 1):
            version = Workflow.objects.publish(slug, {"nodes": known[slug]})
            data = {"n": n, "fields": {"total": n}}
            run = lifecycle.start(version, data, trigger="api", by=ANNA)
            runs[slug] = run
        lose_first(runs["calling"])
        work_off(until=Decision.objects.open().exists)
        carla = User.objects.create_user("carla", is_staff=True, is_superuser=True)
        question = Decision.objects.open().select_related("node__run").get()
        answers.answer(question, DecisionAct.APPROVED, by=carla.as_actor(), user=carla)
        work_off(until=lambda: not Run.objects.open().exists())
        server.shutdown()
    attendant.attendant.stop()
    broker.delete("runs")
    files.numbers = {run.public_id: n for n, run in enumerate(runs.values(), 1)}
    files.told = {
        "trouble": [], "runs": files.numbers, "terminated": [],
        "answers": {f"{runs['mixed'].public_id}/person": "approved"},
    }  # fmt: skip
    return files


def lose_first(run):
    """Its first node is begun by a worker that falls silent."""
    from runs import definitions, recorder

    spec = definitions.graph_of(run.version_id).nodes["look"]
    recorder.transact(
        [run.pk], lambda found: steps.claim(found, "look", 0, "gone", {}, spec), now=timezone.now()
    )
    Lease.objects.filter(run=run.pk).update(expires_at=timezone.now())
    assert rescue.expired_leases(timezone.now()) == 1


def problems(files):
    return [
        *judging.of_callers(files.told, 3),
        *judging.of_tables(),
        *judging.of_ledger(calls(files.calls), files.numbers),
        *judging.of_marks(files.marks.read_text().splitlines()),
        *judging.of_sent(sent(files.calls)),
    ]


_COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s
    AND column_name <> 'id' AND is_generated = 'NEVER'
"""
# A copy gets a free number where two of one number cannot be, as whoever did it twice would.
_NEXT = {
    "event_tracking": {"seq": "(SELECT last_seq + 1 FROM jobs WHERE jobs.id = run_id)"},
    "attempts": {"number": "number + 20"},
    "llm_calls": {"seq": "1000"},
    "nodes": {"key": "key || '_2'", "position": "1000"},
}


def remove(cursor, table, row):
    cursor.execute(f"DELETE FROM {table} WHERE ctid = %s", [row])


def double(cursor, table, row):
    cursor.execute(_COLUMNS, [table])
    (columns,) = cursor.fetchone()
    values = [_NEXT.get(table, {}).get(name, name) for name in columns.split(", ")]
    cursor.execute(
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} FROM {table} WHERE ctid = %s",
        [row],
    )
    if table == "event_tracking":  # nothing but the event itself tells of it
        cursor.execute("SELECT run_id FROM event_tracking WHERE ctid = %s", [row])
        (run,) = cursor.fetchone()
        cursor.execute("UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %s", [run])
        cursor.execute(
            "INSERT INTO outbox (run_id, first_seq, last_seq, recorded_at)"
            " SELECT id, last_seq, last_seq, now() FROM jobs WHERE id = %s",
            [run],
        )


@pytest.mark.long
def test_whatever_is_missing_or_doubled_is_found(left_behind):
    assert problems(left_behind) == []
    assert LLMCall.objects.count() > shapes.LINES
    assert set(Node.objects.values_list("status", flat=True)) == {"completed", "failed", "skipped"}
    unseen = []
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in ("event_tracking", "attempts", "nodes", "llm_calls", "outbox", "decisions"):
            cursor.execute(f"SELECT ctid, * FROM {table}")
            rows = cursor.fetchall()
            assert rows, table
            for row in rows:
                for change in (remove, double):
                    if change is double and table == "decisions":
                        continue  # its key is the node
                    with transaction.atomic():
                        change(cursor, table, row[0])
                        if not problems(left_behind):
                            unseen.append((change.__name__, *row))
                        transaction.set_rollback(True)
    assert unseen == []
    assert_others_are_believed(left_behind)


def assert_others_are_believed(left_behind):
    """What they saw is held against the tables, and not the other way round."""
    marks, served = left_behind.marks, left_behind.calls
    mark, call = marks.read_text(), served.read_text()
    for file, text in (
        (marks, mark + mark.splitlines()[0] + "\n"),
        (marks, ""),
        (served, "".join(line for line in call.splitlines(keepends=True) if "asked" not in line
                         and "answered" not in line)),
        (served, call + next(line for line in call.splitlines() if '"sent"' in line) + "\n"),
    ):  # fmt: skip
        before = file.read_text()
        file.write_text(text)
        assert problems(left_behind), (file, text)
        file.write_text(before)
    assert problems(left_behind) == []
    for told in (
        {"runs": dict.fromkeys(left_behind.numbers, 7)},
        {"terminated": list(left_behind.numbers)},
        {"answers": dict.fromkeys(left_behind.told["answers"], "rejected")},
        {"trouble": ["refused"]},
    ):
        assert judging.of_callers({**left_behind.told, **told}, 3), told
    assert judging.of_callers(left_behind.told, 4)
