"""Ids, payloads, paths and conditions."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection

from runs import arrays, conditions, ids, paths, payload

RUN = ids.encode("run", uuid.UUID("0193a5b2-7c4d-7e1f-8a9b-0c1d2e3f4a5b"))


@pytest.mark.parametrize(
    "text",
    ["", "run_", "x", RUN.replace("run_", "job_"), RUN[:-1], RUN + "0", RUN.upper(), RUN + "\n",
     "run_" + "8" + RUN[5:], "run_" + "é" * 26, "run_" + "\0" * 26],
)  # fmt: skip
def test_an_id_that_cannot_be_parsed_is_none(text):
    assert ids.decode("run", text) is None


def test_ids_go_there_and_back_and_run_and_job_share_the_suffix():
    value = ids.new_id()
    assert ids.decode("run", ids.encode("run", value)) == value
    assert ids.encode("run", value)[4:] == ids.encode("job", value)[4:]


def test_later_ids_sort_later():
    made = [ids.new_id() for _ in range(1000)]
    assert made == sorted(made)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), float("inf"), object(), b"x"])
def test_what_is_no_json_is_refused_with_a_reason(value):
    with pytest.raises(payload.PayloadError, match="not JSON"):
        payload.dump({"x": value})


def test_a_cycle_is_refused():
    ring = []
    ring.append(ring)
    with pytest.raises(payload.PayloadError):
        payload.dump(ring)


def test_nul_is_replaced_in_keys_and_values_but_an_escaped_one_stays():
    assert payload.dump({"a\0": ["b\0", "\\u0000"]}) == '{"a\ufffd":["b\ufffd","\\\\u0000"]}'


def test_size_is_counted_in_bytes():
    payload.bounded("é" * 4, 10, "x")
    with pytest.raises(
        payload.PayloadError, match="the input is 12 bytes of JSON; the limit is 10"
    ):
        payload.bounded("é" * 5, 10, "the input")


def nested(depth):
    """Lists, tuples and objects by turns, this many within each other."""
    value = "innermost"
    for level in range(depth):
        value = ([value], (value,), {"in": value})[level % 3]
    return value


def test_as_many_levels_as_the_limit_are_taken_and_one_more_is_refused():
    payload.bounded(nested(payload.MAX_DEPTH), 10_000, "x")
    payload.bounded([[]] * payload.MAX_DEPTH, 10_000, "x")
    payload.bounded("[" * 1_000, 10_000, "x")
    for depth in (payload.MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(
            payload.PayloadTooDeep, match="the input is nested more than 100 levels deep"
        ):
            payload.bounded(nested(depth), 10_000, "the input")


def test_what_is_taken_as_a_payload_fits_into_an_event():
    fits = nested(payload.MAX_DEPTH)
    assert payload.dump({"error": {"node": "a", "details": fits}})
    with pytest.raises(payload.PayloadTooDeep):
        payload.dump({"output": nested(payload.EVENT_DEPTH)})


CONTEXT = {"data": {"n": 7, "s": "7.50", "tags": ["a", "b"]}, "nodes": {"x": {"output": None}}}


def holds(**condition):
    conditions.check(condition)
    return conditions.holds(condition, lambda path: paths.resolve(path, CONTEXT))


def test_conditions():
    assert holds(value="$.data.n", equals=7)
    assert holds(value="$.data.s", greater_than=7)
    assert not holds(value="$.data.s", less_than="7.5")
    assert holds(value="$.data.tags[0]", **{"in": ["a", "z"]})
    assert holds(value="$.data.nowhere", exists=False)
    assert not holds(value="$.data.nowhere", equals=None)
    assert holds(value="$.nodes.x.output", equals=None)
    is_eight = {"value": "$.data.n", "equals": 8}
    assert holds(all=[{"value": "$.data.n", "equals": 7}, {"not": is_eight}])
    assert not holds(value="$.data.n", equals=True)
    assert not holds(any=[{"value": "$.data.n", "equals": 8}])
    assert not holds(value="$.data.tags", greater_than=1)


@pytest.mark.parametrize(
    "bad",
    [None, {}, {"value": "$.data.x"}, {"value": "x", "equals": 1}, {"all": []}, {"all": [], "x": 1},
     {"value": "$.data.x", "equals": 1, "in": []}, {"value": "$.data.x", "in": 3}, {"not": 3},
     {"value": "$.else.x", "equals": 1}],
)  # fmt: skip
def test_bad_conditions_are_refused(bad):
    with pytest.raises((conditions.ConditionError, paths.PathError)):
        conditions.check(bad)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ["", "NULL", "null", 'a "b"', "back\\slash", "{a,b}", " c ", "é\n\t", None, "'"]),
        ("bigint", [0, -1, None, 2**62]),
        ("uuid", [ids.new_id(), None]),
        ("numeric", [Decimal("1E-10"), Decimal("12.3400"), None]),
        ("timestamptz", [datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), None]),
    ],
)
def test_array_literals_come_back_as_they_went(kind, values):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [arrays.literal(values)])
        assert cursor.fetchone()[0] == values
