"""Child processes: how one is started, watched and ended.

A child leads a session of its own, so that a terminal's Ctrl-C reaches the runner alone. The
kernel ends it when the runner dies, however it dies.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import BinaryIO, NamedTuple

LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class StartError(Exception):
    """The portal cannot start; the message is for the person who started it."""


class Account(NamedTuple):
    uid: int
    gid: int


def _nothing() -> None:
    """What most commands need done before they start."""


@dataclass(frozen=True)
class Command:
    """A program to run as a child, and how it is ended."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path = Path("/")
    account: Account | None = None
    before_start: Callable[[], None] = _nothing
    # Asks the program to end; ends it at once; sent by the kernel when the runner is no more.
    stop_signal: Signals = SIGTERM
    hard_signal: Signals = SIGKILL
    orphan_signal: Signals = SIGKILL


def die_with_parent(orphan_signal: Signals) -> None:
    """Have the kernel send this process `orphan_signal` when its parent dies (Linux only)."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)


def _bind_to_parent(parent: int, orphan_signal: Signals) -> None:
    # Runs in the child after its account was changed, which would clear the signal.
    die_with_parent(orphan_signal)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """A running command. Start it from the main thread: it dies with the thread it came from."""

    def __init__(
        self, command: Command, *, keep_open: Sequence[int] = (), capture: bool = False
    ) -> None:
        self.command = command
        self._keep_open = keep_open
        self._capture = capture
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = self.command
        command.before_start()
        account = command.account
        with _open_log(command.log) as log:
            self._process = subprocess.Popen(
                command.argv,
                env=command.env,
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._capture else log,
                stderr=log,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                pass_fds=self._keep_open,
                start_new_session=True,
                # Safe as long as the runner has no threads.
                preexec_fn=partial(  # noqa: PLW1509
                    _bind_to_parent, os.getpid(), command.orphan_signal
                ),
            )

    def ended(self) -> int | None:
        """The exit code once the child has ended; what is left of its session is killed then."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None and _has_exited(process.pid):
            # Before it is reaped its number cannot be anybody else's.
            self.signal(SIGKILL)
            process.wait()
        return process.returncode

    def run(self) -> int:
        """Start it and wait for its end; the exit code."""
        self.start()
        try:
            while (code := self.ended()) is None:
                time.sleep(0.02)
        except BaseException:
            stop([self], grace=1)
            raise
        return code

    def output(self) -> str:
        """What an ended child wrote to its captured standard output."""
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            return stream.read().decode()

    def signal(self, number: Signals) -> None:
        """To the child; SIGKILL to its whole session."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if number == SIGKILL:
            os.killpg(process.pid, SIGKILL)
        else:
            os.kill(process.pid, number)


def stop(children: Iterable[Child], grace: float) -> None:
    """Ask all to end, and end by force what has not done so after `grace` seconds."""
    running = [child for child in children if child.ended() is None]

    def all_ended() -> bool:
        return not [child for child in running if child.ended() is None]

    for child in running:
        child.signal(child.command.stop_signal)
    if wait_until(all_ended, grace):
        return
    for child in running:
        child.signal(child.command.hard_signal)
    if not wait_until(all_ended, 0.4):
        for child in running:
            child.signal(SIGKILL)
        wait_until(all_ended, 1)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def last_lines(log: Path, count: int = 15) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_000))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-count:])


def _has_exited(pid: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
