"""Input schemas: they refer to nothing outside themselves; an input's faults are all said."""

import pytest

from runs import graph, input_schema
from runs.graph import DefinitionError

DOCUMENT = {
    "type": "object",
    "properties": {
        "document": {"type": "string", "description": "A key.", "default": "a.pdf"},
        "pages": {"type": ["integer", "null"]},
        "mode": {"enum": ["fast", "good"], "title": "How"},
    },
    "required": ["document", "mode"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "reference",
    [
        "#/nowhere",
        "file:///etc/hostname",
        "http://127.0.0.1:9/schema.json",
        "other.json",
        "http://[",
    ],
)
def test_a_schema_that_refers_outside_itself_is_refused(reference):
    schema = {"properties": {"a": {"$ref": reference}}}
    assert "does not stand in it" in input_schema.complaint(schema)
    with pytest.raises(DefinitionError, match="does not stand in it"):
        graph.parse(
            {"nodes": [{"id": "a", "kind": "executor", "executor": "x"}], "input_schema": schema}
        )


def test_a_stored_schema_that_refers_to_a_file_does_not_read_it(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text('{"required": ["secret"]}')
    schema = {"$ref": file.as_uri()}
    assert "does not stand in it" in input_schema.violation(schema, {})
    assert "secret" not in str(input_schema.violations(schema, {}, 5))


def test_a_schema_may_refer_to_its_own_parts():
    schema = {"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}
    assert input_schema.complaint(schema) == ""
    assert input_schema.violation(schema, {"x": 1}) == "x: 1 is not of type 'string'"


def test_an_endless_schema_is_a_violation_not_an_error():
    assert input_schema.violation({"$ref": "#"}, {}) == "the schema refers to itself without end"
    assert len(input_schema.violations({"$ref": "#"}, {}, 5)) == 1


@pytest.mark.parametrize("schema", [5, [], "x", {"type": "nonsense"}, {"pattern": "("}])
def test_what_is_no_schema_is_said(schema):
    assert input_schema.complaint(schema).startswith("is not a JSON Schema")


def test_all_violations_are_said_with_their_place_up_to_a_number():
    found = input_schema.violations(DOCUMENT, {"document": 5, "pages": "x", "y": 1}, 20)
    assert {violation.path for violation in found} == {"", "document", "pages"}
    assert len(input_schema.violations(DOCUMENT, {"document": 5, "y": 1}, 2)) == 2


def test_a_violation_does_not_quote_a_large_value_in_full():
    (found,) = input_schema.violations({"type": "string"}, ["x" * 10_000], 5)
    assert len(str(found)) < 400


def test_an_example_fits_the_schema():
    value = input_schema.example(DOCUMENT)
    assert value == {"document": "a.pdf", "mode": "fast"}
    assert input_schema.violation(DOCUMENT, value) == ""


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {}),
        (True, {}),
        ({"type": "array"}, []),
        ({"type": "string", "examples": ["a"]}, "a"),
        ({"const": 3}, 3),
        ({"type": ["null", "string"]}, None),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 0}),
    ],
)
def test_an_example_is_made_of_what_the_schema_says(schema, value):
    assert input_schema.example(schema) == value


def test_fields_are_listed_for_a_person():
    document, pages, mode = input_schema.fields(DOCUMENT)
    assert (document.name, document.type, document.is_required) == ("document", "string", True)
    assert document.description == "A key."
    assert (pages.type, pages.is_required) == ("integer or null", False)
    assert (mode.type, mode.description) == ("one of fast, good", "How")
    assert input_schema.fields(True) == []
