"""A body in pieces → events, one after the other, with bounded memory. Pure."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

MAX_BYTES = 10_000_000
MAX_EVENTS = 10_000
# Of one event, in characters of its JSON: room for its data and the fields beside it.
MAX_EVENT = 1_100_000
# Steps in which a body is looked through for where values end that cannot be read.
MAX_STEPS = 500_000
_PIECE = 64 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
# What matters for where a value ends, in as few steps as can be: groups without groups within them,
# one behind the other; strings; runs of brackets. A string that has no end goes to the text's end:
# it must not be tried again from each quote in it.
_STRING = r'"(?:[^"\\]|\\.)*+'
_FLAT = rf'[\[{{](?:[^"\[\]{{}}]++|{_STRING}")*+[\]}}]'
_STRUCTURE = re.compile(
    rf"(?P<flat>{_FLAT}(?:[\s,]*+{_FLAT})*+)|(?P<opened>[\[{{]++)|(?P<closed>[\]}}]++)"
    rf'|{_STRING}(?:"|\\?\Z)',
    re.DOTALL,
)
_FIRST_FLAT = re.compile(_FLAT, re.DOTALL)
# Without the empty ones: a body may hold millions of them.
_LINE = re.compile(r"[^\n]+")
_ESCAPES = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class BadBody(ValueError):  # noqa: N818
    """A body that is not to be read at all; nothing of it is stored."""


class BodyTooLarge(ValueError):  # noqa: N818
    """More than is taken at once; nothing of it is stored."""


class NotAnEvent(ValueError):  # noqa: N818
    """One event that cannot be read; the others can."""


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body is over {MAX_BYTES:,} bytes; send it in parts.")


def gathered(pieces: Iterable[bytes], *, gzipped: bool) -> bytes:
    """The whole body, unpacked; reading stops where it gets too large, packed or unpacked."""
    found: list[bytes] = []
    size = 0
    for piece in _unpacked(pieces) if gzipped else pieces:
        size += len(piece)
        if size > MAX_BYTES:
            raise _too_large()
        found.append(piece)
    return b"".join(found)


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpack, sent, began = zlib.decompressobj(wbits=31), 0, False
    try:
        for piece in pieces:
            sent += len(piece)
            if sent > MAX_BYTES:
                raise _too_large()
            rest = piece
            while rest:
                if unpack.eof:  # a file of several members
                    unpack = zlib.decompressobj(wbits=31)
                began = True
                yield unpack.decompress(rest, _PIECE)
                rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
            while not unpack.eof and (more := unpack.decompress(b"", _PIECE)):
                yield more
    except zlib.error as error:
        raise BadBody(f"The body is not gzip: {error}.") from error
    if began and not unpack.eof:
        raise BadBody("The body is gzip that was cut off.")


def decoded(body: bytes) -> str:
    """Bytes that are not UTF-8 become what `is_doubtful` finds: only their event is refused."""
    return body.decode("utf-8", "surrogateescape")


def is_doubtful(text: str) -> bool:
    """Whether a string in this JSON may hold what PostgreSQL has no text for."""
    if "\\u" in text and _ESCAPES.search(text):
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def holds_no_text(value: Any) -> bool:
    """Whether a string in it, or a name, holds NUL or half a character."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            if _NO_TEXT.search(item):
                return True
        elif isinstance(item, dict):
            rest += item
            rest += item.values()
        elif isinstance(item, list):
            rest += item
    return False


# -- JSON ------------------------------------------------------------------------------------


def _no_constant(word: str) -> None:
    raise NotAnEvent(f"{word} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def array(text: str) -> Iterator[Any]:
    """The events of a JSON array; NotAnEvent stands for one that cannot be read.

    They are read one by one, and each through a window: the values that a body of ten million
    characters can describe take a hundred times as much.
    """
    at = _skip(text, 0)
    if not text.startswith("[", at):
        raise BadBody("The body is a JSON array of events, or NDJSON (application/x-ndjson).")
    at = _skip(text, at + 1)
    if text.startswith("]", at):
        _end(text, at + 1)
        return
    window = _Window(text)
    while True:
        value, at = window.value(at)
        yield value
        at = _skip(text, at)
        if text.startswith("]", at):
            return _end(text, at + 1)
        if not text.startswith(",", at):
            raise _broken(text, at, "a comma or the closing bracket is expected here")
        at = _skip(text, at + 1)


class _Window:
    """Reads values from a part of the text at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._from = 0
        self._part = text[: 2 * MAX_EVENT]
        self._steps = 0

    def value(self, at: int) -> tuple[Any, int]:
        if at - self._from > MAX_EVENT:
            self._from, self._part = at, self._text[at : at + 2 * MAX_EVENT]
        try:
            value, end = _decoder.raw_decode(self._part, at - self._from)
        except (ValueError, RecursionError) as error:
            return _unreadable(error), self._end_of(at, error)
        end += self._from
        return (value if end - at <= MAX_EVENT else _too_long()), end

    def _end_of(self, at: int, error: Exception) -> int:
        """Where a value ends that cannot be made: too long, too deep, with an odd number."""
        if self._text[at : at + 1] in ("[", "{"):
            end = self._closing(at)
            # Within the window and yet no JSON: what is broken is the array itself.
            if end and not (isinstance(error, json.JSONDecodeError) and end - at <= MAX_EVENT):
                return end
        where = at
        if isinstance(error, json.JSONDecodeError):
            where = self._from + error.pos
        raise _broken(self._text, where, "this is not JSON")

    def _closing(self, at: int) -> int | None:
        """Behind the bracket that closes the one at `at`."""
        if flat := _FIRST_FLAT.match(self._text, at):
            return flat.end()
        depth = 0
        for found in _STRUCTURE.finditer(self._text, at):
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise _broken(self._text, at, "too much of it is nested too deeply, or too long")
            length = found.end() - found.start()
            if found.lastgroup == "opened":
                depth += length
            elif found.lastgroup == "closed":
                if length >= depth:
                    return found.start() + depth
                depth -= length
        return None


def _unreadable(error: Exception) -> NotAnEvent:
    if isinstance(error, NotAnEvent):
        return error
    if isinstance(error, RecursionError):
        return NotAnEvent("it is nested too deeply")
    if isinstance(error, json.JSONDecodeError):
        return _too_long()
    return NotAnEvent("it holds a number with too many digits")


def _too_long() -> NotAnEvent:
    return NotAnEvent(f"it is over {MAX_EVENT:,} characters")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise _broken(text, _skip(text, at), "the text goes on after the array's end")


def _broken(text: str, at: int, why: str) -> BadBody:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return BadBody(f"The body is not a JSON array: {why} (line {line:,}, column {column:,}).")


def lines(text: str) -> Iterator[Any]:
    """The events of NDJSON; NotAnEvent stands for a line that cannot be read. Empty lines are
    passed over."""
    for found in _LINE.finditer(text):
        if line := found[0].strip(" \t\r"):
            yield _line(line)


def _line(line: str) -> Any:
    if len(line) > MAX_EVENT:
        return _too_long()
    try:
        return _decoder.decode(line)
    except json.JSONDecodeError as error:
        return NotAnEvent(f"it is not JSON (column {error.colno:,}): {error.msg}")
    except (ValueError, RecursionError) as error:
        return _unreadable(error)
