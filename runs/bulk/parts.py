"""One file of an export: the next runs, alone or with their events, in constant memory.

What a file holds is a piece of the whole document: lines for JSON and NDJSON, rows for CSV.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from itertools import takewhile
from typing import IO, Any, BinaryIO, cast

from django.db import connection, transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone

from runs import whole_log
from runs.archiving import THREADS
from runs.bulk import selection
from runs.coldstore import Damaged
from runs.context import STORED_BYTES, stamp
from runs.exports import COLUMNS, cell, compact, csv_lines, flat, row_of
from runs.models import Archive, BulkOperation, Event, Run
from runs.objects import Missing
from runs.states import AT_HAND
from runs.whole_log import Line, Stored

logger = logging.getLogger(__name__)

FORMATS = ("json", "ndjson", "csv")
# A file ends before a run with which it would tell of more events, and behind the run with which
# it has more bytes before packing. One run never makes two.
MOST_EVENTS = {True: 50_000, False: 500_000}
ENOUGH_BYTES = 16_000_000
# Events, and bytes of their data as stored, that are in memory at a time.
PAGE_EVENTS = 1_000
PAGE_BYTES = 2_000_000
# Times that a file is begun whose runs were archived while their logs were fetched.
TRIES = 5
# Of the processor's time packing takes most; beyond this it saves little.
LEVEL = 4
EVENT_COLUMNS = ("seq", "kind", "at", "node", "attempt", "actor", "data")

Row = dict[str, Any]


Pages = Iterable[list[Line]]


@dataclass(slots=True)
class Cold:
    """An archived log that was fetched; no `file`: its object is not whole."""

    archive: Archive
    file: IO[bytes] | None


Fetched = dict[uuid.UUID, Cold]


@dataclass(slots=True)
class Part:
    """A file that is yet to be kept, and what stands in it."""

    found: selection.Next
    file: BinaryIO
    runs: int = 0
    events: int = 0
    missing: int = 0
    bytes: int = 0
    unpacked: int = 0
    sha256: str = ""
    # Runs that cannot be written, and why.
    failed: dict[uuid.UUID, str] = field(default_factory=dict)


# What a run raises that is not as runs are.
_ODD = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class _Unwritable(Exception):  # noqa: N818
    """One run's log cannot be told, and some of it stands in the file."""

    def __init__(self, run_id: uuid.UUID, why: str) -> None:
        super().__init__(why)
        self.run_id, self.why = run_id, why


def columns(with_logs: bool) -> tuple[str, ...]:
    """Of a CSV. A row is a run, an event of the run above it, or the end."""
    return ("row", *COLUMNS, *(EVENT_COLUMNS if with_logs else ()))


@contextmanager
def make(operation: BulkOperation, count: int) -> Iterator[Part]:
    """The next runs' file, `count` of them at most; it goes at the end. Not in a transaction.

    Raises what storage raises when it is away, and logs are archived.
    """
    with tempfile.TemporaryFile() as file:
        tries, failed = 0, dict[uuid.UUID, str]()
        while True:
            cold = _fetched(operation, count) if operation.options["with_logs"] else {}
            try:
                with _snapshot():
                    found = selection.following(operation, count)
                    part = Part(found, cast(BinaryIO, file), failed=failed)
                    if found.run_ids:
                        _fill(part, operation, timezone.now(), cold)
            except _Unwritable as error:
                # Begun anew without it: some of it stands in the file. One run more each time.
                logger.warning("%s: run %s: %s", operation.public_id, error.run_id, error.why)
                failed[error.run_id] = error.why
                file.seek(0)
                file.truncate()
                continue
            if part.runs or failed or not found.run_ids:
                break
            tries += 1
            if tries == TRIES:
                raise RuntimeError("runs are archived faster than they are read")
        part.bytes = file.tell()
        file.seek(0)
        part.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield part


