"""What an export gives: one document out of its files, for as long as they are kept."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from runs import doomed, objects
from runs.bulk.parts import columns
from runs.context import stamp
from runs.exports import compact, csv_lines
from runs.models import BulkOperation, ExportPart
from runs.models.bulk import BulkKind, BulkState

# Bytes of the text that are given at a time; files that are looked up, and forgotten, at a time.
GIVEN = 1_000_000
BATCH = 200
TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}


class Damaged(Exception):  # noqa: N818  (what is told breaks off)
    """A file is not what was written."""


@dataclass(frozen=True, slots=True)
class Download:
    """What there is to download of an export, or will be."""

    operation: BulkOperation
    runs: int
    events: int
    missing: int
    # As the files lie there, and as the document is.
    stored_bytes: int
    bytes: int
    # Until when the files are kept; None before the end.
    until: datetime | None
    is_over: bool

    @property
    def format(self) -> str:
        return str(self.operation.options["format"])

    @property
    def with_logs(self) -> bool:
        return bool(self.operation.options["with_logs"])

    @property
    def is_ready(self) -> bool:
        return self.operation.state == BulkState.FINISHED and not self.is_over

    @property
    def is_coming(self) -> bool:
        return self.operation.is_open

    @property
    def is_complete(self) -> bool:
        """Every run that was meant stands in it, with every event."""
        return not self.missing and not self.operation.skipped

    @property
    def name(self) -> str:
        return f"{self.operation.public_id}.{self.format}"

    @property
    def content_type(self) -> str:
        return TYPES[self.format]

    def completeness(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "skipped": self.operation.skipped,
            "events": self.events,
            "missing": self.missing,
        }


def downloads(operation: BulkOperation, now: datetime | None = None) -> Download | None:
    """None for what is no export."""
    if operation.kind != BulkKind.EXPORT:
        return None
    names = ("events", "missing", "bytes", "unpacked")
    found = operation.parts.aggregate(**{f"all_{name}": Sum(name, default=0) for name in names})
    until = None
    if operation.state == BulkState.FINISHED and operation.ended_at:
        until = operation.ended_at + _kept()
    return Download(
        operation,
        runs=operation.done,
        events=found["all_events"],
        missing=found["all_missing"],
        stored_bytes=found["all_bytes"],
        bytes=found["all_unpacked"],
        until=until,
        is_over=until is not None and until <= (now or timezone.now()),
    )


def sweep(now: datetime) -> int:
    """Doom the files of exports that are past their time, or aborted; gives how many."""
    past = Q(state=BulkState.FINISHED, ended_at__lte=now - _kept()) | Q(state=BulkState.ABORTED)
    stale = BulkOperation.objects.filter(past, kind=BulkKind.EXPORT)
    count = 0
    while True:
        with transaction.atomic():
            of_stale = ExportPart.objects.filter(operation__in=stale.values("pk"))
            found = list(of_stale.order_by("id").select_for_update(skip_locked=True)[:BATCH])
            doomed.doom((part.name for part in found), "its export is past its time", now=now)
            ExportPart.objects.filter(pk__in=[part.pk for part in found]).delete()
        count += len(found)
        if len(found) < BATCH:
            return count


def _kept() -> timedelta:
    return timedelta(days=settings.EXPORT_DAYS)


# -- The document ----------------------------------------------------------------------------


async def document(told: Download) -> AsyncIterator[bytes]:
    """Its end says how much stands in it, so that one that broke off shows. Raises Damaged where
    a file is not what was written."""
    about, end = _about(told), told.completeness()
    if told.format == "json":
        yield f'{{"export":{compact(about)},\n"runs":[\n'.encode()
        before = b""
        async for text in _texts(told.operation):
            # In JSON a line's end is nowhere but between two runs; the last one's comes later.
            yield before + text.removesuffix(b"\n").replace(b"\n", b",\n")
            before = b",\n" if text.endswith(b"\n") else b""
        yield f'\n],\n"completeness":{compact(end)}}}\n'.encode()
    elif told.format == "ndjson":
        async for text in _texts(told.operation):
            yield text
        yield f"{compact({'export': {**about, 'completeness': end}})}\n".encode()
    else:
        names = columns(told.with_logs)
        yield csv_lines([names]).encode()
        async for text in _texts(told.operation):
            yield text
        last = {"row": "end", "id": f"{told.runs} runs", **end}
        yield csv_lines([[last.get(name, "") for name in names]]).encode()


def _about(told: Download) -> dict[str, Any]:
    operation = told.operation
    return {
        "id": operation.public_id,
        "by": operation.actor,
        "filter": operation.filter,
        "created_before": stamp(operation.bound),
        "with_logs": told.with_logs,
        "begun_at": stamp(operation.created_at),
        "ended_at": stamp(operation.ended_at),
    }


async def _texts(operation: BulkOperation) -> AsyncIterator[bytes]:
    """What stands in the files, one after the other."""
    number = 0
    while parts := await sync_to_async(_parts)(operation, number):
        for part in parts:
            texts = _unpacked(part)
            while text := await sync_to_async(_next)(texts):
                yield text
            number = part.number


def _parts(operation: BulkOperation, after: int) -> list[ExportPart]:
    behind = ExportPart.objects.filter(operation=operation, number__gt=after)
    return list(behind.order_by("number")[:BATCH])


def _unpacked(part: ExportPart) -> Iterator[bytes]:
    """Never an empty piece."""
    digest, inflate = hashlib.sha256(), zlib.decompressobj(wbits=31)
    try:
        for piece in objects.read(part.name):
            digest.update(piece)
            packed = piece
            while packed:
                # One that packs very well must not become large all at once.
                if text := inflate.decompress(packed, GIVEN):
                    yield text
                packed = inflate.unconsumed_tail
        if text := inflate.flush():
            yield text
    except zlib.error as error:
        raise Damaged(part.name) from error
    if digest.hexdigest() != part.sha256 or not inflate.eof:
        raise Damaged(part.name)


def _next(texts: Iterator[bytes]) -> bytes:
    return next(texts, b"")
