"""The outcomes of an operation as a file, in constant memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async

from runs import ids
from runs.context import stamp
from runs.exports import cell, csv_lines
from runs.models import BulkOperation
from runs.timeouts import statement_timeout
from runs.views.bulk.outcomes import chosen

PAGE = 2000
# Seconds that PostgreSQL may spend on a page.
SECONDS = 10
_COLUMNS = ("run", "outcome", "reason", "new_run", "at")


async def as_csv(operation: BulkOperation, status: str) -> AsyncIterator[str]:
    yield csv_lines([_COLUMNS])
    async for rows in _pages(operation, status):
        yield csv_lines([cell(value) for value in row.values()] for row in rows)


async def as_ndjson(operation: BulkOperation, status: str) -> AsyncIterator[str]:
    """An outcome a line; the last line says how many, so that a broken-off one shows."""
    count = 0
    async for rows in _pages(operation, status):
        yield "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        count += len(rows)
    told = {"operation": operation.public_id, "state": operation.state, "count": count}
    yield json.dumps(told) + "\n"


async def _pages(operation: BulkOperation, status: str) -> AsyncIterator[list[dict[str, str]]]:
    after: uuid.UUID | None = None
    while True:
        rows = await sync_to_async(_page)(operation, status, after)
        if rows:
            yield [_row(*row) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _page(operation: BulkOperation, status: str, after: uuid.UUID | None) -> list[tuple[Any, ...]]:
    outcomes = chosen(operation, status).order_by("run_id")
    if after is not None:
        outcomes = outcomes.filter(run_id__gt=after)
    with statement_timeout(SECONDS):
        return list(outcomes.values_list("run_id", "status", "reason", "new_run", "at")[:PAGE])


def _row(
    run_id: uuid.UUID, status: str, reason: str, new_run: uuid.UUID | None, at: datetime | None
) -> dict[str, str]:
    new = ids.encode("run", new_run) if new_run else ""
    told = (ids.encode("run", run_id), status, reason, new, stamp(at) or "")
    return dict(zip(_COLUMNS, told, strict=True))