def _fetched(operation: BulkOperation, count: int) -> Fetched:
    """The archived logs of the next runs, as many as a file may hold; of what it is none of, the
    file ends before it."""
    run_ids = selection.following(operation, count).run_ids
    away = Archive.objects.filter(pk__in=run_ids).exclude(run__logs__in=AT_HAND)
    archives = {archive.run_id: archive for archive in away.defer("senders")}
    chosen: list[Archive] = []
    size = 0
    for run_id in run_ids:
        if (archive := archives.get(run_id)) is None:
            continue
        if chosen and size + archive.unpacked > ENOUGH_BYTES:
            break
        chosen.append(archive)
        size += archive.unpacked
    if not chosen:
        return {}
    with ThreadPoolExecutor(THREADS) as pool:
        files = list(pool.map(_file_of, chosen))
    return {
        archive.run_id: Cold(archive, file) for archive, file in zip(chosen, files, strict=True)
    }


def _file_of(archive: Archive) -> IO[bytes] | None:
    try:
        return whole_log.fetched(archive)
    except (Damaged, Missing) as error:
        logger.warning("%s is exported without its archived log: %s", archive.run_id, error)
        return None


@contextmanager
def _snapshot() -> Iterator[None]:
    """Runs and their events as they were at one moment, whatever comes or is deleted meanwhile."""
    assert not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _fill(part: Part, operation: BulkOperation, now: datetime, cold: Fetched) -> None:
    form, with_logs = operation.options["format"], operation.options["with_logs"]
    pages = operation.options.get("pages") or reverse("admin:runs_run_changelist")
    runs = _runs(part.found.run_ids, MOST_EVENTS[with_logs])
    if with_logs:
        runs = list(takewhile(partial(_is_at_hand, cold=cold), runs))
    # In their order: those that are told, and those that cannot be.
    visited = [run.pk for run in runs]
    runs = [run for run in runs if run.pk not in part.failed]
    sizes = _sizes(runs, cold, with_bytes=with_logs)
    written: list[uuid.UUID] = []
    with gzip.GzipFile(fileobj=part.file, mode="wb", compresslevel=LEVEL, mtime=0) as packed:
        told = _with_events(runs, sizes, cold) if with_logs else ((run, ()) for run in runs)
        for run, history in told:
            events, before = sizes[run.pk].events, part.unpacked
            try:
                row = row_of(run, events, now, pages)
                for text in _WRITERS[form](row, history, with_logs):
                    part.unpacked += packed.write(text.encode())
            except _ODD as error:
                why = f"{type(error).__name__}: {error}"[:300]
                if part.unpacked > before:
                    raise _Unwritable(run.pk, why) from error
                logger.warning("%s: run %s: %s", operation.public_id, run.pk, why)
                part.failed[run.pk] = why
                continue
            written.append(run.pk)
            part.events += events
            part.missing += row["missing"]
            if part.unpacked > ENOUGH_BYTES:
                break
    part.runs = len(written)
    if written and len(written) < len(runs):
        visited = visited[: visited.index(written[-1]) + 1]
    if visited and len(visited) < len(part.found.run_ids):
        part.found = selection.cut(part.found, visited)


def _runs(run_ids: Sequence[uuid.UUID], most_events: int) -> list[Run]:
    """In the given order, as many as have so many events together; one at least."""
    found = Run.objects.select_related("workflow", "version", "archive")
    by_id = found.defer("version__definition", "archive__senders").in_bulk(run_ids)
    runs: list[Run] = []
    total = 0
    for run_id in run_ids:
        total += by_id[run_id].last_seq
        if runs and total > most_events:
            break
        runs.append(by_id[run_id])
    return runs


def _is_at_hand(run: Run, cold: Fetched) -> bool:
    """Whether its log can be read: it is in the database, or was fetched as it is now."""
    if run.has_log or not hasattr(run, "archive"):
        return True
    return run.pk in cold and cold[run.pk].archive.name == run.archive.name


def _sizes(runs: Sequence[Run], cold: Fetched, *, with_bytes: bool) -> dict[uuid.UUID, Stored]:
    sizes = whole_log.stored((run.pk for run in runs), with_bytes=with_bytes)
    for run in runs:
        if not run.has_log and run.pk in cold:
            # Whatever was found of its object before, this is what stands in the file.
            archive, late = cold[run.pk].archive, run.last_seq - cold[run.pk].archive.last_seq
            is_whole = cold[run.pk].file is not None
            sizes[run.pk] = Stored(late + (archive.last_seq if is_whole else 0), archive.unpacked)
    return sizes


