"""PostgreSQL array literals. Pure.

The driver's own arrays look at every element several times to find a common type; here the
statement's casts name it, which makes large batches several times cheaper to send.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any


def literal(values: Iterable[Any]) -> str:
    """``{…}`` of numbers, texts, UUIDs, times or nulls, to be cast to the array's type.

    Characters that PostgreSQL has no text for, NUL and lone surrogates, are replaced.
    """
    text = "{" + ",".join([_WRITERS.get(type(value), _other)(value) for value in values]) + "}"
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _text(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _other(value: Any) -> str:
    # An enum's member is text too.
    return _text(value) if isinstance(value, str) else str(value)


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    str: _text,
    int: str,
    uuid.UUID: str,
    datetime: lambda value: f'"{value.isoformat()}"',
}
