"""JSON by hand: a mistake has a line, what is written can be read again."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import json_text
from runs.json_text import JsonError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), inner
        )
    ),
    max_leaves=40,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_is_written_reads_as_the_same(value):
    text = json_text.write(value)
    assert json_text.read(text) == value
    assert json.loads(text) == value


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(JsonError):
        json_text.read(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{"a": 1\n "b": 2}', 2, 2, "a comma or a closing bracket"),
        ('{\n  "a": [1,\n  2,,]\n}', 3, 5, "a value is expected"),
        ("{a: 1}", 1, 2, "a name in double quotes"),
        ('{"a" 1}', 1, 6, "a colon"),
        ('{"a": "x}', 1, 7, "no closing quote"),
        ("", 1, 1, "a value"),
        ("{} {}", 1, 4, "goes on after its end"),
    ],
)
def test_a_syntax_error_has_its_line_and_column(text, line, column, words):
    with pytest.raises(JsonError, match=words) as caught:
        json_text.read(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "“a” stands twice"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("[1e999]", "too large"),
        ("9" * 5000, "too many digits"),
        ('["\\u0000"]', "NUL"),
        ('{"\\ud800": 1}', "half a character"),
        ("[" * 101 + "]" * 101, "levels deep"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_the_database_cannot_hold_is_refused_with_the_reason(text, words):
    with pytest.raises(JsonError, match=words):
        json_text.read(text)


def test_a_definition_is_written_in_the_order_a_reader_wants():
    stored = {
        "nodes": [{"needs": [], "id": "first", "executor": "a.b", "kind": "executor"}],
        "description": "What it is for.",
    }
    assert json_text.write(stored) == (
        "{\n"
        '  "description": "What it is for.",\n'
        '  "nodes": [{"id": "first", "kind": "executor", "executor": "a.b", "needs": []}]\n'
        "}"
    )


def test_what_does_not_fit_on_a_line_is_opened():
    text = json_text.write({"nodes": [{"id": "a" * 60, "needs": ["b" * 60]}]})
    assert max(map(len, text.splitlines())) <= 96
    assert text.count("\n") > 4


def test_a_long_definition_is_written_at_once():
    value = {"a": [[{"x" * 20: [number] * 5}] * 10 for number in range(400)]}
    assert json_text.read(json_text.write(value)) == value


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("[1, 2,\n]", "a comma stands before the closing bracket", (2, 1)),
        ('{"a": 1, }', "a comma stands before the closing bracket", (1, 10)),
        ("{'a': 1}", "double quotes, not in single ones", (1, 2)),
        ('{\n// a\n"a": 1}', "JSON has no comments", (2, 1)),
        ("[# a\n]", "JSON has no comments", (1, 2)),
        ("[]]", "the text goes on after its end", (1, 3)),
        ("[,]", "a value is expected here", (1, 2)),
    ],
)
def test_what_people_write_by_habit_is_told_in_words(text, said, place):
    with pytest.raises(json_text.JsonError, match=said) as caught:
        json_text.read(text)
    # Pythons differ in whether the comma or the bracket is meant.
    assert caught.value.line in (place[0], 1)


def test_a_name_that_stands_twice_is_found():
    text = '{"a": {"b": [{"c": 1}, {"c": "x\\"{"}]},\n  "b": 1,\n "a\\u0062": {"b": 2, "b" : 3}}'
    with pytest.raises(json_text.JsonError) as caught:
        json_text.read(text)
    assert str(caught.value) == "“b” stands twice in one object"
    assert (caught.value.line, caught.value.column) == (3, 22)
