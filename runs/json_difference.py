"""What differs between two values of JSON, path by path. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# Characters of one value that are shown.
VALUE_CHARS: Final = 300
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Change:
    """`before` or `after` is None where there is nothing on that side."""

    path: str
    before: str | None
    after: str | None


def changes(before: Any, after: Any, most: int, path: str = "$") -> list[Change]:
    """The first `most` of them."""
    return [change for change, _ in zip(_changes(before, after, path), range(most), strict=False)]


def are_same(before: Any, after: Any) -> bool:
    # To Python true, 1 and 1.0 are the same.
    return _text(before) == _text(after)


def _changes(before: Any, after: Any, path: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), _to(path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            old, new = (each[place] if place < len(each) else _ABSENT for each in (before, after))
            yield from _changes(old, new, f"{path}[{place}]")
    elif not are_same(before, after):
        yield Change(_cut(path), _shown(before), _shown(after))


def _to(path: str, key: str) -> str:
    if not key.isidentifier():
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _text(value: Any) -> str:
    return "" if value is _ABSENT else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _shown(value: Any) -> str | None:
    return None if value is _ABSENT else _cut(_text(value))


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARS else text[:VALUE_CHARS] + "…"
