"""An input as a form or as JSON: what was typed is never lost, and problems stand at fields."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import schema_input

LIMIT = 1_000_000
SCHEMA = {
    "type": "object",
    "required": ["document"],
    "additionalProperties": True,
    "properties": {
        "document": {"type": "string", "pattern": "\\.pdf$"},
        "pages": {"type": "integer", "minimum": 1, "default": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "array", "items": {"type": "object", "required": ["amount"]}},
        "supplier": {
            "type": "object", "title": "Supplier",
            "properties": {"name": {"type": "string"}, "vat": {"type": "string"}},
        },
    },
}  # fmt: skip


def posted(shown, **typed):
    """What a browser sends of an input as it is shown."""
    sent = {"mode": shown.mode, "input": shown.text}
    if shown.is_form:
        for each in shown.fields:
            if each.kind != "flag" or each.is_checked:
                sent[each.name] = each.text
    return sent | {f"value.{name}".replace("__", "."): text for name, text in typed.items()}


def read(shown, switch="", schema=SCHEMA, **typed):
    sent = posted(shown, **typed) | ({"switch": switch} if switch else {})
    return schema_input.read(sent, schema, LIMIT)


def errors(shown):
    return {each.name.removeprefix("value."): each.error for each in shown.fields if each.error}


def test_it_begins_as_a_form_with_defaults_and_without_complaints():
    shown = schema_input.begin(SCHEMA, LIMIT)
    assert shown.is_form
    assert (shown.value, shown.is_sound) == ({"pages": 1}, True)
    assert {each.name: each.group for each in shown.fields}["value.supplier.vat"] == "Supplier"


@pytest.mark.parametrize("schema", [{}, True, {"type": "object"}, {"type": "array"}, {"$ref": "#"}])
def test_what_has_no_fields_is_shown_as_json_only(schema):
    shown = schema_input.begin(schema, LIMIT)
    assert not shown.is_form
    assert not shown.has_form


def test_a_form_that_is_filled_in_becomes_the_value():
    shown = read(
        schema_input.begin(SCHEMA, LIMIT), document="a.pdf", tags="x\r\n\r\n y ", supplier__vat="1"
    )
    assert shown.is_sound
    assert shown.value == {
        "document": "a.pdf", "pages": 1, "tags": ["x", "y"], "supplier": {"vat": "1"},
    }  # fmt: skip


def test_what_is_wrong_is_said_at_its_field():
    shown = read(
        schema_input.begin(SCHEMA, LIMIT), document="", pages="0", lines='[{"amount": 1}, {}]'
    )
    assert errors(shown) == {
        "document": "This is needed.",
        "pages": "Must be at least 1, not 0.",
        "lines": "[1].amount is missing.",
    }
    assert not shown.is_sound
    assert shown.violations == ()


def test_switching_carries_over_what_was_typed_and_back():
    begun = schema_input.begin(SCHEMA, LIMIT)
    as_json = read(begun, "json", document="b.pdf", pages="many", lines="[", tags="p\nq")
    assert (as_json.mode, as_json.is_switched) == ("json", True)
    assert json.loads(as_json.text) == {
        "document": "b.pdf", "pages": "many", "lines": "[", "tags": ["p", "q"],
    }  # fmt: skip
    again = read(as_json, "form")
    assert again.mode == "form"
    shown = {each.name: each.text for each in again.fields}
    assert shown["value.document"] == "b.pdf"
    assert shown["value.pages"] == '"many"'
    assert errors(again).keys() == {"pages", "lines"}


def test_json_that_cannot_be_read_stays_json_and_says_why():
    begun = schema_input.begin(SCHEMA, LIMIT)
    broken = {"mode": "json", "input": '{"document": ', "switch": "form"}
    shown = schema_input.read(broken, SCHEMA, LIMIT)
    assert (shown.mode, shown.text, shown.line) == ("json", '{"document": ', 1)
    assert shown.note
    assert begun.has_form
    assert shown.has_form


def test_the_button_of_the_mode_that_is_shown_does_not_count_as_given():
    assert read(schema_input.begin(SCHEMA, LIMIT), "form", document="a.pdf").is_switched


def test_an_untouched_form_becomes_an_example_in_json():
    shown = read(schema_input.begin(SCHEMA, LIMIT), "json")
    assert json.loads(shown.text) == {"document": "", "pages": 1}


def test_what_the_form_does_not_show_is_kept_and_named():
    value = {"document": "a.pdf", "since": 1990, "a.b": 1, "supplier": {"name": "M", "rank": 3}}
    shown = schema_input.of_value(SCHEMA, value, LIMIT)
    assert shown.unshown == ("a.b", "since", "supplier.rank")
    assert read(shown, supplier__name="N").value == {
        **value, "supplier": {"name": "N", "rank": 3},
    }  # fmt: skip


def test_a_form_drawn_from_another_schema_is_read_by_that_one():
    other = {"type": "object", "properties": {"document": {"type": "integer"}}}
    sent = posted(schema_input.begin(SCHEMA, LIMIT), document="5", pages="2")
    shown = schema_input.read(sent, other, LIMIT, drawn=SCHEMA)
    assert shown.value == {"document": "5", "pages": 2}
    assert errors(shown) == {"document": "Must be a whole number, not text."}
    assert shown.unshown == ("pages",)


def test_references_and_optional_kinds_have_fields():
    schema = {
        "type": "object",
        "$defs": {"Level": {"enum": ["low", "high"], "title": "Level"}},
        "properties": {
            "level": {"$ref": "#/$defs/Level"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "count": {"type": ["integer", "null"]},
            "sure": {"type": "boolean"},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
    }
    shown = schema_input.begin(schema, LIMIT)
    kinds = {each.path[0]: each.kind for each in shown.fields}
    assert kinds == {
        "level": "choice", "note": "text", "count": "number", "sure": "choice", "either": "json",
    }  # fmt: skip
    assert read(shown, schema=schema).value == {"note": None}
    typed = read(shown, schema=schema, level='"high"', count="3", sure="false", either="7")
    assert typed.value == {"level": "high", "note": None, "count": 3, "sure": False, "either": 7}
    assert typed.is_sound


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("ab \n.\"", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab."), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
SCHEMAS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(
            st.sampled_from(["a", "b", "ab", "document"]),
            st.sampled_from(
                [
                    {"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "array"},
                    {"type": ["string", "null"]}, {"enum": ["a", "b", 1]}, {},
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
                ]
            ),
            min_size=1,
        ),
        "required": st.lists(st.sampled_from(["a", "b"]), max_size=2),
    }
)  # fmt: skip


@settings(max_examples=60)
@given(SCHEMAS, st.dictionaries(st.sampled_from(["a", "b", "ab", "x"]), JSON))
def test_whatever_the_input_is_the_form_gives_it_back_and_the_json_too(schema, value):
    shown = schema_input.of_value(schema, value, LIMIT)
    if not shown.is_form:
        return
    back = read(shown, "json", schema=schema)
    expected = dict(value)
    for name, part in schema["properties"].items():
        # What must be given is: an empty field of a text, a list, or a box that is not ticked.
        if name in schema["required"] and name not in value:
            empty = {"string": "", "boolean": False}.get(str(part.get("type")))
            if part.get("type") == "array" and "items" in part:
                empty = []
            if empty is not None:
                expected[name] = empty
            elif part.get("type") == ["string", "null"]:
                expected[name] = None
    if value == {}:
        return
    assert json.dumps(back.value, sort_keys=True) == json.dumps(expected, sort_keys=True)
