"""Reading a run's log for its page: a bounded stretch of events, large payloads left out."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError
from django.db.models import BigIntegerField, BooleanField, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL

from runs.models import Attempt, Event
from runs.states import Kind
from runs.timeouts import statement_timeout, was_stopped
from runs.views.event_words import Entry, Line, Teller
from runs.whole_log import Line as StoredLine

PAGE = 200
# What reading a stretch may take: text is searched without an index.
SECONDS = 2
# Events that one request of a page that follows a busy run may ask for.
MOST = 500
# An event whose data is larger (stored; as text) comes without its input and output.
_WHOLE_STORED, _WHOLE_TEXT = 8_000, 16_000
# Stored bytes from which the size of a payload is not measured but given as “over …”.
_MEASURED = 100_000

_PAYLOAD = f"""(CASE WHEN event_tracking.kind IN ('{Kind.NODE_COMPLETED}', '{Kind.LATE_RESULT}')
    THEN event_tracking.data->'output' ELSE event_tracking.data->'input' END)"""
_DATA = f"""CASE WHEN pg_column_size(event_tracking.data) <= {_WHOLE_STORED}
    AND octet_length(event_tracking.data::text) <= {_WHOLE_TEXT} THEN event_tracking.data
    ELSE event_tracking.data - ARRAY['input', 'output'] END"""
_BYTES = f"""CASE WHEN pg_column_size(event_tracking.data) <= {_MEASURED}
    THEN octet_length({_PAYLOAD}::text)
    WHEN event_tracking.data ?| ARRAY['input', 'output'] THEN pg_column_size(event_tracking.data)
    END"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events: of these kinds, of this node, with this text; without any, all."""

    kinds: tuple[str, ...] = ()
    node: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.node or self.text)

    def apply(self, events: QuerySet[Event]) -> QuerySet[Event]:
        if self.kinds:
            events = events.filter(kind__in=self.kinds)
        if self.node:
            events = events.filter(node=self.node)
        return events.filter(self._says()) if self.text else events

    def fits(self, line: StoredLine) -> bool:
        """Whether it chooses an event that is not in the database."""
        if (self.kinds and line.kind not in self.kinds) or self.node not in ("", line.node):
            return False
        if not self.text:
            return True
        written = json.dumps(self.text, ensure_ascii=False)[1:-1].lower()
        names = (line.data, line.node, line.actor)
        if any(written in text.lower() for text in names):
            return True
        return written.replace(" ", "_") in line.kind

    def _says(self) -> Q:
        """In its data, as JSON writes it, or in the names beside it."""
        written = json.dumps(self.text, ensure_ascii=False)[1:-1]
        pattern = re.sub(r"([%_\\])", r"\\\1", written)
        found = RawSQL("event_tracking.data::text ILIKE %s", (f"%{pattern}%",), BooleanField())
        named = Q(node__icontains=written) | Q(actor__icontains=written)
        return Q(found) | named | Q(kind__icontains=written.replace(" ", "_"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring events, oldest first, and whether there are more on either side."""

    entries: Sequence[Entry]
    more_before: bool
    more_after: bool
    # The search took too long, so that nothing can be said.
    stopped: bool = False


def read(
    run_id: uuid.UUID,
    seq: int | None,
    chosen: Filter,
    limit: int,
    *,
    backwards: bool,
    floor: int = 0,
) -> Stretch:
    """The stretch before or after number `seq`; a search of the text ends after SECONDS. Events up
    to number `floor` are archived: those of them that are here are about to go, or to come."""

    def stretch() -> Stretch:
        if backwards:
            return before(run_id, seq, chosen, limit, floor)
        return after(run_id, seq or 0, chosen, limit, floor)

    if not chosen.text:
        return stretch()
    try:
        with statement_timeout(SECONDS):
            return stretch()
    except DatabaseError as error:
        if not was_stopped(error):
            raise
        return Stretch([], more_before=False, more_after=False, stopped=True)


def after(
    run_id: uuid.UUID, seq: int, chosen: Filter, limit: int = PAGE, floor: int = 0
) -> Stretch:
    events = Event.objects.filter(run=run_id, seq__gt=max(seq, floor))
    found = _read(chosen.apply(events).order_by("seq"), limit + 1)
    return Stretch(found[:limit], more_before=seq > floor, more_after=len(found) > limit)


def before(
    run_id: uuid.UUID, seq: int | None, chosen: Filter, limit: int = PAGE, floor: int = 0
) -> Stretch:
    """The events next before number `seq`; with None, the last ones."""
    there = Event.objects.filter(run=run_id)
    if floor:
        there = there.filter(seq__gt=floor)
    events = chosen.apply(there).order_by("-seq")
    found = _read(events if seq is None else events.filter(seq__lt=seq), limit + 1)
    kept = found[:limit][::-1]
    return Stretch(kept, more_before=len(found) > limit, more_after=seq is not None)


def told(run_id: uuid.UUID, entries: Sequence[Entry], teller: Teller) -> list[Line]:
    """`entries` in words, with how long the attempts took that ended in them."""
    ended = {entry.node for entry in entries if entry.kind == Kind.NODE_COMPLETED}
    if ended:
        attempts = Attempt.objects.filter(node__run=run_id, node__key__in=ended).order_by()
        rows = attempts.values_list("node__key", "number", "started_at")
        teller = replace(teller, started={(node, number): at for node, number, at in rows})
    return [teller.line(entry) for entry in entries]


def payload(run_id: uuid.UUID, seq: int, name: str = "") -> Any:
    """The input or output that an event holds, or else all its data; `name` says which, of one
    that holds both. Raises Event.DoesNotExist."""
    return part_of(Event.objects.values_list("data", flat=True).get(run=run_id, seq=seq), name)


def part_of(data: dict[str, Any], name: str = "") -> Any:
    if name in ("input", "output") and name in data:
        return data[name]
    return data.get("output", data.get("input", data))


def _read(events: QuerySet[Event], limit: int) -> list[Entry]:
    rows = events.annotate(
        kept=RawSQL(_DATA, (), output_field=Event._meta.get_field("data")),
        bytes=RawSQL(_BYTES, ()),
        stored=RawSQL("pg_column_size(event_tracking.data)", ()),
    ).values_list("seq", "kind", "node", "attempt", "actor", "at", "kept", "bytes", "stored")
    return [
        Entry(seq, kind, node, attempt, actor, at, data, size, stored > _MEASURED)
        for seq, kind, node, attempt, actor, at, data, size, stored in rows[:limit]
    ]


def payload_size(events: QuerySet[Event], name: str) -> int | None:
    """Bytes of the input or output in the one event, as JSON text; None where it is not there."""
    size = RawSQL("octet_length((event_tracking.data->%s)::text)", (name,))
    sizes: QuerySet[Any, Any] = events.values_list(size)
    return next((size for (size,) in sizes[:1]), None)


def stored_bytes(run_id: uuid.UUID, seqs: Collection[int]) -> int:
    """What the data of these events take in the database, without unpacking them."""
    found = Event.objects.filter(run=run_id, seq__in=seqs)
    size = Sum(RawSQL("pg_column_size(event_tracking.data)", (), output_field=BigIntegerField()))
    return found.aggregate(size=size)["size"] or 0
