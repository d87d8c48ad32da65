"""An input as a page takes it: as a form made from its JSON Schema or as JSON, with what is wrong.

The page includes ``runs/schema_input.html`` in its form with an `Input` as `given` and the address
of a check as `check_url`; it reads what is posted with `read`. Posted are the JSON (`input`), the
mode that is shown (`mode`), and in the form's mode the fields. “Form” and “JSON” post `switch`:
what was typed is then shown the other way, and nothing else is to be done with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from runs import input_schema, json_text, schema_form, schema_words
from runs.input_schema import Violation
from runs.payload import PayloadError, bounded
from runs.schema_form import FormField

FORM: Final = "form"
JSON: Final = "json"
MAX_VIOLATIONS: Final = 20
# Longer JSON is edited as JSON: a form would send it twice.
_MOST_IN_FORM: Final = 200_000


@dataclass(frozen=True, slots=True)
class Input:
    """An input as it was given, its value, and why it cannot be used."""

    text: str
    value: Any = None
    mode: str = JSON
    # It is no JSON or too large; then it was not held against the schema.
    refusal: str = ""
    line: int | None = None
    column: int | None = None
    violations: tuple[Violation, ...] = ()
    # The form, also where JSON is shown; empty where the schema has none.
    fields: tuple[FormField, ...] = ()
    # Names of what the form does not show.
    unshown: tuple[str, ...] = ()
    # What was typed is only shown the other way.
    is_switched: bool = False
    note: str = ""

    @property
    def is_sound(self) -> bool:
        return not (self.refusal or self.violations or any(each.error for each in self.fields))

    @property
    def is_form(self) -> bool:
        return self.mode == FORM

    @property
    def modes(self) -> tuple[tuple[str, str], ...]:
        return ((FORM, "Form"), (JSON, "JSON"))

    @property
    def has_form(self) -> bool:
        return bool(self.fields)

    @property
    def problems(self) -> int:
        """How many things are wrong, whether said at a field or below all."""
        errors = sum(bool(each.error) for each in self.fields) if self.is_form else 0
        return bool(self.refusal) + len(self.violations) + errors


def begin(schema: Any, limit: int) -> Input:
    """An input that nobody has touched yet; it does not complain."""
    value = input_schema.defaults(schema)
    if not _form(schema, value):
        value = input_schema.example(schema)
    return untouched(of_value(schema, value, limit))


def of_value(schema: Any, value: Any, limit: int) -> Input:
    """One that begins with a value, as a form where there is one."""
    text = json_text.write(value)
    given = _of_text(schema, text, limit)
    if not given.has_form or given.refusal:
        return given
    return _at_fields(replace(given, mode=FORM))


def untouched(given: Input) -> Input:
    fields = tuple(replace(each, error="") for each in given.fields)
    return replace(given, violations=(), fields=fields)


def spared(given: Input, posted: Mapping[str, str]) -> Input:
    """While one types: nothing is said of a field that is still empty."""
    fields = tuple(
        replace(each, error="") if not posted.get(each.name) else each for each in given.fields
    )
    return replace(given, fields=fields)


def read(posted: Mapping[str, str], schema: Any, limit: int, *, drawn: Any = None) -> Input:
    """What was posted. `drawn` is the schema that the form was drawn from, where another."""
    given = _read(posted, schema, limit, schema if drawn is None else drawn)
    return replace(given, is_switched=True) if posted.get("switch") else given


def _read(posted: Mapping[str, str], schema: Any, limit: int, drawn: Any) -> Input:
    text, wanted = posted.get("input", ""), posted.get("switch", "")
    given = _of_text(schema, text, limit)
    if posted.get("mode") != FORM:
        return _to_form(given) if wanted == FORM else given
    was = given.value
    typed = schema_form.read(drawn, was, posted)
    if wanted == JSON:
        return _to_json(schema, drawn, typed.value, limit)
    if drawn != schema:
        # Another form: what cannot be read stands in it as it was typed.
        return of_value(schema, typed.value, limit)
    read = _of_text(schema, json_text.write(typed.value), limit)
    errors = {**_missing(schema, was, posted), **typed.errors}
    fields = tuple(schema_form.fields(schema, was, posted, errors))
    # The JSON stays what the form was drawn from.
    return _at_fields(replace(read, mode=FORM, text=given.text, fields=fields))


def _to_form(given: Input) -> Input:
    if given.refusal:
        return replace(given, note="The form shows it as soon as it can be read.")
    if not given.has_form:
        return replace(given, note="It is too long for the form.")
    return _at_fields(replace(given, mode=FORM))


def _to_json(schema: Any, drawn: Any, value: Any, limit: int) -> Input:
    """A form that nobody filled in becomes an example, which says more than empty JSON."""
    if value == input_schema.defaults(drawn):
        value = input_schema.example(schema)
    return _of_text(schema, json_text.write(value), limit)


def _of_text(schema: Any, text: str, limit: int) -> Input:
    text = text.replace("\r\n", "\n")
    # A text may be longer than what it says, but hardly by this much: parse nothing so large.
    if len(text.encode("utf-8", "replace")) > 2 * limit:
        return Input(text, refusal=f"The input is far longer than the limit of {limit:,} bytes.")
    try:
        value = json_text.read(text)
        bounded(value, limit, "The input")
    except json_text.JsonError as error:
        if error.line:
            refusal = f"The input is not JSON: {error}."
        else:
            refusal = f"The input cannot be stored: {error}."
        return Input(text, refusal=refusal, line=error.line, column=error.column,
                     fields=_form(schema, input_schema.defaults(schema)))  # fmt: skip
    except PayloadError as error:
        return Input(text, refusal=f"{error}.")
    is_short = len(text) <= _MOST_IN_FORM
    return Input(
        text,
        value,
        violations=tuple(input_schema.violations(schema, value, MAX_VIOLATIONS)),
        fields=_form(schema, value) if is_short else (),
        unshown=tuple(schema_form.unshown(schema, value)) if is_short else (),
    )


def _form(schema: Any, value: Any) -> tuple[FormField, ...]:
    """The fields, where that is more than one for JSON."""
    found = schema_form.fields(schema, value)
    return () if all(each.kind == "json" and not each.path for each in found) else tuple(found)


def _missing(schema: Any, was: Any, posted: Mapping[str, str]) -> dict[str, str]:
    """Needed texts that are empty: the schema takes “” for a text, who fills in a form hardly."""
    return {
        each.name: "This is needed."
        for each in schema_form.fields(schema, was)
        if each.is_required and each.kind in ("text", "long") and not posted.get(each.name)
    }


def _at_fields(given: Input) -> Input:
    """With what violates the schema said at the field where it is; the rest stays."""
    fields = list(given.fields)
    places = [schema_words.place(each.path) for each in fields]
    left = []
    for violation in given.violations:
        found = [n for n, place in enumerate(places) if _is_within(violation.path, place)]
        if not found:
            left.append(violation)
            continue
        field = fields[found[0]]
        if not field.error:
            words = f"{violation.path[len(places[found[0]]) :]} {violation.message}".strip()
            fields[found[0]] = replace(field, error=words[0].upper() + words[1:] + ".")
    return replace(given, fields=tuple(fields), violations=tuple(left))


def _is_within(path: str, place: str) -> bool:
    return bool(place) and (path == place or path.startswith((f"{place}.", f"{place}[")))
