"""The newest frames of a sequence, for all who follow it. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Entry(NamedTuple):
    seq: int
    frame: bytes


class Tail:
    """All entries after `base` up to `last`; older ones make room when there are too many.

    A follower keeps the number it has come to and takes what is `after` it.
    """

    def __init__(self, at: int, *, entries: int, size: int) -> None:
        self.base = self.last = at
        self._limits = entries, size
        self._entries: deque[Entry] = deque()
        self._size = 0

    def append(self, entry: Entry) -> None:
        assert entry.seq > self.last
        self._entries.append(entry)
        self._size += len(entry.frame)
        self.last = entry.seq
        most, size = self._limits
        # The newest stays, however large: all are about to take it.
        while len(self._entries) > 1 and (len(self._entries) > most or self._size > size):
            self._drop()

    def after(self, seq: int) -> list[Entry] | None:
        """The entries that follow `seq`, or None where they reach further back than these."""
        if seq < self.base:
            return None
        newer = []
        for entry in reversed(self._entries):  # most followers are near the end
            if entry.seq <= seq:
                break
            newer.append(entry)
        newer.reverse()
        return newer

    def forget(self) -> None:
        while self._entries:
            self._drop()

    def _drop(self) -> None:
        dropped = self._entries.popleft()
        self._size -= len(dropped.frame)
        self.base = dropped.seq
