"""Texts with places for values: ``Read this: {{ text }}``. Pure.

A place names one of the node's inputs, or with ``secret.NAME`` a secret of the portal's settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME = re.compile(r"(secret\.)?([A-Za-z_][A-Za-z0-9_]{0,63})\Z")
# Characters of a text whose places are taken: a large input may stand in it many times.
MAX_FILLED = 5_000_000
# Gives the value of a name; `is_secret` tells an input from a secret.
Lookup = Callable[[str, bool], Any]


def complaints(
    value: Any, names: frozenset[str] | set[str], *, secrets: bool = False
) -> Iterator[str]:
    """What is wrong with the places in a text, or in the texts of a JSON value."""
    for place in _places(value):
        found = _NAME.match(place)
        if found is None:
            yield f"“{{{{{place}}}}}” names no input"
        elif found[1] and not secrets:
            yield f"“{{{{{place}}}}}”: secrets stand in headers only"
        elif not found[1] and place not in names:
            known = f"; it has {', '.join(sorted(names))}" if names else ""
            yield f"“{{{{{place}}}}}” is no input of this node{known}"


def secrets_in(value: Any) -> frozenset[str]:
    """The names of the secrets that are mentioned."""
    found = (_NAME.match(place) for place in _places(value))
    return frozenset(match[2] for match in found if match and match[1])


def filled(value: Any, lookup: Lookup, quote: Callable[[str], str] = str) -> Any:
    """`value` with each place taken by its value, which `quote` makes fit for where it stands.

    A text that is one place and nothing else becomes the value itself, of whatever type.
    """
    if isinstance(value, dict):
        return {key: filled(item, lookup, quote) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, lookup, quote) for item in value]
    if not isinstance(value, str):
        return value
    alone = _PLACE.fullmatch(value)
    if alone:
        return _value(alone, lookup)
    return "".join(_parts(value, lookup, quote))


def _parts(text: str, lookup: Lookup, quote: Callable[[str], str]) -> Iterator[str]:
    """Raises ValueError past MAX_FILLED."""
    at = total = 0
    for place in _PLACE.finditer(text):
        part = text[at : place.start()] + quote(as_text(_value(place, lookup)))
        at, total = place.end(), total + len(part)
        if total > MAX_FILLED:
            raise ValueError(f"with its inputs, a text is longer than {MAX_FILLED:,} characters")
        yield part
    yield text[at:]


def as_text(value: Any) -> str:
    """How a value stands within a text: JSON, but a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(place: re.Match[str], lookup: Lookup) -> Any:
    found = _NAME.match(place[1])
    return lookup(found[2], bool(found[1])) if found else place[0]


def _places(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (place[1] for place in _PLACE.finditer(value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _places(item)
    elif isinstance(value, list):
        for item in value:
            yield from _places(item)
