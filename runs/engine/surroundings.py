"""What an executor may change in its process, put back when it ends: the next node must not notice.

What goes on after it (threads, processes) is told in the run's log.
"""

from __future__ import annotations

import locale
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE,
    signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
# The share of the files that a process may open below which it is of no more use.
LEAST_FREE = 0.25
# Of one kind, named at most.
_NAMED = 5


@contextmanager
def kept(tell: Callable[[str], None]) -> Iterator[None]:
    """Put back what is changed within it; `tell` what goes on."""
    before = _Surroundings()
    threads, children = set(threading.enumerate()), _children()
    try:
        yield
    finally:
        before.put_back()
        with suppress(Exception):  # the attempt may be over for whoever tells
            _tell_what_goes_on(threads, children, tell)


class _Surroundings:
    def __init__(self) -> None:
        self._folder = _folder()
        self._environment = os.environ.copy()
        self._mask = os.umask(0o022)
        os.umask(self._mask)
        self._depth = sys.getrecursionlimit()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._streams = sys.stdout, sys.stderr, sys.stdin
        self._logging_off = logging.root.manager.disable
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def put_back(self) -> None:
        for act in (self._put_process_back, self._put_python_back, self._put_signals_back):
            try:
                act()
            except Exception:
                logger.exception("what an executor changed in its process cannot be put back")

    def _put_process_back(self) -> None:
        os.umask(self._mask)
        if os.environ != self._environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)
        if self._folder is not None and _folder() != self._folder:
            os.chdir(self._folder)

    def _put_python_back(self) -> None:
        sys.stdout, sys.stderr, sys.stdin = self._streams
        if logging.root.manager.disable != self._logging_off:
            logging.disable(self._logging_off)
        if sys.getrecursionlimit() != self._depth:
            sys.setrecursionlimit(self._depth)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)

    def _put_signals_back(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in self._handlers.items():
            # One that was not set from Python cannot be set from it either.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)


def spent() -> str:
    """Why this process should make room for another one, if it should."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with os.scandir("/proc/self/fd") as entries:
            count = sum(1 for _ in entries)
    except FileNotFoundError:  # no Linux
        return ""
    except OSError:  # there is not even one left to look with
        return f"no more files can be opened, of {most:,}"
    left = most - count
    return f"{count:,} files are open, of {most:,}" if left < most * LEAST_FREE else ""


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return None


def _tell_what_goes_on(
    threads: set[threading.Thread], children: set[int], tell: Callable[[str], None]
) -> None:
    left = sorted(t.name for t in threading.enumerate() if t not in threads)
    # The engine has one of its own, which begins when it is needed.
    left = [name for name in left if name != "attendant"]
    if left:
        tell(f"the executor left {_counted(left, 'thread')} running: {_listed(left)}")
    started = [str(pid) for pid in sorted(_children() - children)]
    if started:
        tell(f"the executor left {_counted(started, 'process')} running: {_listed(started)}")


def _children() -> set[int]:
    """Processes that this one started and that have not ended."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there are none, which is quickly told
        return set()
    with suppress(OSError):  # no Linux
        tasks = list(Path("/proc/self/task").iterdir())
        found = {int(c) for t in tasks for c in (t / "children").read_text().split()}
        return {pid for pid in found if not _has_ended(pid)}
    return set()


def _has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def _counted(names: list[str], what: str) -> str:
    plural = {"thread": "threads", "process": "processes"}
    return f"1 {what}" if len(names) == 1 else f"{len(names)} {plural[what]}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
