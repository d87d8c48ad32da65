"""Executors that break rules: their node tells what was wrong, and the next one works."""

import signal

import pytest
from django.conf import settings as configured
from django.db import connection

from config.embedded.processes import wait_until
from runs.models import Event, Lease, LLMCall
from tests.runs.conftest import executor_node
from tests.runs.engine.conftest import Worker, node, wait_for_end

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hunter2-and-more"
# More than are kept in memory.
LINES = 1_500
# Room for the worker itself, and then some.
MEMORY_MB = 600
FILES = 128


@pytest.fixture(scope="module")
def module_pool(broker, tmp_path_factory):
    """One process, so that whatever is broken in it meets the next node."""
    worker = Worker(
        tmp_path_factory.mktemp("worker") / "unruly.log",
        files=FILES,
        NODE_SECRET_SHOP=SECRET,
        ENGINE_LINES=str(LINES),
        WORKER_MEMORY_MB=str(MEMORY_MB),
        # Celery looks after its processes every five seconds: word of an end comes before the
        # lease is over, as it does with the usual one.
        ENGINE_LEASE_SECONDS="15",
    )
    yield worker
    worker.kill()


@pytest.fixture
def pool(transactional_db, broker, module_pool):
    broker.delete("runs")
    return module_pool


@pytest.fixture
def do(pool, begin):
    """Let an executor do it, in one attempt, and the same process another node's work."""

    def act(what, timeout=20, idempotent=False, seconds=40, **inputs):
        first = executor_node(
            "a", "unruly.do", input={"what": what, **inputs}, timeout_seconds=timeout,
            idempotent=idempotent,
        )  # fmt: skip
        run = wait_for_end(begin(first, slug="unruly"), seconds)
        assert node(run, "a").attempts == 1
        assert Lease.objects.count() == 0
        after = wait_for_end(begin(executor_node("b", "unruly.whole"), slug="whole"), seconds)
        assert after.state == "completed", after.error_message
        run.after = output(after, "b")
        return run

    return act


def output(run, key="a"):
    return run.events.get(seq=node(run, key).output_seq).data["output"]


def remarks(run):
    found = run.events.filter(kind="log", data__level="warning").order_by("seq")
    return [event.data["message"] for event in found]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("object", "object is not JSON serializable"),
        ("nan", "not JSON compliant"),
        ("infinite", "not JSON compliant"),
        ("set", "set is not JSON serializable"),
        ("bytes", "bytes is not JSON serializable"),
        ("circular", "Circular reference"),
        ("decimal", "Decimal is not JSON serializable"),
        ("keys", "keys must be str"),
    ],
)
def test_what_is_no_json_is_told(do, value, message):
    run = do("not_json", value=value)
    assert run.error_kind == "OutputInvalid"
    assert message in run.error_message


def test_an_exception_that_is_none_fails_the_node(do):
    run = do("raise_own")
    assert (run.error_kind, run.error_message) == ("Stop", "no exception, but raised")


def test_an_exception_that_raises_when_it_is_read_fails_the_node(do):
    run = do("raise_mute")
    assert (run.error_kind, run.error_message) == (
        "_Mute", "its message could not be read: SystemExit",
    )  # fmt: skip


def test_secrets_that_are_printed_stand_in_no_log(do, pool):
    run = do("print_secrets")
    masked = {"secret": "•••", "key": "•••"}
    assert output(run) == masked
    assert wait_until(lambda: "the end of what is printed" in pool.path.read_text(), 5)
    log = pool.path.read_text()
    password = configured.DATABASES["default"]["PASSWORD"]
    assert SECRET not in log
    assert password
    assert password not in log
    assert "celery.redirected: •••" in log
    assert "aside: •••" in log
    assert "ValueError: •••" in log
    assert "characters more" in log
    assert len(log) < 1_000_000  # of ten that were printed


@pytest.mark.parametrize(
    ("what", "inputs", "message"),
    [
        ("exit_at_once", {}, "ended by itself, with exit code 7"),
        ("kill_itself", {"number": signal.SIGKILL}, "was ended by SIGKILL"),
        ("crash", {}, "was ended by SIGSEGV"),
    ],
)
def test_a_node_that_ends_its_process_says_so_at_once(do, beat, what, inputs, message):
    run = do(what, **inputs)
    assert run.error_kind == "WorkerLost"
    assert message in run.error_message
    assert "not idempotent, so it is not run again" in run.error_message


