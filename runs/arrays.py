"""PostgreSQL array literals. Pure.

The driver's own arrays look at every element several times to find a common type; here the
statement's casts name it, which makes large batches several times cheaper to send.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any


def literal(values: Iterable[Any]) -> str:
    """``{…}`` of numbers, texts, UUIDs, times or nulls, to be cast to the array's type.

    Characters that PostgreSQL has no text for, NUL and lone surrogates, are replaced.
    """
    text = "{" + ",".join(map(_element, values)) + "}"
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    return str(value)
