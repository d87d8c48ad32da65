"""Errors of nodes: what executors may raise, and how an error is written into the log."""

import traceback
from pathlib import Path
from typing import Any

TRACE_LIMIT = 8_000
MESSAGE_LIMIT = 4_000
_ENGINE = str(Path(__file__).parent)


class Permanent(Exception):  # noqa: N818
    """An error that no further attempt would mend: the node fails without a retry."""


class NodeTimeout(BaseException):
    """The node's time was up. No Exception, so that an executor does not catch it by the way."""


class InputMissing(Permanent):
    """A path in the node's input leads to nothing."""


class OutputInvalid(Permanent):
    """What the executor gave cannot be stored."""


class ResultRefused(Permanent):
    """The database refused what the attempt ended with, or what it told."""


class ExecutorMissing(Permanent):
    """No executor is registered under the node's name."""


def timeout_message(seconds: float) -> str:
    return f"not done after {seconds:g} s"


def describe(error: BaseException) -> dict[str, Any]:
    """``{"kind", "message", "trace"}`` of an exception, without the engine's own frames."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_ENGINE)
    ]
    lines = [
        f"{Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno}"
        f"  {frame.name}\n  {frame.line or ''}"
        for frame in reversed(frames)
    ]
    return {
        "kind": type(error).__name__,
        "message": _message(error)[:MESSAGE_LIMIT] or type(error).__name__,
        "trace": "\n".join(lines)[:TRACE_LIMIT],
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"its message could not be read: {type(second).__name__}"
