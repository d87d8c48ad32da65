"""The JSON Schema of a workflow's input: check it, check an input, suggest an input. Pure.

A schema is what a person wrote: it may only refer to itself, never to a file or an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from runs import patterns, schema_words

# Without a way to retrieve: whatever stands outside the schema is not found.
_NOTHING: Registry[Any] = Registry()
_ENDLESS = "the schema refers to itself without end"
_EXAMPLES: dict[str, Any] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "null": None,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong at `path`, whose name `message` follows; a whole sentence where it is ""."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}" if self.path else self.message


def complaint(schema: Any) -> str:
    """Why `schema` is not one that can be used; "" where it is."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"is not a JSON Schema: {_violation(error, whole='it')}"
    except RecursionError:
        return "is nested too deeply"
    try:
        for pattern in _patterns(schema):
            patterns.compiled(pattern)
    except patterns.PatternError as error:
        return f"is not a JSON Schema: {error}"
    resolver = _NOTHING.resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):  # not there; no address at all
            return f"refers to “{reference}”, which does not stand in it"
    return ""


def _references(schema: Any) -> Iterator[str]:
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            for word in ("$ref", "$dynamicRef"):
                if isinstance(part.get(word), str):
                    yield part[word]
            rest += part.values()
        elif isinstance(part, list):
            rest += part


def _patterns(schema: Any) -> Iterator[str]:
    """All that may be patterns: a property of that name holds a schema, not a text."""
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str):
                yield part["pattern"]
            if isinstance(part.get("patternProperties"), dict):
                yield from part["patternProperties"]
            rest += part.values()
        elif isinstance(part, list):
            rest += part


def violation(schema: Any, value: Any) -> str:
    """The violation that says most; "" where `value` fits."""
    if schema == {}:  # as most have it, and a validator takes its time
        return ""
    try:
        error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(value))
    except (RecursionError, Unresolvable) as trouble:
        return _trouble(trouble)
    return "" if error is None else str(_violation(error))


def violations(schema: Any, value: Any, most: int) -> list[Violation]:
    """The first `most` violations, in the order of the input."""
    found = []
    try:
        for error in _validator(schema).iter_errors(value):
            found.append(_violation(error))
            if len(found) == most:
                break
    except (RecursionError, Unresolvable) as trouble:
        return [Violation("", _trouble(trouble))]
    return found


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, str) and not patterns.search(pattern, value):
        yield jsonschema.ValidationError("")


def _pattern_properties(
    validator: Any, parts: dict[str, Any], value: Any, _: Any
) -> Iterator[jsonschema.ValidationError]:
    if not isinstance(value, dict):
        return
    for pattern, part in parts.items():
        for name, item in value.items():
            if patterns.search(pattern, name):
                yield from validator.descend(item, part, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, part: Any, value: Any, schema: dict[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    if not isinstance(value, dict):
        return
    known, allowed = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items():
        if name in known or any(patterns.search(pattern, name) for pattern in allowed):
            continue
        if part is False:
            yield jsonschema.ValidationError("is not a known field", path=[name])
        else:
            yield from validator.descend(item, part, path=name)


def _required(
    _: Any, required: list[str], value: Any, __: Any
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, dict):
        for name in required:
            if name not in value:
                yield jsonschema.ValidationError(schema_words.missing(), path=[name])


def _dependent_required(
    _: Any, dependent: dict[str, list[str]], value: Any, __: Any
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, dict):
        for cause, names in dependent.items():
            for name in names:
                if cause in value and name not in value:
                    yield jsonschema.ValidationError(schema_words.missing(cause), path=[name])


def _property_names(
    validator: Any, form: Any, value: Any, _: Any
) -> Iterator[jsonschema.ValidationError]:
    for name in value if isinstance(value, dict) else ():
        if next(validator.descend(name, form), None) is not None:
            yield jsonschema.ValidationError("has a name that is not allowed", path=[name])


# The library's own use Python's regular expressions, which some texts keep busy for hours, or
# don't say which field is meant.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "required": _required,
        "dependentRequired": _dependent_required,
        "propertyNames": _property_names,
    },
)


def _validator(schema: Any) -> jsonschema.Draft202012Validator:
    return _Validator(schema, registry=_NOTHING)


def _violation(error: jsonschema.ValidationError, whole: str = "the input") -> Violation:
    path, message = schema_words.place(error.absolute_path), schema_words.said(error)
    return Violation(path, message) if path else Violation("", f"{whole} {message}")


def _trouble(trouble: Exception) -> str:
    if isinstance(trouble, Unresolvable):
        return f"the schema refers to “{trouble.ref}”, which does not stand in it"
    return _ENDLESS


@dataclass(frozen=True, slots=True)
class Field:
    """A property of the input, for a person."""

    name: str
    type: str
    is_required: bool
    description: str


def fields(schema: Any, most: int = 50) -> list[Field]:
    """The first `most` properties that an object must or may have."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return []
    required = schema.get("required") or []
    return [
        Field(name, _type(part), name in required, _description(part))
        for name, part in list(properties.items())[:most]
    ]


def _type(part: Any) -> str:
    kind = part.get("type", "") if isinstance(part, dict) else ""
    if isinstance(part, dict) and isinstance(part.get("enum"), list):
        return "one of " + ", ".join(str(choice) for choice in part["enum"][:8])
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _description(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    return str(part.get("description") or part.get("title") or "")


def example(schema: Any) -> Any:
    """An input to begin with: the schema's own examples and defaults, and blanks for the rest."""
    return _example(schema, 0)


def _example(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > 8:
        return {} if depth == 0 else None
    if "default" in schema:
        return schema["default"]
    for word in ("examples", "enum"):
        if isinstance(schema.get(word), list) and schema[word]:
            return schema[word][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    properties = schema.get("properties")
    if isinstance(properties, dict) and kind in (None, "object"):
        required = schema.get("required") or []
        return {
            name: _example(part, depth + 1)
            for name, part in properties.items()
            if name in required or (isinstance(part, dict) and _says(part))
        }
    return {} if kind in (None, "object") else _EXAMPLES.get(str(kind))


def defaults(schema: Any) -> Any:
    """What an input has where nobody gives anything: for an object its defaults, without blanks."""
    if not isinstance(schema, dict) or "default" in schema:
        return example(schema)
    properties = schema.get("properties")
    if not isinstance(properties, dict) or schema.get("type", "object") != "object":
        return example(schema)
    return _defaults(properties, 0)


def _defaults(properties: dict[str, Any], depth: int) -> dict[str, Any]:
    found = {}
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        inner = part.get("properties")
        if "default" in part:
            found[name] = part["default"]
        elif isinstance(inner, dict) and depth < 8 and (given := _defaults(inner, depth + 1)):
            found[name] = given
    return found


def _says(part: dict[str, Any]) -> bool:
    return "default" in part or bool(part.get("examples"))
