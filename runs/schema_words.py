"""What a JSON Schema's keyword found wrong with a value, in words that follow the field's name.

“total must be a number, not text”: the validator's own words show Python's notation. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from jsonschema import ValidationError

LONGEST_VALUE: Final = 60
LONGEST_PATTERN: Final = 120
LONGEST_PLACE: Final = 200
MOST_CHOICES: Final = 8

_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FORMATS: Final = {
    "date": "a date such as 2026-03-31",
    "time": "a time such as 12:30:00Z",
    "date-time": "a date and time such as 2026-03-31T12:30:00Z",
    "email": "an e-mail address",
    "uri": "an address such as https://example.org/",
    "uuid": "a UUID",
    "regex": "a regular expression",
}


def place(path: Iterable[str | int]) -> str:
    """Where in the input, such as lines[3].amount; "" for the whole."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(shortened(part), ensure_ascii=False)}]"
    return shortened(written, LONGEST_PLACE)


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """With the middle left out: how a text begins and ends tells most."""
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]} … {text[-half:]}"


def said(error: ValidationError) -> str:
    """Keywords that have no words here give a sentence that is true of each of them."""
    words = _WORDS.get(str(error.validator))
    if words is not None:
        return words(error.validator_value, error.instance, error)
    if error.validator is None:  # the schema is false; of which field the validator doesn't tell
        return f"has something that is not allowed: {_value(error.instance)}"
    return f"does not fit the schema's “{error.validator}”"


def missing(with_field: str = "") -> str:
    return f"is missing; it goes with {place([with_field])}" if with_field else "is missing"


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a number"


def _value(value: Any) -> str:
    """To be quoted: a text in quotation marks, what holds others by its kind only."""
    if isinstance(value, str):
        return f"“{shortened(value)}”"
    if value is None or isinstance(value, bool | dict | list):
        return _kind(value)
    return shortened(str(value))


def _choice(value: Any) -> str:
    """As `_value`, but what the schema holds is shown, however it is made."""
    if isinstance(value, dict | list):
        return shortened(json.dumps(value, ensure_ascii=False))
    return _value(value)


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _type(types: Any, value: Any, _: ValidationError) -> str:
    named = [types] if isinstance(types, str) else list(types)
    wanted = " or ".join(_TYPES.get(each, each) for each in named)
    is_fraction = isinstance(value, float) and "integer" in named
    return f"must be {wanted}, not {_value(value) if is_fraction else _kind(value)}"


def _enum(choices: list[Any], value: Any, _: ValidationError) -> str:
    shown = ", ".join(_choice(choice) for choice in choices[:MOST_CHOICES])
    if more := len(choices) - MOST_CHOICES:
        shown += f" and {more} more" if more > 0 else ""
    return f"must be {'one of ' if len(choices) > 1 else ''}{shown}, not {_value(value)}"


def _const(wanted: Any, value: Any, _: ValidationError) -> str:
    return f"must be {_choice(wanted)}, not {_value(value)}"


def _bound(words: str) -> Callable[[Any, Any, ValidationError], str]:
    return lambda bound, value, _: f"must be {words} {bound}, not {_value(value)}"


def _size(words: str, one: str) -> Callable[[Any, Any, ValidationError], str]:
    def told(bound: int, value: Any, _: ValidationError) -> str:
        if bound == 1 and not value:
            return "must not be empty"
        return f"must have {words} {_count(bound, one)}, not {len(value):,}"

    return told


def _pattern(pattern: str, value: Any, _: ValidationError) -> str:
    return f"must match {shortened(pattern, LONGEST_PATTERN)}, which {_value(value)} does not"


def _format(form: str, value: Any, _: ValidationError) -> str:
    return f"must be {_FORMATS.get(form, f'of the format “{form}”')}, not {_value(value)}"


def _one_of(_: Any, __: Any, error: ValidationError) -> str:
    fitting = "none" if error.context else "more than one"
    return f"fits {fitting} of the forms that are possible here"


def _always(words: str) -> Callable[[Any, Any, ValidationError], str]:
    return lambda _, __, ___: words


def _own(_: Any, __: Any, error: ValidationError) -> str:
    """Of keywords that this portal checks itself, and words itself."""
    return str(error.message)


_WORDS: Final[dict[str, Callable[[Any, Any, ValidationError], str]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("more than"),
    "exclusiveMaximum": _bound("less than"),
    "multipleOf": _bound("a multiple of"),
    "minLength": _size("at least", "character"),
    "maxLength": _size("at most", "character"),
    "minItems": _size("at least", "item"),
    "maxItems": _size("at most", "item"),
    "minProperties": _size("at least", "field"),
    "maxProperties": _size("at most", "field"),
    "pattern": _pattern,
    "format": _format,
    "uniqueItems": _always("must not hold the same item twice"),
    "contains": _always("holds no item of the form that is asked for"),
    "minContains": _always("holds too few items of the form that is asked for"),
    "maxContains": _always("holds too many items of the form that is asked for"),
    "items": _always("has more items than are possible here"),
    "unevaluatedItems": _always("has more items than are possible here"),
    "unevaluatedProperties": _always("has fields that are not known"),
    "anyOf": _always("fits none of the forms that are possible here"),
    "oneOf": _one_of,
    "not": _always("has a form that is not allowed"),
    "required": _own,
    "dependentRequired": _own,
    "propertyNames": _own,
    "additionalProperties": _own,
}
