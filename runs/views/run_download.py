"""One run as a file: its job, its context and its whole history, in constant memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async

from runs.context import STORED_BYTES, context_of, job_of, stamp
from runs.exports import event_line
from runs.models import Event, Run

# Events, and bytes of their data as stored, that are in memory at a time.
PAGE_EVENTS = 500
PAGE_BYTES = 2_000_000


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def told(run: Run, now: datetime) -> dict[str, Any]:
    """Which run this is, and of when what is told."""
    return {"run_id": run.public_id, "exported_at": stamp(now), "last_seq": run.last_seq}


async def history(run_id: uuid.UUID, upto: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Its events until number `upto`, in pages."""
    seq = 0
    while page := await sync_to_async(_page)(run_id, seq, upto):
        yield page
        seq = page[-1]["seq"]


def _page(run_id: uuid.UUID, seq: int, upto: int) -> list[dict[str, Any]]:
    events = Event.objects.filter(run=run_id, seq__gt=seq, seq__lte=upto).order_by("seq")
    # As stored: to measure the text would unpack events that are not on this page.
    sizes = events.values_list("seq", STORED_BYTES)[:PAGE_EVENTS]
    last, total = 0, 0
    for number, size in sizes:
        total += size
        if last and total > PAGE_BYTES:
            break
        last = number
    return [event_line(event) for event in events.filter(seq__lte=last)]


async def as_json(run: Run, now: datetime) -> AsyncIterator[str]:
    """One JSON object. Its end says how many events stand in it, and whether any is missing."""
    context = await sync_to_async(context_of)(run)
    head = {"export": told(run, now), "job": job_of(run), "context": context}
    yield json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "history": [\n'
    count, before = 0, ""
    async for page in history(run.pk, run.last_seq):
        yield before + ",\n".join(compact(event) for event in page)
        count, before = count + len(page), ",\n"
    complete = {"events": count, "missing": run.last_seq - count}
    yield f'\n ],\n "completeness": {json.dumps(complete)}\n}}\n'
