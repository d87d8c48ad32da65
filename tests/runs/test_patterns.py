"""Patterns and paths that people write: none takes long or breaks what follows it."""

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


NUMBERS = list(range(2_000))
ROWS = [[[0] * 50] * 50] * 50
DEEP: dict = {}
for _ in range(90):
    DEEP = {"down": DEEP, "n": 1}


@pytest.mark.parametrize(
    "path",
    [
        "$.data.deep..*..*..*..*",
        "$.data.deep..down..down..down..nothing",
        "$.data.rows[?@[?@[?@ == -1]]]",
        "$.data.numbers[?@ in $.data.numbers]",
    ],
)
def test_a_path_is_not_followed_for_ever(path, monkeypatch):
    monkeypatch.setattr(paths, "MAX_STEPS", 50_000)
    paths.check(path)
    with pytest.raises(LookupError, match="takes too long"):
        paths.resolve(path, {"data": {"numbers": NUMBERS, "rows": ROWS, "deep": DEEP}})


def test_a_long_list_is_gone_through_to_its_end():
    items = [{"n": number} for number in range(50_000)]
    assert paths.resolve("$.data[*].n", {"data": items})[-1] == 49_999
    assert paths.resolve("$.data[?@.n > 49997].n", {"data": items}) == [49_998, 49_999]


@pytest.mark.parametrize(
    "path",
    [
        "$.data.list[?typeof(@) == 'x']",
        "$.data.list[?@ in $.data.text]",
        "$.data[?@ contains @]",
        "$.data" + ".a" * 3_000,
    ],
)
def test_what_a_path_was_not_made_for_leads_to_nothing(path):
    paths.check(path)
    with pytest.raises(LookupError):
        paths.resolve(path, {"data": {"list": [1], "text": "abc", "object": {}}})


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
