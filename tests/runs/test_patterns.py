"""Patterns that people write: none takes long, wherever it stands."""

import pytest

from runs import input_schema, paths

# Python's own regular expressions would need longer than the universe has.
EVIL, TEXT = "^(a+)+$", "a" * 5_000 + "!"


@pytest.mark.parametrize(
    "path",
    [
        f"$.data.items[?@ =~ /{EVIL}/]",
        f"$.data.items[?match(@, '{EVIL}')]",
        f"$.data.items[?search(@, '{EVIL}')]",
        "$.data.items[?search(@, $.data.pattern)]",
    ],
)
def test_no_filter_of_a_path_takes_long(path):
    paths.check(path)
    with pytest.raises(LookupError):
        paths.resolve(path, {"data": {"items": [TEXT], "pattern": EVIL}})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("@ =~ /B.*/i", "bc"),
        ("match(@, 'b.')", "bc"),
        ("search(@, 'c')", "bc"),
    ],
)
def test_filters_find_what_they_say(condition, found):
    assert paths.resolve(f"$.data[?{condition}]", {"data": ["a", "bc", 5, None]}) == found


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(a)\\1"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern):
    with pytest.raises(paths.PathError):
        paths.check(f"$.data[?@ =~ /{pattern}/]")
    schema = {"properties": {"a": {"pattern": pattern}}}
    assert input_schema.complaint(schema).startswith("is not a JSON Schema")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": EVIL}, TEXT),
        ({"patternProperties": {EVIL: {"type": "null"}}, "additionalProperties": False}, {TEXT: 1}),
    ],
)
def test_no_schema_takes_long(schema, value):
    assert input_schema.complaint(schema) == ""
    assert input_schema.violation(schema, value) != ""


def test_pattern_properties_hold():
    schema = {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}
    assert input_schema.violation(schema, {"x1": 1}) == ""
    assert input_schema.violation(schema, {"x1": "a"}) != ""
    assert input_schema.violation(schema, {"y": 1}) != ""


def test_a_property_may_be_named_pattern():
    schema = {"properties": {"pattern": {"type": "string"}, "patternProperties": {"minimum": 1}}}
    assert input_schema.complaint(schema) == ""
