"""Where a value ends that cannot be read: found rightly, and in few steps whatever is sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.ingest import body

JSON = st.recursive(
    st.one_of(st.integers(), st.text(st.sampled_from('a"\\[]{},ü\n'), max_size=6), st.none()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from('a"\\[]{}'), max_size=3), inner, max_size=4)
    ),
    max_leaves=30,
)
DEEP = b"[" * 1_200 + b"]" * 1_200


@given(value=JSON, rest=st.text(st.sampled_from('[]{}", a\\'), max_size=9))
def test_a_value_ends_where_its_bracket_is_closed(value, rest):
    for text in (json.dumps([value]), json.dumps({"a": [value, {}]}, separators=(",", ":"))):
        assert body._Window(text + rest)._closing(0) == len(text)
        assert body._Window(text[:-1])._closing(0) is None


@pytest.fixture
def steps(monkeypatch):
    """Counts what is looked at to find where values end."""
    counted = []

    class Counting:
        def finditer(self, *args):
            for found in structure.finditer(*args):
                counted.append(None)
                yield found

    structure = body._STRUCTURE
    monkeypatch.setattr(body, "_STRUCTURE", Counting())
    return counted


@pytest.mark.parametrize(
    "content",
    [
        b"[" * body.MAX_BYTES,
        b"[{" * (body.MAX_BYTES // 2),
        b'[{"a":' * (body.MAX_BYTES // 6),
        b'["' * (body.MAX_BYTES // 2),
        b"[" + b",".join([b"[" * 1_200 + b"[[]]," * 600_000 + b"[]" + b"]" * 1_200] * 3) + b"]",
        b"[" + b",".join([b'[{"a":' * 1_200 + b"1" + b"}]" * 1_200] * 1_000) + b"]",
    ],
)
def test_a_body_full_of_brackets_is_refused_in_few_steps(steps, content):
    with pytest.raises(body.BadBody):
        list(body.array(body.decoded(content[: body.MAX_BYTES])))
    assert len(steps) <= body.MAX_STEPS + 1


def test_deep_values_are_refused_one_by_one_in_few_steps(steps):
    content = b"[" + b",".join([DEEP, b'{"a":1}'] * 4_000) + b"]"
    found = list(body.array(body.decoded(content)))
    assert sum(isinstance(each, body.NotAnEvent) for each in found) == 4_000
    assert [each for each in found if isinstance(each, dict)] == [{"a": 1}] * 4_000
    assert len(steps) <= 8_000
