"""JSON as people write it: read strictly with the place of a mistake, written to be read. Pure."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from runs.payload import MAX_DEPTH

# What a reader of a definition looks for first; the database keeps no order of its own.
_ORDER = (
    "id",
    "label",
    "name",
    "kind",
    "type",
    "title",
    "description",
    "executor",
    "needs",
    "input_schema",
    "start_deadline_seconds",
    "input",
    "paths",
    "when",
    "value",
    "to",
    "default",
    "retries",
    "backoff_seconds",
    "timeout_seconds",
    "idempotent",
    "properties",
    "required",
    "additionalProperties",
    "nodes",
    "output",
)
_RANK = {key: rank for rank, key in enumerate(_ORDER)}
_LINE = 96
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[{}\[\]]', re.DOTALL)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN = {
    "Expecting value": "a value is expected here",
    "Expecting ',' delimiter": "a comma or a closing bracket is expected here",
    "Expecting ':' delimiter": "a colon is expected here",
    "Expecting property name enclosed in double quotes": (
        "a name in double quotes is expected here"
    ),
    "Illegal trailing comma before end of object": "a comma stands before the closing bracket",
    "Illegal trailing comma before end of array": "a comma stands before the closing bracket",
    "Extra data": "the text goes on after its end",
    "Unterminated string starting at": "this string has no closing quote",
    "Invalid control character at": "a string holds a line break or another control character",
    "Invalid \\escape": "a string holds a backslash that means nothing in JSON",
    "Invalid \\uXXXX escape": "\\u needs four hexadecimal digits",
}


_EXPECTING = frozenset({"Expecting value", "Expecting property name enclosed in double quotes"})


class JsonError(ValueError):
    """Text that is no JSON, or cannot be stored; line and column count from 1 where known."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def read(text: str) -> Any:
    """The value of a JSON text. Raises JsonError, also for what the database cannot hold."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise JsonError(_in_words(text, error), error.lineno, error.colno) from None
    except RecursionError:
        raise JsonError("it is nested too deeply") from None
    except _Twice as twice:
        raise JsonError(f"“{twice.name}” stands twice in one object", *_second(text)) from None
    except JsonError:
        raise
    except ValueError:  # Python's limit of digits
        raise JsonError("it holds a number with too many digits") from None
    _check_storable(value)
    return value


def _in_words(text: str, error: json.JSONDecodeError) -> str:
    here = text[error.pos : error.pos + 1]
    if error.msg in _EXPECTING:
        # What people write who know JavaScript or Python; a later Python says it by itself.
        if here in ("]", "}") and text[: error.pos].rstrip().endswith(","):
            return "a comma stands before the closing bracket"
        if here == "'":
            return "texts and names stand in double quotes, not in single ones"
        if here in ("/", "#"):
            return "JSON has no comments"
    return _PLAIN.get(error.msg, error.msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _Twice(double)
    return found


class _Twice(Exception):  # noqa: N818
    def __init__(self, name: str) -> None:
        self.name = name


def _second(text: str) -> tuple[int | None, int | None]:
    """Line and column of the first name that its object has already."""
    open_objects: list[set[str] | None] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            open_objects.append(set() if token[0] == "{" else None)
        elif token[0] in "}]":
            if open_objects:
                open_objects.pop()
        elif token[2] and open_objects and (names := open_objects[-1]) is not None:
            name = json.loads(token[1], strict=False)
            if name in names:
                start = token.start()
                return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
            names.add(name)
    return None, None


def _no_constant(word: str) -> None:
    raise JsonError(f"{word} is not JSON")


def _check_storable(value: Any) -> None:
    rest: list[tuple[Any, int]] = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise JsonError(f"it is nested more than {MAX_DEPTH} levels deep")
            inner = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            rest += [(part, depth + 1) for part in inner]
        elif isinstance(item, float) and not math.isfinite(item):
            raise JsonError("it holds a number that is too large")
        elif isinstance(item, str) and _UNSTORABLE.search(item):
            raise JsonError("a string holds a NUL character or half a character")


def write(value: Any) -> str:
    """JSON with what fits on a line on one line, and a definition's fields in a fixed order."""
    return _written(value, 0, 0)


def _written(value: Any, indent: int, used: int) -> str:
    """`value` in lines indented by `indent`, the first with only `_LINE - used` columns left."""
    if not isinstance(value, dict | list) or not value:
        return _text(value)
    # The outermost value is always opened: a definition on one line is hard to add to.
    flat = _flat(value, _LINE - used) if indent else None
    if flat is not None:
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        parts = []
        for key, item in _items(value):
            name = f"{_text(key)}: "
            parts.append(name + _written(item, inner, inner + len(name) + 1))
    else:
        parts = [_written(item, inner, inner + 1) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    margin = "\n" + " " * inner
    return f"{opening}{margin}{f',{margin}'.join(parts)}\n{' ' * indent}{closing}"


def _flat(value: Any, room: int) -> str | None:
    """`value` on one line, or None where that takes more than `room` columns."""
    if isinstance(value, dict):
        items = [(f"{_text(key)}: ", item) for key, item in _items(value)]
    elif isinstance(value, list):
        items = [("", item) for item in value]
    else:
        text = _text(value)
        return text if len(text) <= room else None
    parts = []
    room -= 2
    for name, item in items:
        part = _flat(item, room - len(name))
        if part is None:
            return None
        parts.append(name + part)
        room -= len(parts[-1]) + 2
        if room < -2:
            return None
    return f"{{{', '.join(parts)}}}" if isinstance(value, dict) else f"[{', '.join(parts)}]"


def _items(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: _RANK.get(item[0], len(_ORDER)))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
