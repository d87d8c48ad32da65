"""The soak of the live streams, in small; and that it would find what it looks for."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.portal import PROJECT
from config.embedded.processes import wait_until
from tests.chaos import judging
from tests.portal import has_ended

LOG = [{"seq": seq, "says": f"word {seq}"} for seq in range(1, 8)]
SMALL = ["--seed=7", "--clients=12", "--pages=3", "--runs=4", "--events=1200", "--seconds=12"]


def soak(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", "streams", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_whatever_falls_over_all_clients_end_up_with_the_table():
    with soak(*SMALL) as process:
        told = process.communicate(timeout=300)[0]
    assert process.returncode == 0, told
    assert "seed 7" in told
    for mishap in ("Valkey killed", "PostgreSQL shut down", "process killed", "connections cut"):
        assert mishap in told


def descendants(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


@pytest.mark.long
def test_whoever_ends_the_soak_ends_all_of_it():
    with soak("--runs=5", "--clients=5") as process:
        for line in process.stdout:
            if "written" in line:  # all of it runs
                break
        begun = descendants(process.pid)
        assert len(begun) >= 8  # two servers, two web processes, three writers, the clients
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) != 0
    assert wait_until(lambda: all(map(has_ended, begun)), 10)


def received():
    return [(event["seq"], event["says"]) for event in LOG]


def test_a_log_that_came_as_it_stands_is_accepted():
    assert judging.of_client("c", received(), LOG) == []
    assert judging.of_logs({"run": LOG}) == []


@pytest.mark.parametrize("place", range(7))
def test_a_row_that_was_removed_is_found(place):
    came, rows = received(), list(LOG)
    del came[place], rows[place]
    assert judging.of_client("c", came, LOG) == [f"c: {place + 1} is missing"]
    assert judging.of_client("c", received(), rows) == [f"c: {place + 1} is not in the table"]
    if place < 6:
        assert judging.of_logs({"run": rows}) == ["run: the table has no gapless log"]


@pytest.mark.parametrize("place", range(7))
def test_a_row_that_came_twice_is_found(place):
    came = received()
    came.insert(place, came[place])
    assert judging.of_client("c", came, LOG) == [f"c: {place + 1} came twice"]


@pytest.mark.parametrize("place", range(6))
def test_rows_that_changed_places_are_found(place):
    came = received()
    came[place], came[place + 1] = came[place + 1], came[place]
    assert judging.of_client("c", came, LOG) == [f"c: {place + 1} came after {place + 2}"]


def test_a_row_that_says_something_else_is_found():
    came = received()
    came[3] = (4, "another word")
    assert len(judging.of_client("c", came, LOG)) == 1


def test_much_that_is_wrong_is_said_in_short():
    assert len(judging.of_client("c", [], LOG)) == judging.MOST + 1


def test_a_commit_that_is_lost_doubled_or_nobodys_is_found():
    told = {"w0.0": 3, "w0.1": 1, "w1.0": 2}
    assert judging.of_commits(told, told) == []
    assert len(judging.of_commits({"w0.0": 3, "w1.0": 2}, told)) == 1
    assert len(judging.of_commits(told | {"w0.1": 2}, told)) == 1
    assert len(judging.of_commits(told | {"w9.9": 1}, told)) == 1


def test_a_page_that_was_not_told_of_a_change_is_found():
    wanted = {"run_a": ["completed"], "run_b": ["active"]}
    assert judging.of_page("p", wanted, wanted) == []
    assert len(judging.of_page("p", wanted | {"run_a": ["active"]}, wanted)) == 1
    assert len(judging.of_page("p", {"run_a": ["completed"]}, wanted)) == 1
