"""A form for what a JSON Schema describes: its fields, and the value that was typed in. Pure.

Plain properties of an object, also of objects within it, get a field each; whatever has no plain
form, such as a list, is written as JSON. What the form does not show is kept as it was.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_FIELDS = 60
# Objects within objects that are taken apart.
MAX_DEPTH = 3
_INPUTS = {"date": "date", "email": "email", "uri": "url"}
# Text from this many characters on has room of several lines.
_LONG = 80
_EMPTY = object()


@dataclass(frozen=True, slots=True)
class FormField:
    """`name` is its key in what is posted; `kind` tells how it is drawn."""

    path: tuple[str, ...]
    kind: str  # text, long, number, flag, choice, json
    input_type: str
    label: str
    help: str
    is_required: bool
    text: str
    choices: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def name(self) -> str:
        return "value." + ".".join(self.path)

    @property
    def is_checked(self) -> bool:
        return self.text == "true"


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed: the value, and what of it cannot be read, by the names of fields."""

    value: Any
    errors: dict[str, str]


def fields(
    schema: Any,
    value: Any,
    posted: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[FormField]:
    """With `value` in them, or what was `posted` before."""
    found = []
    for path, part, required in _properties(schema):
        kind, input_type, choices = _drawn(part, _at(value, path))
        text = _text(_at(value, path), kind)
        field = FormField(
            path=path,
            kind=kind,
            input_type=input_type,
            label=str(part.get("title") or " › ".join(path) or "Value"),
            help=str(part.get("description") or ""),
            is_required=required,
            text=text,
            choices=choices,
        )
        if posted is not None:
            again = posted.get(field.name, "")
            error = (errors or {}).get(field.name, "")
            field = _again(field, "true" if kind == "flag" and again else again, error)
        found.append(field)
    return found


def read(schema: Any, before: Any, posted: Mapping[str, str]) -> Typed:
    """The value that was typed into a form that began with `before`."""
    value = copy.deepcopy(before)
    errors = {}
    for field in fields(schema, before):
        try:
            given = _value(field, posted.get(field.name, ""), _schema_at(schema, field.path))
        except ValueError as error:
            errors[field.name] = str(error)
            continue
        value = _put(value, field.path, given)
    return Typed(value, errors)


def _again(field: FormField, text: str, error: str) -> FormField:
    return FormField(
        field.path, field.kind, field.input_type, field.label, field.help, field.is_required,
        text, field.choices, error,
    )  # fmt: skip


def _properties(
    schema: Any, path: tuple[str, ...] = (), *, required: bool = True
) -> list[tuple[tuple[str, ...], dict[str, Any], bool]]:
    """Paths, their schemas, and whether they must be given."""
    part = schema if isinstance(schema, dict) else {}
    inner = part.get("properties")
    if not isinstance(inner, dict) or not inner or len(path) >= MAX_DEPTH:
        return [(path, part, required)]
    found = []
    needed = part.get("required") or []
    for name, each in inner.items():
        # A full stop would be taken for the next level.
        if "." not in name:
            found += _properties(each, (*path, name), required=required and name in needed)
    # The store keeps no order of properties: what must be given comes first.
    return sorted(found, key=lambda each: not each[2])[:MAX_FIELDS]


def _schema_at(schema: Any, path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        schema = schema["properties"][name]
    return schema if isinstance(schema, dict) else {}


def _drawn(part: dict[str, Any], value: Any) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    choices = part.get("enum")
    if isinstance(choices, list) and choices:
        return "choice", "", tuple((json.dumps(c), _plain(c)) for c in choices)
    match part.get("type"):
        case "string" if value is _EMPTY or isinstance(value, str):
            long = isinstance(value, str) and (len(value) > _LONG or "\n" in value)
            return ("long" if long else "text"), _INPUTS.get(str(part.get("format")), "text"), ()
        case "number" | "integer" if value is _EMPTY or _is_number(value):
            return "number", "text", ()
        case "boolean" if value is _EMPTY or isinstance(value, bool):
            return "flag", "", ()
    return "json", "", ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: Any, kind: str) -> str:
    if value is _EMPTY:
        return ""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    return json.dumps(value) if kind in ("choice", "flag", "number") else str(value)


def _value(field: FormField, text: str, part: dict[str, Any]) -> Any:
    """Raises ValueError with what is wrong. _EMPTY: nothing is given."""
    if field.kind == "flag":
        return bool(text)
    if field.kind in ("text", "long"):
        text = text.replace("\r\n", "\n")
        return text if text or field.is_required else _EMPTY
    text = text.strip()
    if not text:
        return _EMPTY
    if field.kind == "choice":
        known = {key for key, _ in field.choices}
        if text not in known:
            raise ValueError("Choose one of those that are offered.")
        return json.loads(text)
    if field.kind == "number":
        return _number(text, whole=part.get("type") == "integer")
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON: {error}.") from None


def _number(text: str, *, whole: bool) -> int | float:
    try:
        number = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        number = None
    if not _is_number(number) or (whole and number != int(number)):
        raise ValueError("Give a whole number." if whole else "Give a number, such as 12.50.")
    return int(number) if whole else number


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return _EMPTY
        value = value[name]
    return value


def _put(value: Any, path: tuple[str, ...], given: Any) -> Any:
    if not path:
        return None if given is _EMPTY else given
    found = dict(value) if isinstance(value, dict) else {}
    name, rest = path[0], path[1:]
    if rest:
        if given is not _EMPTY or name in found:
            found[name] = _put(found.get(name), rest, given)
    elif given is _EMPTY:
        found.pop(name, None)
    else:
        found[name] = given
    return found
