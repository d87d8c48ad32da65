"""Lines of the logs, without secrets in them, and none of them endless.

What a line is about (request, task, run, node) is bound by structlog's context variables where it
is begun, and stands in every line that is written meanwhile.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import orjson
from structlog.contextvars import get_contextvars

from runs import counters
from runs.secret_values import masked

# An executor may print whatever it has.
LONGEST = 20_000
# What Python itself puts into a record, and uvicorn for a terminal.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "color_message",
}  # fmt: skip


class ErrorCounter(logging.Handler):
    """Counts them for ``/metrics``."""

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        counters.add(counters.ERRORS)


class Formatter(logging.Formatter):
    """A line for a person. Masks all of it, with the traceback that belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        return _bounded(str(masked(super().format(record))))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what it is about, the exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **get_contextvars(),
            **_given(record),
        }
        if record.exc_info:
            line["exception"] = record.exc_text or self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        # Before it is written as JSON, where a secret with a quote in it looks another way.
        told = {name: _bounded(v) if isinstance(v, str) else v for name, v in masked(line).items()}
        # A surrogate, as from a file name, has no UTF-8.
        try:
            return orjson.dumps(told, default=str).decode()
        except orjson.JSONEncodeError:
            return orjson.dumps(_plain(told), default=str).decode()


def _given(record: logging.LogRecord) -> dict[str, Any]:
    """What `extra` was given, as far as it is a plain value; a request is none."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _USUAL and isinstance(value, str | int | float | bool)
    }


def _plain(line: dict[str, Any]) -> dict[str, str]:
    return {name: str(v).encode("utf-8", "replace").decode() for name, v in line.items()}


def _stamp(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        return f"{text[:LONGEST]}… and {len(text) - LONGEST:,} characters more"
    return text
