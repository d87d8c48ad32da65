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


class BrokenOff(Exception):  # noqa: N818  (its reader is told by the connection's end)
    """Raised in the middle of a file that has no end to say so: the server then cuts the
    connection, and no client takes what it has for all."""


async def log_lines(log: WholeLog) -> AsyncIterator[str]:
    """Raises BrokenOff where an event is missing, before one that follows it is given."""
    last = 0
    async for page in history(log):
        if page[0]["seq"] != last + 1 or page[-1]["seq"] != last + len(page):
            raise BrokenOff(f"event {last + 1} of {log.run_id}, or one soon after, is missing")
        yield "".join(f"{compact(event)}\n" for event in page)
        last = page[-1]["seq"]
    if last != log.upto:
        raise BrokenOff(f"events of {log.run_id} after {last} are missing; {log.upto} were told of")
