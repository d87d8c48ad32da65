"""What goes over HTTP, without any."""

import asyncio
import json

import pytest

from runs.api.trpc import wire
from runs.api.trpc.wire import CODES, Answer, Call, Failure


def test_a_single_call_has_the_whole_input():
    assert wire.calls("runs.get", {"0": 1}, batch=False) == [Call("runs.get", {"0": 1})]


def test_a_batchs_inputs_stand_at_the_calls_places():
    given = {"0": {"id": "a"}, "2": 3}
    assert wire.calls("x,y,z", given, batch=True) == [
        Call("x", {"id": "a"}),
        Call("y", None),
        Call("z", 3),
    ]
    assert wire.calls("x", None, batch=True) == [Call("x", None)]


@pytest.mark.parametrize("given", [[], "text", 1, True, {"1": {}}, {"-1": {}}, {"00": {}}])
def test_input_that_belongs_to_no_call_is_refused(given):
    with pytest.raises(Failure) as refused:
        wire.calls("x", given, batch=True)
    assert refused.value.code == "BAD_REQUEST"


def test_a_batch_is_bounded():
    path = ",".join(["x"] * wire.MOST_CALLS)
    assert len(wire.calls(path, None, batch=True)) == wire.MOST_CALLS
    with pytest.raises(Failure):
        wire.calls(path + ",x", None, batch=True)
    with pytest.raises(Failure):
        wire.calls("," * 100_000, None, batch=True)


@pytest.mark.parametrize("text", ["{", "nonsense", "NaN", '{"a": 1, "a": 2}', '"\\u0000"', "1e999"])
def test_an_input_that_is_no_json_is_refused(text):
    with pytest.raises(Failure) as refused:
        wire.read_input(text)
    assert refused.value.code == "BAD_REQUEST"


def test_an_empty_input_is_none():
    assert wire.read_input("") is None


def test_every_code_has_a_status_of_its_own():
    assert len(wire.CODE_OF_STATUS) == len(CODES)


def test_an_error_has_tRPCs_shape():  # noqa: N802
    answer = wire.error(Failure("CONFLICT", "No.", state="active"), "runs.retry")
    assert answer.status == 409
    assert json.loads(answer.body) == {
        "error": {
            "message": "No.",
            "code": -32009,
            "data": {
                "code": "CONFLICT",
                "httpStatus": 409,
                "path": "runs.retry",
                "state": "active",
            },
        }
    }


def test_a_batch_has_the_status_that_all_have_or_says_that_there_are_several():
    good, bad = Answer(200, (b"1",)), Answer(404, (b"2",))
    for answers, status, body in (
        ([good, good], 200, b"[1,1]"),
        ([bad, bad], 404, b"[2,2]"),
        ([good, bad], 207, b"[1,2]"),
    ):
        batch = wire.batch(answers)
        assert (batch.status, batch.body) == (status, body)


def test_a_stream_of_answers():
    head = json.loads(wire.stream_head(2))
    assert head == {"0": [[0], [None, 0, 0]], "1": [[0], [None, 0, 1]]}
    line = wire.stream_line(1, wire.result({"a": "ü\n"})).body
    assert line.count(b"\n") == 1
    assert json.loads(line) == [1, 0, [[{"result": {"data": {"a": "ü\n"}}}]]]


def test_json_that_comes_in_parts_is_passed_on_in_one_line():
    async def parts():
        yield '{"a":\n '
        yield '"\\n"}\n'

    async def gathered(answer):
        return b"".join([piece async for piece in answer.lines()])

    answer = wire.result(wire.JsonParts(parts()))
    assert not answer.is_ready
    whole = asyncio.run(gathered(wire.batch([wire.result(1), answer])))
    assert whole == b'[{"result":{"data":1}},{"result":{"data":{"a":  "\\n"} }}]'


def test_a_streams_frame_loses_its_name_only():
    assert wire.as_message(b"id: 5\nevent: log\ndata: {}\n\n") == b"id: 5\ndata: {}\n\n"
