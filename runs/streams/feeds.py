"""One feed per watched run: what its log gains is read once, for all who watch."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from runs.streams import log
from runs.streams.database import Readers
from runs.streams.frames import archived_frame
from runs.streams.tail import Entry, Tail
from runs.streams.waker import Waker, listening

logger = logging.getLogger(__name__)

# A page tells by this that its connection lives.
KEEP_ALIVE_SECONDS = 5.0
# What a feed holds for those who are not quite at its end.
TAIL_ENTRIES = 1_000
TAIL_BYTES = 512 * 1024
# What one follower is given at a time: it holds that while its client does not read.
HELD_BYTES = 128 * 1024
# Runs that are read by one statement.
BATCH = 50
# Seconds between two statements: a busy run's events go out in small heaps, not one by one.
PACE = 0.02
# Seconds after an error that waiting does not mend.
PAUSE_AFTER_ERROR = 1.0


class Feed:
    """The newest frames of one run's log, and whom to wake when there are more."""

    def __init__(self, run_id: uuid.UUID, at: int) -> None:
        self.run_id = run_id
        self.tail = Tail(at, entries=TAIL_ENTRIES, size=TAIL_BYTES)
        self.listeners: set[Waker] = set()
        # The run was deleted: nothing more will come.
        self.is_over = False
        self._grown = False

    def end(self) -> None:
        self.is_over = True
        for waker in self.listeners:
            waker.wake()

    def extend(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.seq > self.tail.last:
                self.tail.append(entry)
        self._grown = True
        for waker in self.listeners:
            waker.wake()

    def age(self) -> None:
        """Forget the frames of a run that has been quiet since the last call."""
        if not self._grown:
            self.tail.forget()
        self._grown = False


class Feeds:
    """The feeds of this process. `run` must be running for them to grow."""

    def __init__(self, readers: Readers, clients: Readers) -> None:
        # Those who read pages of their own must not hold up the feeds.
        self._readers, self._clients = readers, clients
        self._feeds: dict[uuid.UUID, Feed] = {}
        # In the order of asking; the values mean nothing.
        self._due: dict[Feed, None] = {}
        self._any_due = asyncio.Event()

    def heard(self, run_id: uuid.UUID, seq: int) -> None:
        feed = self._feeds.get(run_id)
        if feed is not None and seq > feed.tail.last:
            self._fetch(feed)

    def fetch_all(self) -> None:
        """Look at every watched run's log: bells may have been lost."""
        for feed in self._feeds.values():
            self._fetch(feed)

    def age(self) -> None:
        for feed in self._feeds.values():
            feed.age()

    async def follow(
        self, run_id: uuid.UUID, after: int, end: int
    ) -> AsyncGenerator[Sequence[Entry], None]:
        """The run's events behind number `after`, in order, until the run is deleted.

        Of events that are archived it gives one entry, which says so. `end` is the log's last
        number that the caller has seen. Gives nothing (an empty
        sequence) from time to time while there is nothing to give.
        """
        with self._listening(run_id, end) as (feed, waker):
            while True:
                waker.clear()
                base = feed.tail.base
                entries = feed.tail.after(after)
                if entries is None:
                    entries = await self._clients.read(log.page, run_id, after, HELD_BYTES)
                    if not entries or entries[0].seq > after + 1:
                        behind = entries[0].seq - 1 if entries else base
                        extent = await self._clients.read(log.extent_of, run_id)
                        if extent and extent.archived > after:
                            note = Entry(behind, archived_frame(after + 1, behind))
                            entries = [note, *entries]
                        elif not entries:  # the run is gone
                            after = base
                            continue
                if entries:
                    given = _first(entries, HELD_BYTES)
                    after = given[-1].seq
                    yield given
                    continue
                if feed.is_over:
                    return
                if not await waker.wait():
                    yield ()

    async def run(self) -> None:
        while True:
            await self._any_due.wait()
            batch = list(self._due)[:BATCH]
            for feed in batch:
                del self._due[feed]
            if not self._due:
                self._any_due.clear()
            try:
                await self._read([feed for feed in batch if feed.listeners])
            except Exception:
                # What is missing now is read at the next look from time to time.
                logger.exception("streams: the log could not be read")
                await asyncio.sleep(PAUSE_AFTER_ERROR)
            if len(batch) < BATCH:
                await asyncio.sleep(PACE)

    async def _read(self, batch: Sequence[Feed]) -> None:
        if not batch:
            return
        after = {feed.run_id: feed.tail.last for feed in batch}
        pages = await self._readers.read(log.pages, after)
        quiet = [feed.run_id for feed in batch if feed.run_id not in pages]
        gone = await self._readers.read(log.gone, quiet) if quiet else ()
        for feed in batch:
            page = pages.get(feed.run_id)
            if page is None:
                if feed.run_id in gone:
                    feed.end()
                continue
            feed.extend(page.entries)
            if page.full:
                self._fetch(feed)

    def _fetch(self, feed: Feed) -> None:
        self._due[feed] = None
        self._any_due.set()

    @contextmanager
    def _listening(self, run_id: uuid.UUID, end: int) -> Iterator[tuple[Feed, Waker]]:
        feed = self._feeds.get(run_id)
        if feed is None:
            feed = self._feeds[run_id] = Feed(run_id, end)
            self._fetch(feed)  # bells since `end` was read have gone unheard
        try:
            with listening(feed.listeners, KEEP_ALIVE_SECONDS) as waker:
                yield feed, waker
        finally:
            if not feed.listeners:
                del self._feeds[run_id]


def _first(entries: Sequence[Entry], size: int) -> Sequence[Entry]:
    """As many of them as make up `size`, the last of them above it."""
    for count, entry in enumerate(entries, 1):
        size -= len(entry.frame)
        if size <= 0:
            return entries[:count]
    return entries
