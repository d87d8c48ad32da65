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
    assert input_schema.violation(schema, {"x": 1}) == "x must be text, not a number"


def test_an_endless_schema_is_a_violation_not_an_error():
    assert input_schema.violation({"$ref": "#"}, {}) == "the schema refers to itself without end"
    assert len(input_schema.violations({"$ref": "#"}, {}, 5)) == 1


@pytest.mark.parametrize("schema", [5, [], "x", {"type": "nonsense"}, {"pattern": "("}])
def test_what_is_no_schema_is_said(schema):
    assert input_schema.complaint(schema).startswith("is not a JSON Schema")


def test_all_violations_are_said_with_their_place_up_to_a_number():
    found = input_schema.violations(DOCUMENT, {"document": 5, "pages": "x", "y": 1}, 20)
    assert {str(violation) for violation in found} == {
        "document must be text, not a number",
        "pages must be a whole number or null, not text",
        "mode is missing",
        "y is not a known field",
    }
    assert len(input_schema.violations(DOCUMENT, {"document": 5, "y": 1}, 2)) == 2


def test_a_violation_does_not_quote_a_large_value_in_full():
    (found,) = input_schema.violations({"const": 1}, "x" * 10_000, 5)
    assert len(str(found)) < 120
    assert "xxx … xxx" in str(found)


LINES = {"properties": {"lines": {"items": {"properties": {"amount": {"minimum": 0}}}}}}
DEEP = {"a" * 100: {"properties": {"b" * 150: {"type": "string"}}}}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": "object"}, "a", "the input must be an object, not text"),
        ({"type": ["array", "null"]}, {}, "the input must be a list or null, not an object"),
        ({"type": "boolean"}, None, "the input must be true or false, not null"),
        ({"type": "number"}, True, "the input must be a number, not true"),
        ({"type": "integer"}, 2.5, "the input must be a whole number, not 2.5"),
        ({"type": "integer"}, [1], "the input must be a whole number, not a list"),
        ({"required": ["a"]}, {}, "a is missing"),
        (
            {"dependentRequired": {"iban": ["bic"]}},
            {"iban": 1},
            "bic is missing; it goes with iban",
        ),
        ({"enum": ["a", 2, None]}, "b", "the input must be one of “a”, 2, null, not “b”"),
        ({"enum": [{"a": 1}]}, {}, 'the input must be {"a": 1}, not an object'),
        (
            {"enum": list(range(20))},
            20,
            "must be one of 0, 1, 2, 3, 4, 5, 6, 7 and 12 more, not 20",
        ),
        ({"const": "a"}, 5, "the input must be “a”, not 5"),
        (LINES, {"lines": [{}, {"amount": -5}]}, "lines[1].amount must be at least 0, not -5"),
        ({"maximum": 9.5}, 10, "the input must be at most 9.5, not 10"),
        ({"exclusiveMinimum": 0}, 0, "the input must be more than 0, not 0"),
        ({"exclusiveMaximum": 5}, 7, "the input must be less than 5, not 7"),
        ({"multipleOf": 5}, 7, "the input must be a multiple of 5, not 7"),
        ({"minLength": 1}, "", "the input must not be empty"),
        ({"minLength": 3}, "ab", "the input must have at least 3 characters, not 2"),
        ({"maxLength": 1}, "ab", "the input must have at most 1 character, not 2"),
        ({"minItems": 2}, [], "the input must have at least 2 items, not 0"),
        ({"maxItems": 1}, [1, 2], "the input must have at most 1 item, not 2"),
        ({"minProperties": 1}, {}, "the input must not be empty"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "the input must have at most 1 field, not 2"),
        ({"pattern": "^a+$"}, "bb", "the input must match ^a+$, which “bb” does not"),
        ({"uniqueItems": True}, [1, 1], "the input must not hold the same item twice"),
        ({"contains": {"type": "null"}}, [1], "the input holds no item of the form"),
        ({"contains": True, "minContains": 2}, [1], "the input holds too few items of the form"),
        (
            {"contains": True, "maxContains": 1},
            [1, 2],
            "the input holds too many items of the form",
        ),
        ({"prefixItems": [True], "items": False}, [1, 2], "has more items than are possible here"),
        ({"unevaluatedItems": False}, [1], "has more items than are possible here"),
        ({"unevaluatedProperties": False}, {"a": 1}, "the input has fields that are not known"),
        ({"additionalProperties": False}, {"a b": 1}, '["a b"] is not a known field'),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "ab has a name that is not allowed"),
        ({"anyOf": [{"minimum": 3}, {"multipleOf": 2}]}, 1, "fits none of the forms that are"),
        ({"oneOf": [{"minimum": 3}, {"multipleOf": 2}]}, 1, "fits none of the forms that are"),
        ({"oneOf": [True, True]}, 1, "fits more than one of the forms that are possible here"),
        ({"not": {"type": "number"}}, 1, "the input has a form that is not allowed"),
        (False, "a", "the input has something that is not allowed: “a”"),
        ({"properties": DEEP}, {"a" * 100: {"b" * 150: 1}}, "aaa … bbb"),
    ],
)
def test_a_violation_is_said_in_plain_words(schema, value, said):
    assert input_schema.complaint(schema) == ""
    (found,) = input_schema.violations(schema, value, 5)
    assert said in str(found)
    assert len(str(found)) < 300


def test_the_violation_that_says_most_is_in_plain_words_too():
    schema = {"properties": {"day": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    assert "day" in input_schema.violation(schema, {"day": 5})
    assert "'" not in input_schema.violation(schema, {"day": 5})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (5, "it must be an object or true or false, not a number"),
        ({"required": "a"}, "required must be a list, not text"),
        ({"minLength": -1}, "minLength must be at least 0, not -1"),
        ({"pattern": "("}, "pattern must be a regular expression, not “(”"),
    ],
)
def test_what_is_wrong_with_a_schema_is_said_in_the_same_words(schema, said):
    assert input_schema.complaint(schema) == f"is not a JSON Schema: {said}"


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