def test_deep_recursion_is_an_error_like_others(do):
    run = do("recurse")
    assert run.error_kind == "RecursionError"
    assert run.after["depth"] < 30_000


@pytest.mark.parametrize("how", ["fork_and_return", "fork_and_tell"])
def test_a_forked_process_does_not_take_itself_for_the_worker(do, how):
    run = do(how)
    wanted = {"fork_and_return": {"who": "parent"}, "fork_and_tell": {"code": 42 << 8}}
    assert output(run) == wanted[how]
    assert run.events.filter(kind="node_completed").count() == 1


def test_a_process_that_is_left_behind_is_told(do):
    run = do("fork_and_stay")
    assert remarks(run) == [f"the executor left 1 process running: {output(run)['child']}"]


def test_what_a_thread_tells_after_the_end_is_refused(do, tmp_path):
    path = tmp_path / "told"
    run = do("threads", path=str(path))
    assert remarks(run) == ["the executor left 1 thread running: goes-on"]
    path.touch()
    assert wait_until(path.read_text, 10)
    assert "attempt 1 of a is over" in path.read_text()
    assert not LLMCall.objects.exists()


@pytest.mark.parametrize(
    "how", ["close", "close raw", "settings", "open", "broken", "rollback", "lock"]
)
def test_whatever_it_does_to_its_database_connection_is_its_own_affair(do, how):
    run = do("database", how=how)
    assert run.state == "completed", run.error_message
    assert run.after["search_path"] != "pg_catalog"
    assert run.after["zone"] == "UTC"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('unruly_left')")
        assert cursor.fetchone() == (None,)
    if how == "rollback":
        assert [e.data["message"] for e in Event.objects.filter(run=run, kind="log")] == [
            "said in a transaction"
        ]


def test_lines_are_stored_also_in_the_midst_of_what_is_rolled_back(do):
    run = do("many_lines_in_a_transaction", lines=LINES)
    said = run.events.filter(kind="log").order_by("seq").values_list("data__message", flat=True)
    assert list(said) == [f"line {n}" for n in range(LINES)]


def test_what_it_changes_in_its_process_is_put_back(do, begin, tmp_path):
    before = output(wait_for_end(begin(executor_node("b", "unruly.whole"), slug="whole")), "b")
    gone = tmp_path / "gone"
    gone.mkdir()
    run = do("surroundings", folder=str(gone))
    assert run.state == "completed", run.error_message
    assert run.after == before


def test_a_process_that_has_no_files_left_makes_room_for_another(do, begin):
    before = output(wait_for_end(begin(executor_node("b", "unruly.whole"), slug="whole")), "b")
    run = do("files")
    assert run.error_kind == "OSError"
    assert "Too many open files" in run.error_message
    assert run.after["pid"] != before["pid"]


def test_memory_beyond_the_limit_is_an_error_of_the_node(do):
    run = do("memory", megabytes=2 * MEMORY_MB)
    assert run.error_kind == "MemoryError"
    assert run.error_message == (
        f"there was no memory left: WORKER_MEMORY_MB allows a worker process {MEMORY_MB} MB"
    )


def test_a_hundred_thousand_lines_are_not_stored(do):
    run = do("lines", count=50_000, timeout=60)
    assert run.state == "completed", run.error_message
    assert run.events.filter(kind__in=("log", "progress")).count() == LINES + 1
    assert remarks(run) == [
        f"{100_000 - LINES:,} more lines were left out: ENGINE_LINES allows an attempt {LINES:,}"
    ]


def test_a_huge_line_is_cut(do):
    run = do("lines", count=1, size=5_000_000)
    (line,) = run.events.filter(kind="log").values_list("data__message", flat=True)
    assert len(line) == 10_000


@pytest.mark.long
@pytest.mark.long
def test_code_that_lets_nothing_else_run_is_ended_after_its_time(do, pool, beat):
    run = do("hold_the_lock", long=300, timeout=1)
    assert run.error_kind == "NodeTimeout"
    assert "Timeout" in pool.path.read_text()
    assert "hold_the_lock" in pool.path.read_text()


@pytest.mark.long
@pytest.mark.long
def test_code_that_swallows_whatever_is_raised_is_ended_after_its_time(do, pool, beat):
    run = do("deaf", timeout=1)
    assert run.error_kind == "NodeTimeout"
    assert "did not return" in pool.path.read_text()
