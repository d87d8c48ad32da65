"""Processor seconds of what a benchmark started: they tell more than a shared machine's clock."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def used() -> Counter[str]:
    """Seconds so far, user's and system's, by the child of this process in whose tree they went."""
    seconds: Counter[str] = Counter()
    for child in _children(os.getpid()):
        seconds[_name(child)] += sum(map(_seconds, _tree(child)))
    return seconds


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _seconds(pid: int) -> float:
    """Also of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICKS


def _name(pid: int) -> str:
    """The queue of a worker, else the program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "ended"
    if "-Q" in words:
        return words[words.index("-Q") + 1]
    return "beat" if "beat" in words else Path(words[0]).name
