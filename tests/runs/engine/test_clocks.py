"""Hosts whose clocks are wrong, or are set while they work: leases go by the database's."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.engine.clock import TOLERANCE, Clock
from tests.runs.conftest import executor_node
from tests.runs.engine.conftest import node, pulses, wait_for, wait_for_end, wait_for_node

pytestmark = pytest.mark.django_db(transaction=True)

# More than twice the lease.
LONG = 4.5


def chain(tmp_path, seconds=LONG):
    inputs = {"path": str(tmp_path / "never"), "mark": str(tmp_path / "mark"), "seconds": seconds}
    return [
        executor_node("a", "probe.wait_for", input=inputs),
        executor_node("b", "probe.fail_until", needs=["a"], input={"attempt": 2}, retries=1,
                      backoff_seconds=0.2),
        executor_node("c", needs=["b"]),
    ]  # fmt: skip


def assert_undisturbed(run, tmp_path):
    assert (run.state, node(run, "a").attempts, node(run, "b").attempts) == ("completed", 1, 2)
    assert (tmp_path / "mark").read_text().count("\n") == 1
    # What it recorded has the time of everybody else.
    now = timezone.now()
    for each in (run, node(run, "a"), *node(run, "b").attempt_set.all()):
        assert now - timedelta(minutes=1) < each.started_at <= each.completed_at
        assert each.completed_at < now + timedelta(seconds=5)
    assert not run.events.filter(at__gt=now + timedelta(seconds=5)).exists()


@pytest.mark.parametrize("off", [600, pytest.param(-600, marks=pytest.mark.long)])
def test_a_worker_whose_clock_is_wrong_keeps_its_lease_and_nobody_waits_for_it(
    start_worker, beat, begin, tmp_path, off
):
    clock = tmp_path / "clock"
    clock.write_text(str(off))
    start_worker(PROBE_CLOCK=str(clock))
    run = wait_for_end(begin(*chain(tmp_path)))
    assert_undisturbed(run, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("to", [600, -600])
def test_a_clock_that_is_set_while_a_node_runs_costs_no_lease(
    start_worker, beat, begin, tmp_path, to
):
    clock = tmp_path / "clock"
    clock.write_text("0")
    start_worker(PROBE_CLOCK=str(clock))
    run = begin(*chain(tmp_path))
    wait_for((tmp_path / "mark").exists, "a mark")
    clock.write_text(str(to))
    assert_undisturbed(wait_for_end(run), tmp_path)


@pytest.mark.long
def test_a_pulse_whose_clock_is_wrong_takes_nothing_from_anybody(start_worker, begin, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("600")
    start_worker()
    run = begin(*chain(tmp_path, seconds=LONG), start_deadline_seconds=60)
    wait_for((tmp_path / "mark").exists, "a mark")
    # It has no other than this one.
    pulses(times=60, every=0.25, clocks=[clock])
    assert_undisturbed(wait_for_end(run), tmp_path)


@pytest.mark.long
def test_a_worker_that_is_killed_is_missed_whatever_its_clock_said(
    start_worker, beat, begin, tmp_path
):
    clock = tmp_path / "clock"
    clock.write_text("600")
    worker = start_worker(PROBE_CLOCK=str(clock))
    run = begin(executor_node("a", "probe.wait_for", input={"path": str(tmp_path / "go")}))
    wait_for_node(run, "a", "running")
    worker.kill()
    (tmp_path / "go").touch()
    start_worker()
    assert wait_for_end(run, 20).state == "completed"
    assert [a.status for a in node(run, "a").attempt_set.order_by("number")] == [
        "lost", "completed",
    ]  # fmt: skip


@pytest.fixture
def host(monkeypatch):
    """Sets this host's clock by so many seconds."""
    right, off = timezone.now, [0.0]
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(seconds=off[0]))

    def put(seconds):
        off[0] = seconds

    yield put
    monkeypatch.undo()


def assert_right(clock, host, off):
    host(0)
    now = timezone.now()
    host(off)
    assert abs(clock.now() - now) < timedelta(seconds=0.2)


@pytest.mark.parametrize("off", [3, -3, 86_400 * 30, -86_400 * 30])
def test_time_is_the_databases(transactional_db, host, off):
    clock = Clock()
    host(off)
    clock.keep()
    assert_right(clock, host, off)


@pytest.mark.parametrize("jump", [3, -3, 3_600])
def test_time_goes_on_when_the_clock_is_set(transactional_db, host, jump):
    clock = Clock()
    clock.keep()
    clock.now()
    host(jump)
    assert_right(clock, host, jump)
    host(0)
    assert_right(clock, host, 0)


def test_clocks_that_agree_are_taken_as_they_are(transactional_db, host):
    """Else whatever a question to the database takes would be an error of theirs."""
    off = TOLERANCE.total_seconds() * 0.6
    host(off)
    clock = Clock()
    clock.keep()
    before = timezone.now()
    assert before <= clock.now() <= timezone.now()
