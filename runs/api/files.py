"""Answers that are files: streamed by an asynchronous generator, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from runs import exports
from runs.views.run_download import compact, history
from runs.whole_log import WholeLog

# By the parameter's value: what makes the file, and its type.
FORMS: dict[str, tuple[Callable[[exports.Export], AsyncIterator[str]], str]] = {
    "json": (exports.as_json, "application/json"),
    "ndjson": (exports.as_ndjson, "application/x-ndjson"),
    "csv": (exports.as_csv, "text/csv; charset=utf-8"),
}


def streamed(
    content: AsyncIterator[Any], content_type: str, name: str, **headers: object
) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(content, content_type=content_type)
    disposition = content_disposition_header(as_attachment=True, filename=name)
    answer.headers["Content-Disposition"] = disposition or ""
    answer.headers["Cache-Control"] = "no-store"
    for header, value in headers.items():
        answer.headers[header.replace("_", "-")] = str(value)
    return answer


async def log_lines(log: WholeLog) -> AsyncIterator[str]:
    async for page in history(log):
        yield "".join(f"{compact(event)}\n" for event in page)
