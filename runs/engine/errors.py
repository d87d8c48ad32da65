"""Errors of nodes: what executors may raise, and how an error is written into the log."""

import ast
import linecache
import textwrap
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from runs.secret_values import masked

TRACE_LIMIT = 8_000
MESSAGE_LIMIT = 4_000
# Lines of one statement that a frame shows, around the one that failed.
STATEMENT_LINES = 9
# Errors behind the error that a trace follows.
CAUSES = 3
_ENGINE = str(Path(__file__).parent)
# Larger sources are not searched for where a statement begins and ends.
_SOURCE_LINES = 5_000

Span = tuple[int, int]


class Permanent(Exception):  # noqa: N818
    """An error that no further attempt would mend: the node fails without a retry."""


class TryLater(Exception):  # noqa: N818
    """An error that may pass; `retry_after` are seconds that whoever refused wants to be left."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HttpError(TryLater):
    """A service gave no answer, or one that tells of its own trouble."""


class HttpRefused(Permanent):
    """A service refused the request, or it may not be sent."""


class LlmError(TryLater):
    """A model's server gave no whole answer, or is too busy."""


class LlmRefused(Permanent):
    """A model's server refused the question, or it may not be asked."""


class LlmAnswerInvalid(Exception):  # noqa: N818
    """A model's answer is not what was asked for."""


class NodeTimeout(BaseException):
    """The node's time was up. No Exception, so that an executor does not catch it by the way."""


class InputMissing(Permanent):
    """A path in the node's input leads to nothing."""


class InputInvalid(Permanent):
    """What the paths in the node's input gather cannot be stored."""


class OutputInvalid(Permanent):
    """What the executor gave cannot be stored."""


class ResultRefused(Permanent):
    """The database refused what the attempt ended with, or what it told."""


class ExecutorMissing(Permanent):
    """No executor is registered under the node's name."""


def timeout_message(seconds: float) -> str:
    return f"not done after {seconds:g} s"


def describe(error: BaseException) -> dict[str, Any]:
    """``{"kind", "message", "trace"}`` of an exception.

    The trace begins with the innermost frame and leaves the engine's own frames out. A statement
    stands in it whole; where it takes several lines, “>” marks the one that failed.
    """
    parts = _frames(error)
    cause = _cause(error)
    for _ in range(CAUSES):
        if cause is None:
            break
        parts += [f"caused by {_named(cause)}", *_frames(cause)]
        cause = _cause(cause)
    return {
        "kind": type(error).__name__,
        "message": masked(_message(error))[:MESSAGE_LIMIT] or type(error).__name__,
        "trace": masked("\n".join(parts))[:TRACE_LIMIT],
    }


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError) and not error.args:
        most = settings.WORKER_MEMORY_MB
        limit = f"WORKER_MEMORY_MB allows a worker process {most:,} MB" if most else "at all"
        return f"there was no memory left: {limit}"
    try:
        return str(error)
    except BaseException as second:
        return f"its message could not be read: {type(second).__name__}"


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _named(error: BaseException) -> str:
    first = _message(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    shown = [frame for frame in frames if not frame.filename.startswith(_ENGINE)]
    told = [_told(frame) for frame in reversed(shown)]
    if hidden := len(frames) - len(shown):
        told.append(f"{hidden} frame{'' if hidden == 1 else 's'} of the engine hidden")
    return told


def _told(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    place = "/".join(filter(None, (path.parent.name, path.name)))
    lines = [f"{place}:{frame.lineno}  {frame.name}"]
    if frame.lineno is None or not frame.line:
        return lines[0]
    first, last = _statement(frame.filename, frame.lineno)
    found = [
        linecache.getline(frame.filename, number).rstrip() for number in range(first, last + 1)
    ]
    code = textwrap.dedent("\n".join(found)).split("\n")
    for number, line in enumerate(code, first):
        mark = "> " if number == frame.lineno and len(code) > 1 else "  "
        lines.append(f"  {mark}{line}".rstrip())
    return "\n".join(lines)


def _statement(filename: str, line: int) -> Span:
    """First and last line of the statement that this line belongs to, at most STATEMENT_LINES."""
    around = [span for span in _statements(filename) if span[0] <= line <= span[1]]
    first, last = min(around, key=lambda span: span[1] - span[0], default=(line, line))
    first = max(first, line - STATEMENT_LINES + 3)
    return first, min(last, first + STATEMENT_LINES - 1)


@lru_cache(maxsize=64)
def _statements(filename: str) -> tuple[Span, ...]:
    """Where the statements of a file stand; of a compound one, such as “if”, its head."""
    lines = linecache.getlines(filename)
    if len(lines) > _SOURCE_LINES:
        return ()
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):  # no Python, or changed since it was loaded
        return ()
    return tuple(_span(node) for node in ast.walk(tree) if isinstance(node, ast.stmt))


def _span(node: ast.stmt) -> Span:
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    last = node.end_lineno or node.lineno
    if body:
        inner = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
        last = max(node.lineno, inner.lineno - 1)
    return node.lineno, last
