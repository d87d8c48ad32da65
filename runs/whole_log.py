"""A run's log from the first event to the last, wherever its events are: in the database, in its
object in storage, or some here and some there. Never opened within a transaction.

An object is fetched as a whole and found to be what was archived before anything of it is given:
whoever reads knows beforehand what there is.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, NamedTuple

from runs import coldstore, objects, recorder_archive
from runs.arrays import literal
from runs.coldstore import Damaged
from runs.driver import plain_cursor
from runs.models import Archive, Run
from runs.objects import Missing
from runs.states import AT_HAND

# Bytes of an unpacked log up to which it is read for somebody who waits for a page or an answer.
AT_ONCE_BYTES = 32_000_000
# Bytes of a fetched object that are in memory; more goes to a file.
IN_MEMORY = 2_000_000
PIECE = 256_000
_DATA = b', "data" : '
_COUNT = """
SELECT jobs.id,
    CASE WHEN away AND problem = '' THEN COALESCE(archives.last_seq, 0) ELSE 0 END + count,
    size::bigint
FROM jobs
LEFT JOIN archives ON archives.run_id = jobs.id
CROSS JOIN LATERAL (SELECT jobs.logs NOT IN ({at_hand}) AS away) AS place
CROSS JOIN LATERAL (
    SELECT count(*) AS count, COALESCE(sum({size}), 0) AS size FROM event_tracking
    WHERE run_id = jobs.id AND seq > CASE WHEN away THEN COALESCE(archives.last_seq, 0) ELSE 0 END
) AS events
WHERE jobs.id = ANY(%s::uuid[])
"""
_AT_HAND = ", ".join(f"'{state}'" for state in AT_HAND)
_STORED = _COUNT.format(at_hand=_AT_HAND, size="0")
_STORED_BYTES = _COUNT.format(at_hand=_AT_HAND, size="pg_column_size(data)")


class TooLong(Exception):  # noqa: N818  (nothing is wrong with it)
    """An archived log that is not read for somebody who waits."""

    def __str__(self) -> str:
        return "its archived log is too long to be read from here"


class Line(NamedTuple):
    """An event. Its data are JSON as the database writes it: reading and writing them again would
    take time, and the digits of long numbers."""

    run_id: uuid.UUID
    seq: int
    kind: str
    at: datetime
    node: str
    attempt: int | None
    actor: str
    data: str

    @classmethod
    def parse(cls, run_id: uuid.UUID, text: bytes) -> Line:
        """A line of an archive. Its data stand last; no text before holds a bare quote."""
        head, _, data = text.partition(_DATA)
        told = json.loads(head + b"}")
        at = datetime.fromisoformat(told["at"])
        return cls(
            run_id, told["seq"], told["kind"], at, told["node"], told["attempt"], told["actor"],
            data[:-1].decode(),
        )  # fmt: skip

    def read(self) -> Entry:
        return Entry(*self[1:-1], json.loads(self.data))


class Entry(NamedTuple):
    """An event with its data read."""

    seq: int
    kind: str
    at: datetime
    node: str
    attempt: int | None
    actor: str
    data: Any


@dataclass(slots=True)
class WholeLog:
    """What was opened of one run, up to number `upto`."""

    run_id: uuid.UUID
    upto: int
    archive: Archive | None = None
    file: IO[bytes] | None = None
    # What is wrong with its object, where that is not whole.
    problem: str = ""

    @property
    def archived_seq(self) -> int:
        """The last event that is given from the object."""
        return self.archive.last_seq if self.archive and self.file else 0

    def pages(self) -> Iterator[list[Line]]:
        after = 0
        if self.file is not None:
            for page in self._archived():
                yield page
                after = page[-1].seq
        while after < self.upto:
            begun, moved = after, None
            for lines in recorder_archive.pages(self.run_id, self.upto, after):
                page = [Line.parse(self.run_id, line.encode()) for line in lines]
                # Events leave from the first one on: what follows may be in an object by now.
                if page[0].seq > after + 1 and (moved := self._moved(after)):
                    break
                yield page
                after = page[-1].seq
            if moved is None and after < self.upto:
                moved = self._moved(after)
            if moved:
                for page in moved._archived(after):
                    yield page
                    after = page[-1].seq
            if after == begun:
                return  # what is left is missing

    def lines(self) -> Iterator[Line]:
        for page in self.pages():
            yield from page

    def data_of(self, seqs: Collection[int], most: int) -> dict[int, dict[str, Any] | None]:
        """The data of these events; None for each past so many bytes, in order of number."""
        found: dict[int, dict[str, Any] | None] = {}
        total = 0
        wanted = set(seqs)
        for line in self.lines():
            if line.seq in wanted:
                total += len(line.data)
                found[line.seq] = json.loads(line.data) if total <= most else None
                if len(found) == len(wanted):
                    break
        return found

    def _archived(self, after: int = 0) -> Iterator[list[Line]]:
        assert self.file is not None
        self.file.seek(0)
        _, pages = coldstore.unpack(_pieces(self.file))
        for texts in pages:
            page = [Line.parse(self.run_id, text) for text in texts]
            page = [line for line in page if after < line.seq <= self.upto]
            if page:
                yield page

    def _moved(self, after: int) -> WholeLog | None:
        """The same, opened anew, if its events have been archived since."""
        run = Run.objects.filter(pk=self.run_id).only("logs", "last_seq").first()
        if run is None or run.logs in AT_HAND:
            return None
        found = opened(run)
        found.upto = self.upto
        return found if found.archived_seq > after else None


def opened(run: Run, *, at_once: bool = False) -> WholeLog:
    """Raises what storage raises when it is away, and TooLong where it is to be read `at_once`,
    and is not short."""
    log = WholeLog(run.pk, run.last_seq)
    if run.logs in AT_HAND:
        return log
    log.archive = Archive.objects.filter(pk=run.pk).defer("senders").first()
    if log.archive is None:
        log.problem = "its archive is not known"
        return log
    if at_once and log.archive.unpacked > AT_ONCE_BYTES:
        raise TooLong
    try:
        log.file = fetched(log.archive)
    except (Damaged, Missing) as error:
        log.problem = f"its archived log is not whole: {error}"
    return log


def fetched(archive: Archive) -> IO[bytes]:
    """Its object, found whole, as a file that goes when nobody holds it any more. Raises Damaged,
    Missing, and what storage raises."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  (whoever reads it keeps it)
    for piece in objects.read(archive.name):
        file.write(piece)
    file.seek(0)
    coldstore.check(_pieces(file)).must_be(archive.sha256, archive.last_seq)
    file.seek(0)
    return file


def read_lines(run_id: uuid.UUID, file: IO[bytes]) -> Iterator[list[Line]]:
    """The events of a fetched object, by pages."""
    file.seek(0)
    _, pages = coldstore.unpack(_pieces(file))
    for texts in pages:
        yield [Line.parse(run_id, text) for text in texts]


class Stored(NamedTuple):
    """How many events there are of a run, wherever; and of those in the database, apart from what
    the object has too, how large they are as stored."""

    events: int
    bytes: int


def stored(run_ids: Iterable[uuid.UUID], *, with_bytes: bool = False) -> dict[uuid.UUID, Stored]:
    """Of an object that was found not to be whole no event counts."""
    with plain_cursor() as cursor:
        cursor.execute(_STORED_BYTES if with_bytes else _STORED, [literal(list(run_ids))])
        return {run_id: Stored(events, size) for run_id, events, size in cursor.fetchall()}


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
