"""One run as a file: its job, its context and its whole history, in constant memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async

from runs import whole_log
from runs.context import context_of, job_of, stamp
from runs.exports import event_line
from runs.models import Run
from runs.whole_log import Line, WholeLog


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def told(run: Run, now: datetime) -> dict[str, Any]:
    """Which run this is, and of when what is told."""
    return {"run_id": run.public_id, "exported_at": stamp(now), "last_seq": run.last_seq}


def opened(run: Run) -> WholeLog:
    """The log that these files are made of; open it before the answer begins. Raises what storage
    raises when it is away."""
    return whole_log.opened(run)


async def history(log: WholeLog) -> AsyncIterator[list[dict[str, Any]]]:
    """Its events in pages."""
    pages = log.pages()
    while page := await sync_to_async(_next)(pages):
        yield page


def _next(pages: Iterator[list[Line]]) -> list[dict[str, Any]]:
    return [event_line(line.read()) for line in next(pages, [])]


async def as_json(run: Run, now: datetime, log: WholeLog) -> AsyncIterator[str]:
    """One JSON object. Its end says how many events stand in it, and whether any is missing."""
    context = await sync_to_async(context_of)(run, log)
    head = {"export": told(run, now), "job": job_of(run), "context": context}
    yield json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "history": [\n'
    count, before = 0, ""
    async for page in history(log):
        yield before + ",\n".join(compact(event) for event in page)
        count, before = count + len(page), ",\n"
    complete = json.dumps(completeness(run, log, count), ensure_ascii=False)
    yield f'\n ],\n "completeness": {complete}\n}}\n'


def completeness(run: Run, log: WholeLog, count: int) -> dict[str, Any]:
    """What is said of a history in which `count` events stand."""
    found: dict[str, Any] = {"events": count, "missing": run.last_seq - count}
    return {**found, "problem": log.problem} if log.problem else found
