"""What changed in the list of runs, said to all who look at it a few times a second."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator

from runs import ids
from runs.live import Bell
from runs.streams import frames
from runs.streams.feeds import KEEP_ALIVE_SECONDS
from runs.streams.tail import Entry, Tail
from runs.streams.waker import Waker, listening

# Seconds between two notices: a run is in one at most.
TICK = 0.25
# With more changes than this in one tick a page does better to fetch itself anew.
MOST_RUNS = 500
# What is held for clients that read slowly; who is further behind fetches anew.
TAIL_ENTRIES = 40
TAIL_BYTES = 256 * 1024


class Notices:
    def __init__(self) -> None:
        self._tail = Tail(0, entries=TAIL_ENTRIES, size=TAIL_BYTES)
        self._listeners: set[Waker] = set()
        self._changed: dict[uuid.UUID, Bell] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def heard(self, bell: Bell) -> None:
        if not bell.visible or not self._listeners:
            return
        known = self._changed.get(bell.run_id)
        if known is not None:
            newest = max(known, bell, key=lambda b: b.last_seq)
            new = known.new or bell.new
            bell = Bell(bell.run_id, newest.last_seq, newest.state, new=new, visible=True)
        if known is not None or len(self._changed) <= MOST_RUNS:
            self._changed[bell.run_id] = bell
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._not_before), self._tell)

    def reset(self) -> None:
        """Have all pages fetch themselves anew: changes may have gone unheard."""
        self._changed.clear()
        if self._listeners:
            self._append(frames.RESET)

    async def follow(self, first: bytes = b"") -> AsyncGenerator[bytes, None]:
        """Notices from now on, and an empty one from time to time while there are none. `first` is
        given when nothing goes unheard any more."""
        with listening(self._listeners, KEEP_ALIVE_SECONDS) as waker:
            seen = self._tail.last
            if first:
                yield first
            while True:
                waker.clear()
                entries = self._tail.after(seen)
                if entries is None:
                    seen = self._tail.last
                    yield frames.RESET
                    continue
                if entries:
                    seen = entries[-1].seq
                    yield b"".join(entry.frame for entry in entries)
                    continue
                if not await waker.wait():
                    yield b""

    def _tell(self) -> None:
        self._timer = None
        self._not_before = asyncio.get_running_loop().time() + TICK
        changed, self._changed = self._changed, {}
        if len(changed) > MOST_RUNS:
            self._append(frames.RESET)
        elif changed and self._listeners:
            self._append(
                frames.runs_frame(
                    {
                        "id": ids.encode("run", bell.run_id),
                        "state": bell.state,
                        "new": bell.new,
                    }
                    for bell in changed.values()
                )
            )

    def _append(self, frame: bytes) -> None:
        self._tail.append(Entry(self._tail.last + 1, frame))
        for waker in self._listeners:
            waker.wake()
