"""A form for what a JSON Schema describes: its fields, and the value that was typed in. Pure.

Plain properties of an object, also of objects within it, get a field each, as do lists of plain
items; what has no plain form is written as JSON. What the form does not show is kept as it was.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runs import json_text
from runs.schema_parts import ABSENT, Part, at, drawn, help_of, is_number, item_type, parts

# Properties that are named as not shown.
_MOST_UNSHOWN = 12


@dataclass(frozen=True, slots=True)
class FormField:
    """`name` is its key in what is posted; `kind` tells how it is drawn (see `Drawn`)."""

    path: tuple[str, ...]
    # Its place in the form, from which the ids on the page are made.
    number: int
    kind: str
    input_type: str
    label: str
    group: str
    help: str
    is_required: bool
    text: str
    choices: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def name(self) -> str:
        return "value." + ".".join(self.path)

    @property
    def key(self) -> str:
        return f"field-{self.number}"

    @property
    def describedby(self) -> str:
        return f"{self.key}-help {self.key}-error" if self.help else f"{self.key}-error"

    @property
    def is_area(self) -> bool:
        return self.kind in ("long", "list", "json")

    @property
    def is_checked(self) -> bool:
        return self.text == "true"

    @property
    def rows(self) -> int:
        least = {"json": 5, "list": 3}.get(self.kind, 3)
        return min(max(self.text.count("\n") + 2, least), 16)


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed: the value, and what of it cannot be read, by the names of fields.

    In the value, a text that cannot be read stands for itself: nothing that was typed is lost.
    """

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
    for number, part in enumerate(parts(schema, value)):
        field = _field(part, at(value, part.path), number)
        if posted is not None:
            again = posted.get(field.name, "")
            field = replace(
                field,
                text="true" if field.kind == "flag" and again else again,
                error=(errors or {}).get(field.name, ""),
            )
        found.append(field)
    return found


def unshown(schema: Any, value: Any) -> list[str]:
    """Of what `value` holds, names that have no field; the form keeps them as they are."""
    shown = [part.path for part in parts(schema, value)]
    found: list[str] = []
    rest: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while rest and len(found) <= _MOST_UNSHOWN:
        path, part = rest.pop()
        if path in shown:
            continue
        if isinstance(part, dict) and any(each[: len(path)] == path for each in shown):
            rest += [((*path, name), item) for name, item in part.items()]
        else:
            found.append(".".join(path))
    return sorted(found[:_MOST_UNSHOWN]) + ["…"] * (len(found) > _MOST_UNSHOWN)


def read(schema: Any, before: Any, posted: Mapping[str, str]) -> Typed:
    """The value that was typed into a form that began with `before`."""
    value = copy.deepcopy(before)
    errors = {}
    for number, part in enumerate(parts(schema, before)):
        was = at(before, part.path)
        field = _field(part, was, number)
        text = posted.get(field.name, "")
        try:
            given = _value(field, part, text, was)
        except ValueError as error:
            errors[field.name] = str(error)
            given = text
        value = _put(value, part.path, given)
    return Typed(value, errors)


def _field(part: Part, value: Any, number: int) -> FormField:
    shape = drawn(part, value)
    shown = ABSENT if value is None and part.is_nullable and shape.kind != "choice" else value
    return FormField(
        path=part.path,
        number=number,
        kind=shape.kind,
        input_type=shape.input_type,
        label=part.title,
        group=part.group,
        help=help_of(part, shape.kind),
        is_required=part.is_required,
        text=_text(shown, shape.kind),
        choices=shape.choices,
    )


def _text(value: Any, kind: str) -> str:
    if value is ABSENT:
        return ""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    if kind == "list":
        return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in value)
    return json.dumps(value) if kind in ("choice", "flag", "number") else str(value)


def _value(field: FormField, part: Part, text: str, was: Any) -> Any:
    """Raises ValueError with what is wrong. ABSENT: nothing is given."""
    if field.kind == "flag":
        return bool(text)
    text = text.replace("\r\n", "\n")
    if field.kind == "list":
        return _items(part, text, was)
    if field.kind in ("text", "long"):
        return text if text or _keeps_empty(part, was) else _nothing(part, was)
    text = text.strip()
    if not text:
        return _nothing(part, was)
    if field.kind == "choice":
        known = {key for key, _ in field.choices}
        if text not in known:
            raise ValueError("Choose one of those that are offered.")
        return json.loads(text)
    if field.kind == "number":
        return _number(text, whole=part.type == "integer")
    try:
        return json_text.read(text)
    except json_text.JsonError as error:
        where = f" (line {error.line}, column {error.column})" if error.line else ""
        raise ValueError(f"This is not JSON: {error}{where}.") from None


def _nothing(part: Part, was: Any) -> Any:
    """What an empty field says: null where that is allowed and was there, or must be."""
    return None if part.is_nullable and (was is None or part.is_required) else ABSENT


def _keeps_empty(part: Part, was: Any) -> bool:
    return was == "" or (part.is_required and not part.is_nullable)


def _items(part: Part, text: str, was: Any) -> Any:
    lines = [line.strip() for line in text.split("\n")]
    given = [line for line in lines if line]
    if not given:
        return [] if was == [] or part.is_required else _nothing(part, was)
    kind = item_type(part)
    if kind == "string":
        return given
    return [_number(line, whole=kind == "integer", of=f"“{line[:20]}”: ") for line in given]


def _number(text: str, *, whole: bool, of: str = "") -> int | float:
    try:
        number = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        number = None
    if not is_number(number) or (whole and number != int(number)):
        raise ValueError(
            of + ("Give a whole number." if whole else "Give a number, such as 12.50.")
        )
    return int(number) if whole else number


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def _put(value: Any, path: tuple[str, ...], given: Any) -> Any:
    if not path:
        return None if given is ABSENT else given
    found = dict(value) if isinstance(value, dict) else {}
    name, rest = path[0], path[1:]
    if rest:
        if given is not ABSENT or name in found:
            found[name] = _put(found.get(name), rest, given)
    elif given is ABSENT:
        found.pop(name, None)
    else:
        found[name] = given
    return found
