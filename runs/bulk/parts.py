"""One file of an export: the next runs, alone or with their events, in constant memory.

What a file holds is a piece of the whole document: lines for JSON and NDJSON, rows for CSV.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple, cast

from django.db import connection, transaction
from django.db.models import Count, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone

from runs.bulk import selection
from runs.context import STORED_BYTES, stamp
from runs.exports import COLUMNS, cell, compact, csv_lines, flat, row_of
from runs.models import BulkOperation, Event, Run

FORMATS = ("json", "ndjson", "csv")
# A file ends before a run with which it would tell of more events, and behind the run with which
# it has more bytes before packing. One run never makes two.
MOST_EVENTS = {True: 50_000, False: 500_000}
ENOUGH_BYTES = 16_000_000
# Events, and bytes of their data as stored, that are in memory at a time.
PAGE_EVENTS = 1_000
PAGE_BYTES = 2_000_000
# Of the processor's time packing takes most; beyond this it saves little.
LEVEL = 4
EVENT_COLUMNS = ("seq", "kind", "at", "node", "attempt", "actor", "data")

Row = dict[str, Any]


class Line(NamedTuple):
    """An event. Its data are JSON as the database writes it: reading and writing them again would
    take most of the time."""

    run_id: uuid.UUID
    seq: int
    kind: str
    at: datetime
    node: str
    attempt: int | None
    actor: str
    data: str


Pages = Iterable[list[Line]]


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


def columns(with_logs: bool) -> tuple[str, ...]:
    """Of a CSV. A row is a run, an event of the run above it, or the end."""
    return ("row", *COLUMNS, *(EVENT_COLUMNS if with_logs else ()))


@contextmanager
def make(operation: BulkOperation, count: int) -> Iterator[Part]:
    """The next runs' file, `count` of them at most; it goes at the end. Not in a transaction."""
    with tempfile.TemporaryFile() as file:
        with _snapshot():
            found = selection.following(operation, count)
            part = Part(found, cast(BinaryIO, file))
            if found.run_ids:
                _fill(part, operation, timezone.now())
        part.bytes = file.tell()
        file.seek(0)
        part.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield part


@contextmanager
def _snapshot() -> Iterator[None]:
    """Runs and their events as they were at one moment, whatever comes or is deleted meanwhile."""
    assert not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _fill(part: Part, operation: BulkOperation, now: datetime) -> None:
    form, with_logs = operation.options["format"], operation.options["with_logs"]
    pages = operation.options.get("pages") or reverse("admin:runs_run_changelist")
    runs = _runs(part.found.run_ids, MOST_EVENTS[with_logs])
    sizes = _sizes(runs, with_logs)
    written: list[uuid.UUID] = []
    with gzip.GzipFile(fileobj=part.file, mode="wb", compresslevel=LEVEL, mtime=0) as packed:
        for run, history in _with_events(runs, sizes) if with_logs else ((run, ()) for run in runs):
            events = sizes.get(run.pk, (0, 0))[0]
            row = row_of(run, events, now, pages)
            for text in _WRITERS[form](row, history, with_logs):
                part.unpacked += packed.write(text.encode())
            written.append(run.pk)
            part.events += events
            part.missing += row["missing"]
            if part.unpacked > ENOUGH_BYTES:
                break
    part.runs = len(written)
    if part.runs < len(part.found.run_ids):
        part.found = selection.cut(part.found, written)


def _runs(run_ids: Sequence[uuid.UUID], most_events: int) -> list[Run]:
    """In the given order, as many as have so many events together; one at least."""
    found = Run.objects.select_related("workflow", "version").defer("version__definition")
    by_id = found.in_bulk(run_ids)
    runs: list[Run] = []
    total = 0
    for run_id in run_ids:
        total += by_id[run_id].last_seq
        if runs and total > most_events:
            break
        runs.append(by_id[run_id])
    return runs


def _sizes(runs: Sequence[Run], with_bytes: bool) -> dict[uuid.UUID, tuple[int, int]]:
    """How many events each has, and how large they are as stored."""
    events = Event.objects.filter(run__in=[run.pk for run in runs]).order_by().values("run")
    size = Sum(STORED_BYTES) if with_bytes else Value(0)
    return {
        run_id: (count, stored)
        for run_id, count, stored in events.annotate(count=Count("pk"), size=size).values_list(
            "run", "count", "size"
        )
    }


# -- Events ----------------------------------------------------------------------------------


def _with_events(
    runs: Sequence[Run], sizes: dict[uuid.UUID, tuple[int, int]]
) -> Iterator[tuple[Run, Pages]]:
    """Short histories are read together, long ones in pages."""
    for group in _groups(runs, sizes):
        if len(group) == 1:
            yield group[0], _history(group[0])
            continue
        by_run: dict[uuid.UUID, list[Line]] = {run.pk: [] for run in group}
        for line in _lines(Event.objects.filter(run__in=by_run).order_by("run_id", "seq")):
            by_run[line.run_id].append(line)
        for run in group:
            yield run, [by_run.pop(run.pk)]


def _groups(runs: Sequence[Run], sizes: dict[uuid.UUID, tuple[int, int]]) -> Iterator[list[Run]]:
    group: list[Run] = []
    events = stored = 0
    for run in runs:
        own_events, own_stored = sizes.get(run.pk, (0, 0))
        full = events + own_events > PAGE_EVENTS or stored + own_stored > PAGE_BYTES
        if group and full:
            yield group
            group, events, stored = [], 0, 0
        group.append(run)
        events += own_events
        stored += own_stored
    if group:
        yield group


def _history(run: Run) -> Iterator[list[Line]]:
    seq = 0
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
