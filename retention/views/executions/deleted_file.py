"""The runs that an execution deleted for good as a file, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async

from retention import executions
from retention.models import Execution
from runs.context import stamp
from runs.exports import cell, csv_lines
from runs.models import DeletedRun, Workflow

PAGE = 2_000
COLUMNS = ("run", "workflow", "created_at", "deleted_at", "by", "reason")


async def as_csv(execution: Execution) -> AsyncIterator[str]:
    """The last line says how many, so that one which broke off shows."""
    yield csv_lines([COLUMNS])
    last: DeletedRun | None = None
    count = 0
    while rows := await sync_to_async(_page)(execution, last):
        lines = await sync_to_async(_lines)(rows)
        yield csv_lines([cell(value) for value in line] for line in lines)
        last, count = rows[-1], count + len(rows)
    yield csv_lines([["end", f"{count} of {execution.deleted_runs} runs", "", "", "", ""]])


def _page(execution: Execution, last: DeletedRun | None) -> list[DeletedRun]:
    return list(executions.deleted_by(execution, last)[:PAGE])


def _lines(rows: list[DeletedRun]) -> list[list[Any]]:
    asked = {row.workflow_id for row in rows if row.workflow_id}
    slugs = dict(Workflow.objects.filter(pk__in=asked).values_list("pk", "slug"))
    return [
        [
            row.public_id,
            slugs.get(row.workflow_id or 0, ""),
            stamp(row.created_at),
            stamp(row.deleted_at),
            row.deleted_by,
            row.reason,
        ]
        for row in rows
    ]
