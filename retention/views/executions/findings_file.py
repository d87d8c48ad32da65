"""The findings of an execution as a file, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async

from retention.models import Execution, Finding
from runs import ids
from runs.context import stamp
from runs.exports import cell, csv_lines

PAGE = 2_000
COLUMNS = ("at", "run", "object", "problem", "done")


async def as_csv(execution: Execution) -> AsyncIterator[str]:
    """The last line says how many, so that one which broke off shows."""
    yield csv_lines([COLUMNS])
    after = count = 0
    while rows := await sync_to_async(_page)(execution, after):
        yield csv_lines([cell(value) for value in _row(row)] for row in rows)
        after, count = rows[-1].pk, count + len(rows)
    yield csv_lines([["end", f"{count} of {execution.found} findings", "", "", ""]])


def _page(execution: Execution, after: int) -> list[Finding]:
    found = Finding.objects.filter(execution=execution.pk, id__gt=after)
    return list(found.order_by("id")[:PAGE])


def _row(finding: Finding) -> list[Any]:
    run = ids.encode("run", finding.run_id) if finding.run_id else ""
    return [stamp(finding.at), run, finding.object_name, finding.problem, finding.act]
