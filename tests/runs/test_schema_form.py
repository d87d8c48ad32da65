"""Forms made from a JSON Schema, and the values typed into them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from runs import schema_form

SCHEMA = {
    "type": "object",
    "required": ["total", "currency"],
    "properties": {
        "total": {"type": "number", "title": "Total"},
        "count": {"type": "integer"},
        "currency": {"enum": ["EUR", "USD"]},
        "due": {"type": "string", "format": "date"},
        "note": {"type": "string"},
        "paid": {"type": "boolean"},
        "lines": {"type": "array"},
        "supplier": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "vat": {"type": "string"}},
        },
    },
}
VALUE = {
    "total": 12.5, "currency": "EUR", "paid": True, "lines": [{"a": 1}],
    "supplier": {"name": "Müller", "since": 1990}, "unknown": "kept",
}  # fmt: skip


def posted(schema, value):
    """What a browser sends of the form as it stands."""
    shown = {}
    for field in schema_form.fields(schema, value):
        if field.kind == "flag":
            if field.is_checked:
                shown[field.name] = "true"
        else:
            shown[field.name] = field.text
    return shown


def test_each_plain_property_has_a_field_and_the_needed_ones_come_first():
    found = schema_form.fields(SCHEMA, VALUE)
    kinds = {".".join(field.path): field.kind for field in found}
    assert kinds == {
        "total": "number", "count": "number", "currency": "choice", "due": "text", "note": "text",
        "paid": "flag", "lines": "json", "supplier.name": "text", "supplier.vat": "text",
    }  # fmt: skip
    assert [field.is_required for field in found] == sorted(
        (field.is_required for field in found), reverse=True
    )
    assert {(field.group, field.label) for field in found} >= {("", "Total"), ("supplier", "vat")}


def test_a_form_that_is_sent_unchanged_changes_nothing():
    typed = schema_form.read(SCHEMA, VALUE, posted(SCHEMA, VALUE))
    assert (typed.value, typed.errors) == (VALUE, {})


def test_what_is_typed_becomes_a_value_of_its_type():
    changed = posted(SCHEMA, VALUE) | {
        "value.total": "99", "value.count": "3", "value.currency": '"USD"', "value.note": "a\r\nb",
        "value.lines": "[]", "value.supplier.name": "Meier",
    }  # fmt: skip
    del changed["value.paid"]
    assert schema_form.read(SCHEMA, VALUE, changed).value == {
        "total": 99, "count": 3, "currency": "USD", "note": "a\nb", "paid": False, "lines": [],
        "supplier": {"name": "Meier", "since": 1990}, "unknown": "kept",
    }  # fmt: skip


def test_what_cannot_be_read_is_said_at_its_field_and_shown_again():
    bad = posted(SCHEMA, VALUE) | {
        "value.total": "twelve", "value.count": "1.5", "value.lines": "[", "value.currency": "EUR",
    }  # fmt: skip
    typed = schema_form.read(SCHEMA, VALUE, bad)
    assert set(typed.errors) == {"value.total", "value.count", "value.lines", "value.currency"}
    again = {f.name: f for f in schema_form.fields(SCHEMA, VALUE, bad, typed.errors)}
    assert (again["value.total"].text, again["value.total"].error) == (
        "twelve", "Give a number, such as 12.50.",
    )  # fmt: skip
    assert again["value.paid"].is_checked


def test_a_schema_without_properties_is_one_field():
    (field,) = schema_form.fields({"type": "string"}, "abc")
    assert (field.kind, field.text) == ("text", "abc")
    assert schema_form.read({"type": "string"}, "abc", {field.name: "d"}).value == "d"
    (field,) = schema_form.fields({}, [1])
    assert schema_form.read({}, [1], {field.name: "[2]"}).value == [2]


# What can be stored.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON, st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), JSON))
def test_whatever_the_value_is_a_form_shows_it_and_gives_it_back(other, value):
    value = {"other": other, **value}
    typed = schema_form.read(SCHEMA, value, posted(SCHEMA, value))
    # Only where the value did not fit its field before.
    unfit = set()
    if isinstance(value.get("count"), float):
        unfit.add("value.count")
    if value.get("currency") not in ("EUR", "USD"):
        unfit.add("value.currency")
    assert set(typed.errors) <= unfit
    # What is no choice, no text or empty cannot be told from nothing; the rest stays as it was.
    kept = {k: v for k, v in value.items() if k in ("other", "lines")}
    assert {k: json.dumps(typed.value.get(k)) for k in kept} == {
        k: json.dumps(v) for k, v in kept.items()
    }
