"""What becomes of child processes, and of their children."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from config.embedded.processes import Child, Command, last_lines, stop, wait_until
from config.embedded.supervisor import Supervisor
from tests.portal import has_ended

# Ignores what asks it to end, and has a child that does so too.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print(os.getpid(), flush=True)
time.sleep(60)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(1, flush=True)
time.sleep(60)
"""
PATIENT = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
# Starts a child of its own with `Child`, and waits.
PARENT = """
import sys, time
from pathlib import Path
from config.embedded.processes import Child, Command
log = Path(sys.argv[1])
child = Child(Command("child", [sys.executable, "-c", sys.argv[2]], {}, log))
child.start()
time.sleep(60)
"""


def python(log: Path, code: str, *arguments: str, **fields) -> Command:
    env = {"PYTHONPATH": os.getcwd()}
    return Command("python", [sys.executable, "-c", code, *arguments], env, log, **fields)


def numbers(log: Path, count: int) -> list[int]:
    wait_until(lambda: log.exists() and len(log.read_text().split()) == count, 5)
    return [int(word) for word in log.read_text().split()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


def test_a_stubborn_child_is_killed_with_its_own_children(log):
    child = Child(python(log, STUBBORN))
    child.start()
    pids = numbers(log, 2)
    begun = time.monotonic()
    stop([child], grace=0.3)
    assert time.monotonic() - begun < 1
    assert child.ended() == -signal.SIGKILL
    assert wait_until(lambda: all(map(has_ended, pids)), 1)


def test_what_a_dead_child_leaves_in_its_session_is_killed(log):
    child = Child(python(log, STUBBORN))
    child.start()
    pids = numbers(log, 2)
    os.kill(child._process.pid, signal.SIGKILL)
    assert wait_until(lambda: child.ended() is not None, 1)
    assert wait_until(lambda: all(map(has_ended, pids)), 1)


def test_a_child_that_wants_to_may_end_in_its_own_way(log):
    child = Child(python(log, POLITE))
    child.start()
    numbers(log, 1)
    stop([child], grace=5)
    assert child.ended() == 7


def test_children_end_with_a_parent_that_is_killed(log, tmp_path):
    inner = tmp_path / "inner.log"
    parent = Child(python(log, PARENT, str(inner), PATIENT))
    parent.start()
    [pid] = numbers(inner, 1)
    os.kill(parent._process.pid, signal.SIGKILL)
    assert wait_until(lambda: has_ended(pid), 2)


def test_a_child_leads_a_session_of_its_own(log):
    child = Child(python(log, "import os; print(os.getsid(0) == os.getpid(), os.getppid())"))
    assert child.run() == 0
    assert log.read_text().split() == ["True", str(os.getpid())]


def test_captured_output_does_not_reach_the_log(log):
    code = "import sys; print('for the runner'); print('for the log', file=sys.stderr)"
    child = Child(python(log, code), capture=True)
    assert child.run() == 0
    assert child.output() == "for the runner\n"
    assert log.read_text() == "for the log\n"


def test_a_long_log_makes_room_for_a_new_one(log, monkeypatch):
    monkeypatch.setattr("config.embedded.processes.LOG_BYTES", 10)
    log.write_text("long enough to be put aside\n")
    Child(python(log, "print('new')")).run()
    assert log.read_text() == "new\n"
    assert log.with_suffix(".log.1").read_text() == "long enough to be put aside\n"


def test_the_last_lines_of_a_log_are_shown(log):
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert last_lines(log, 2) == "  line 98\n  line 99"


def test_a_child_that_keeps_ending_is_started_again_ever_later(log):
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = Child(python(log, "print('started'); raise SystemExit(3)"))
    child.start()
    supervisor.keep(child)
    for second in range(100):
        assert wait_until(lambda: child.ended() is not None, 5)
        supervisor.tend(now=1000.0 + second)
    pauses = [line.split(" in ")[1].split(" s;")[0] for line in said]
    assert pauses == ["0.5", "1", "2", "4", "8", "16", "30", "30"]
    assert "exit code 3" in said[0]
    assert log.read_text().split() == ["started"] * 8


def test_a_child_that_ran_for_long_is_started_again_soon(log):
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = Child(python(log, "raise SystemExit(3)"))
    child.start()
    supervisor.keep(child)
    for now in (1000.0, 1001.0, 2000.0):
        assert wait_until(lambda: child.ended() is not None, 5)
        supervisor.tend(now)
    assert [line.split(" in ")[1].split(" s;")[0] for line in said] == ["0.5", "0.5"]