# -- Events ----------------------------------------------------------------------------------


def _with_events(
    runs: Sequence[Run], sizes: dict[uuid.UUID, Stored], cold: Fetched
) -> Iterator[tuple[Run, Pages]]:
    """Short histories are read together, long and archived ones in pages."""
    for group in _groups(runs, sizes):
        if len(group) == 1 or not group[0].has_log:
            yield group[0], _history(group[0], cold)
            continue
        by_run: dict[uuid.UUID, list[Line]] = {run.pk: [] for run in group}
        for line in _lines(Event.objects.filter(run__in=by_run).order_by("run_id", "seq")):
            by_run[line.run_id].append(line)
        for run in group:
            yield run, [by_run.pop(run.pk)]


def _groups(runs: Sequence[Run], sizes: dict[uuid.UUID, Stored]) -> Iterator[list[Run]]:
    group: list[Run] = []
    events = size = 0
    for run in runs:
        own = sizes[run.pk]
        full = events + own.events > PAGE_EVENTS or size + own.bytes > PAGE_BYTES
        # An archived one is alone.
        if group and (full or not run.has_log or not group[0].has_log):
            yield group
            group, events, size = [], 0, 0
        group.append(run)
        events += own.events
        size += own.bytes
    if group:
        yield group


def _history(run: Run, cold: Fetched) -> Iterator[list[Line]]:
    seq = 0
    if not run.has_log and run.pk in cold:
        found = cold[run.pk]
        if found.file is not None:
            yield from whole_log.read_lines(run.pk, found.file)
        seq = found.archive.last_seq
    if seq == run.last_seq:
        return
    while page := _page(run, seq):
        yield page
        seq = page[-1].seq


def _page(run: Run, seq: int) -> list[Line]:
    events = Event.objects.filter(run=run.pk, seq__gt=seq).order_by("seq")
    # As stored: to measure the text would unpack events that are not on this page.
    last = total = 0
    for number, size in events.values_list("seq", STORED_BYTES)[:PAGE_EVENTS]:
        total += size
        if last and total > PAGE_BYTES:
            break
        last = number
    return list(_lines(events.filter(seq__lte=last)))


def _lines(events: QuerySet[Event]) -> Iterator[Line]:
    rows = events.values_list(*Line._fields[:-1], Cast("data", TextField()))
    return map(Line._make, rows)


# -- As text ---------------------------------------------------------------------------------


def _json(row: Row, history: Pages, with_logs: bool) -> Iterator[str]:
    """A line that is one object, with its events in it."""
    text = compact(row)
    if not with_logs:
        yield f"{text}\n"
        return
    yield f'{text[:-1]},"logs":['
    before = ""
    for page in history:
        if page:
            yield before + ",".join(f"{{{_members(line)}}}" for line in page)
            before = ","
    yield "]}\n"


def _ndjson(row: Row, history: Pages, with_logs: bool) -> Iterator[str]:  # noqa: ARG001
    """A line for the run, and behind it one for each event, which names the run."""
    yield f"{compact(row)}\n"
    for page in history:
        yield "".join(f'{{"run":"{row["id"]}",{_members(line)}}}\n' for line in page)


def _members(line: Line) -> str:
    """As exports.event_line has them."""
    attempt = "null" if line.attempt is None else line.attempt
    return (
        f'"seq":{line.seq},"kind":{_quoted(line.kind)},"at":"{stamp(line.at)}",'
        f'"node":{_quoted(line.node)},"attempt":{attempt},"actor":{_quoted(line.actor)},'
        f'"data":{line.data}'
    )


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return compact(text or None)


def _csv(row: Row, history: Pages, with_logs: bool) -> Iterator[str]:
    own = ["run", *map(cell, flat(row).values())]
    yield csv_lines([own + [""] * len(EVENT_COLUMNS) if with_logs else own])
    begin = ["event", row["id"], *[""] * (len(COLUMNS) - 1)]
    for page in history:
        yield csv_lines(
            [*begin, *map(cell, (*line[1:3], stamp(line.at), *line[4:]))] for line in page
        )


_WRITERS = {"json": _json, "ndjson": _ndjson, "csv": _csv}
