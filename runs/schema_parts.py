"""The parts of a JSON Schema that a form has fields for, and the kind of field of each. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

MAX_FIELDS: Final = 60
# Objects within objects that are taken apart.
MAX_DEPTH: Final = 3
# References that lead to references.
_MAX_HOPS: Final = 8
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
_INPUTS: Final = {"email": "email", "uri": "url"}
_LONG_FORMATS: Final = frozenset({"textarea", "multiline", "multi-line", "markdown"})
# Text from this many characters on has room of several lines.
_LONG: Final = 80
_LONG_LIMIT: Final = 200
_MOST_EXAMPLES: Final = 3
YES_NO: Final = (("true", "Yes"), ("false", "No"))
ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Part:
    """A property. `group` names the objects that it stands in; references are followed."""

    path: tuple[str, ...]
    schema: dict[str, Any]
    is_required: bool = True
    is_nullable: bool = False
    group: str = ""

    @property
    def title(self) -> str:
        return str(self.schema.get("title") or (self.path[-1] if self.path else "Value"))

    @property
    def type(self) -> Any:
        return self.schema.get("type")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a part is drawn: text, long, number, flag, choice, list or json."""

    kind: str
    input_type: str = "text"
    choices: tuple[tuple[str, str], ...] = ()


def parts(schema: Any, value: Any) -> list[Part]:
    """What has a field each: plain properties first, then those of each object within."""
    root = schema if isinstance(schema, dict) else {}
    return list(_parts(root, _part(root, (), root, True), value))[:MAX_FIELDS]


def at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _parts(root: dict[str, Any], part: Part, value: Any) -> Iterator[Part]:
    if not _is_opened(part, value):
        yield part
        return
    needed = part.schema.get("required") or []
    inner = [
        _part(root, (*part.path, name), each, part.is_required and name in needed)
        for name, each in part.schema["properties"].items()
        # A full stop would be taken for the next level.
        if "." not in name
    ]
    # The store keeps no order of properties: what must be given comes first, objects last.
    inner.sort(key=lambda each: (_is_opened(each, at(value, each.path[-1:])), not each.is_required))
    for each in inner:
        item = at(value, each.path[-1:])
        if _is_opened(each, item):
            group = f"{part.group} › {each.title}" if part.group else each.title
            yield from _parts(root, replace(each, group=group), item)
        else:
            yield replace(each, group=part.group)


def _is_opened(part: Part, value: Any) -> bool:
    """An object whose properties have fields. What is no object now is kept in one field."""
    inner = part.schema.get("properties")
    return (
        isinstance(inner, dict)
        and bool(inner)
        and len(part.path) < MAX_DEPTH
        and (value is ABSENT or isinstance(value, dict))
    )


def _part(root: dict[str, Any], path: tuple[str, ...], schema: Any, required: bool) -> Part:
    found = schema if isinstance(schema, dict) else {}
    is_nullable = False
    for _ in range(_MAX_HOPS):
        reference = found.get("$ref")
        rest = {name: each for name, each in found.items() if name != "$ref"}
        if isinstance(reference, str):
            found = {**_pointed(root, reference), **rest}
            continue
        one, nullable = _only_one(found)
        is_nullable |= nullable
        if one is None:
            break
        found = one
    kinds = found.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        is_nullable |= "null" in kinds
        found = {**found, "type": others[0] if len(others) == 1 else kinds}
    return Part(path, found, required, is_nullable)


def _pointed(root: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a reference within the schema leads to; nothing for any other."""
    found: Any = root if reference.startswith("#") else {}
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _only_one(schema: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """A choice between one form and null is that form, as many who generate schemas write it."""
    for word in ("anyOf", "oneOf", "allOf"):
        rows = schema.get(word)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            continue
        forms = [row for row in rows if row.get("type") != "null"]
        if len(forms) == 1:
            rest = {name: each for name, each in schema.items() if name != word}
            return {**forms[0], **rest}, word != "allOf" and len(rows) > 1
    return None, False


def drawn(part: Part, value: Any) -> Drawn:
    """What does not fit its field is drawn as JSON, so that the form shows it as it is."""
    schema = part.schema
    if part.is_nullable and value is None:
        value = ABSENT
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(choices, list) and choices:
        # What is there though it may not be is shown, and the schema complains.
        known = choices if value is ABSENT or _is_among(value, choices) else [*choices, value]
        return Drawn("choice", choices=tuple((json.dumps(c), plain(c)) for c in known))
    match part.type:
        case "string" if value is ABSENT or (isinstance(value, str) and "\r" not in value):
            return _text(schema, "" if value is ABSENT else value)
        case "number" | "integer" if value is ABSENT or is_number(value):
            return Drawn("number")
        case "boolean" if value is ABSENT and (part.is_nullable or not part.is_required):
            return Drawn("choice", choices=YES_NO)
        case "boolean" if value is ABSENT or isinstance(value, bool):
            return Drawn("choice", choices=YES_NO) if part.is_nullable else Drawn("flag")
        case "array" if item_type(part) and (value is ABSENT or _fits_lines(part, value)):
            return Drawn("list")
    return Drawn("json")


def _text(schema: dict[str, Any], value: str) -> Drawn:
    form = schema.get("format")
    most = schema.get("maxLength")
    is_long = form in _LONG_FORMATS or (is_number(most) and most >= _LONG_LIMIT and not form)
    if is_long or len(value) > _LONG or "\n" in value:
        return Drawn("long")
    if form == "date" and (not value or _DATE.match(value)):
        return Drawn("text", "date")
    return Drawn("text", _INPUTS.get(str(form), "text"))


def item_type(part: Part) -> str:
    """Of a list whose items can stand in a line each; "" for any other."""
    items = part.schema.get("items")
    kind = items.get("type") if isinstance(items, dict) else None
    return kind if kind in ("string", "number", "integer") else ""


def _fits_lines(part: Part, value: Any) -> bool:
    if not isinstance(value, list):
        return False
    if item_type(part) == "string":
        return all(isinstance(each, str) and _is_line(each) for each in value)
    return all(is_number(each) for each in value)


def _is_line(text: str) -> bool:
    return bool(text) and text == text.strip() and len(text.splitlines()) == 1


def _is_among(value: Any, choices: list[Any]) -> bool:
    # To Python, true and 1 are the same.
    return json.dumps(value) in map(json.dumps, choices)


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def help_of(part: Part, kind: str) -> str:
    """What a person should know to fill it in: its description, form and bounds."""
    schema = part.schema
    words = [str(schema.get("description") or "").strip()]
    if words[0] and words[0][-1] not in ".!?":
        words[0] += "."
    if kind == "list":
        words.append("One per line.")
        items = schema["items"]
        if isinstance(items.get("enum"), list):
            words.append(f"Each one of {', '.join(map(plain, items['enum'][:8]))}.")
    elif kind == "json":
        words.append("Written as JSON: the form has no field for this.")
    elif kind in ("text", "long") and schema.get("format") == "date-time":
        words.append("Such as 2026-03-31T12:30:00Z.")
    words.append(_bounds(schema))
    examples = schema.get("examples")
    if kind not in ("json", "choice", "flag") and isinstance(examples, list) and examples:
        words.append(f"For example {', '.join(map(plain, examples[:_MOST_EXAMPLES]))}.")
    return " ".join(filter(None, words))


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if is_number(least) and is_number(most):
        return f"From {least:,} to {most:,}."
    if is_number(least):
        return f"At least {least:,}."
    if is_number(most):
        return f"At most {most:,}."
    longest = schema.get("maxLength")
    return f"At most {longest:,} characters." if is_number(longest) else ""
