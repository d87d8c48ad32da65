"""Runs as a file: what a filter finds, newest first, in constant memory and up to a bound.

Where the bound cuts some off, the file says from where the next one goes on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import normalize

from asgiref.sync import sync_to_async

from runs import whole_log
from runs.context import stamp
from runs.definitions import VersionName
from runs.filters import RunFilter
from runs.live import LoggedEvent
from runs.models import Run
from runs.paging import Cursor, page_of
from runs.public_run import public_run
from runs.timeouts import statement_timeout

# Runs of one file.
MOST = 10_000
PAGE = 500
# Seconds that PostgreSQL may spend on a page.
SECONDS = 10
# How a formula begins, what of it is passed over, and with what a cell becomes another one.
_FORMULAS = frozenset("=+-@")
_PASSED_OVER = ' "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE}\ufeff'
_BREAKS = frozenset("\t\r\n")


@dataclass(frozen=True, slots=True)
class Export:
    """Which runs, as of when. `pages`: see public_run."""

    filter: RunFilter
    now: datetime
    pages: str
    # How many runs these were when it was asked for.
    count: int
    # Behind which run it begins, and the last run of it where there are more.
    after: Cursor | None = None
    last: Cursor | None = None

    @property
    def is_whole(self) -> bool:
        return self.last is None

    def told(self) -> dict[str, Any]:
        return {
            "exported_at": stamp(self.now),
            "filter": dict(self.filter.pairs()),
            "limit": MOST,
            "complete": self.is_whole,
            "next": str(self.last) if self.last else None,
        }

    async def rows(self) -> AsyncIterator[list[dict[str, Any]]]:
        cursor, goes_on = self.after, True
        while goes_on:
            found, cursor = await sync_to_async(self._page)(cursor)
            if found:
                yield found
            goes_on = cursor is not None and cursor != self.last

    def _page(self, after: Cursor | None) -> tuple[list[dict[str, Any]], Cursor | None]:
        read = Run.objects.select_related("workflow", "version", "archive")
        read = read.defer("version__definition", "archive__senders")
        with statement_timeout(SECONDS):
            runs = self.filter.apply(Run.objects.all(), self.now)
            page = page_of(runs, PAGE, after=after, read=read)
            # By the last one's key: runs may have come, or gone, in between.
            shown = [run for run in page.runs if self.last is None or _is_upto(run, self.last)]
            stored = whole_log.stored(run.pk for run in shown)
        # One may have been deleted since.
        there = [run for run in shown if run.pk in stored]
        rows = [row_of(run, stored[run.pk].events, self.now, self.pages) for run in there]
        return rows, page.older if len(shown) == len(page.runs) else None


def export_of(wanted: RunFilter, now: datetime, pages: str, after: Cursor | None = None) -> Export:
    with statement_timeout(SECONDS):
        runs = wanted.apply(Run.objects.all(), now)
        ahead = runs.older_than(after.created_at, after.id) if after else runs.newest_first()
        found = ahead.values_list("pk")[: MOST + 1].count()
        last = Cursor(*ahead.values_list("created_at", "pk")[MOST - 1]) if found > MOST else None
    return Export(wanted, now, pages, min(found, MOST), after, last)


def row_of(run: Run, events: int, now: datetime, pages: str) -> dict[str, Any]:
    """A run of a file; `events` are stored of it, wherever."""
    name = VersionName(run.workflow.slug, run.version.number)
    shown = public_run(run, name, now, pages)
    del shown["draining"]
    # Numbers of events go up to last_seq without a gap: that is how a loss would show.
    return {**shown, "events": events, "missing": run.last_seq - events}


def event_line(event: LoggedEvent) -> dict[str, Any]:
    """An event of a file."""
    return {
        "seq": event.seq,
        "kind": event.kind,
        "at": stamp(event.at),
        "node": event.node or None,
        "attempt": event.attempt,
        "actor": event.actor or None,
        "data": event.data,
    }


def _is_upto(run: Run, last: Cursor) -> bool:
    return (run.created_at, run.pk) >= (last.created_at, last.id)


async def as_json(export: Export) -> AsyncIterator[str]:
    """One object. Its end says how many runs stand in it, so that a broken-off one shows."""
    yield f'{{"export": {compact(export.told())},\n "runs": [\n'
    count, before = 0, ""
    async for rows in export.rows():
        yield before + ",\n".join(map(compact, rows))
        count, before = count + len(rows), ",\n"
    yield f'\n ],\n "count": {count}\n}}\n'


async def as_ndjson(export: Export) -> AsyncIterator[str]:
    """A run a line; the last line tells of the export, so that a broken-off one shows."""
    count = 0
    async for rows in export.rows():
        yield "".join(f"{compact(row)}\n" for row in rows)
        count += len(rows)
    yield compact({"export": {**export.told(), "count": count}}) + "\n"


async def as_csv(export: Export) -> AsyncIterator[str]:
    yield csv_lines([COLUMNS])
    async for rows in export.rows():
        yield csv_lines([[cell(value) for value in flat(row).values()] for row in rows])


COLUMNS = (
    "id", "job_id", "workflow_id", "workflow_version", "state", "created_at", "started_at",
    "completed_at", "duration_ms", "trigger", "triggered_by", "ref_type", "ref_id", "retry_of",
    "first_run", "cost", "input_tokens", "output_tokens", "cached_tokens", "nodes_total",
    "nodes_done", "error_node", "error_kind", "error_message", "ended_by", "reason", "last_seq",
    "events", "missing", "held", "log_state", "archived_at", "restored_until", "url",
)  # fmt: skip


def flat(row: dict[str, Any]) -> dict[str, Any]:
    error = row["error"] or {}
    flat = {
        **row,
        **{f"{name}_tokens": count for name, count in row["tokens"].items()},
        **{f"nodes_{name}": count for name, count in row["nodes"].items()},
        **{f"error_{name}": error.get(name) for name in ("node", "kind", "message")},
    }
    return {name: flat[name] for name in COLUMNS}


def cell(value: Any) -> Any:
    """As it is, but no text that a spreadsheet would execute."""
    if not isinstance(value, str) or value[:1].isalnum() or not value:
        return value
    first = value.lstrip(_PASSED_OVER)[:1]
    # Wide and small forms of the signs count as well.
    if value[0] in _BREAKS or first in _BREAKS or normalize("NFKC", first) in _FORMULAS:
        return f"'{value}"
    return value


def csv_lines(rows: Any) -> str:
    """Cells that come from elsewhere go through `cell` first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
