"""How an error is written into the log: kind, message, and a trace that can be read."""

from runs.engine.errors import TRACE_LIMIT, describe


class MismatchError(Exception):
    pass


def check(found, stated):
    raise MismatchError(
        "line items sum to "
        f"{found}, document says {stated}",
    )  # fmt: skip


def caught(act, *args):
    try:
        act(*args)
    except Exception as error:
        return describe(error)
    raise AssertionError("nothing was raised")


def test_a_statement_of_several_lines_stands_in_the_trace_whole():
    error = caught(check, 3, 4)
    assert error["kind"] == "MismatchError"
    assert error["message"] == "line items sum to 3, document says 4"
    frame = error["trace"].split("\nengine/")[0]
    assert frame.startswith("engine/test_errors.py:")
    assert frame.split("\n")[1:] == [
        "  > raise MismatchError(",
        '        "line items sum to "',
        '        f"{found}, document says {stated}",',
        "    )  # fmt: skip",
    ]


def test_the_line_that_failed_is_marked_in_its_statement():
    def add(values):
        return sum(
            [
                values["a"],
                values["b"],
            ]
        )

    lines = caught(add, {"a": 1})["trace"].split("\n")
    assert [line for line in lines if line.startswith("  > ")] == ['  >         values["b"],']
    assert lines[1] == "    return sum("


def test_a_statement_of_one_line_has_no_mark():
    def divide(number):
        return 1 / number

    assert caught(divide, 0)["trace"].split("\n")[1] == "    return 1 / number"


def test_the_error_behind_an_error_is_told_after_it():
    def read(values):
        try:
            return values["total"]
        except KeyError as error:
            raise MismatchError("no total") from error

    trace = caught(read, {})["trace"]
    assert trace.index("raise MismatchError") < trace.index("caused by KeyError: 'total'")
    assert trace.index("caused by") < trace.index('return values["total"]')


def test_what_was_hidden_on_purpose_stays_hidden():
    def read(values):
        try:
            return values["total"]
        except KeyError:
            raise MismatchError("no total") from None

    assert "KeyError" not in caught(read, {})["trace"]


def test_a_head_of_a_block_does_not_bring_its_body_along():
    def look(values):
        for each in values["rows"]:
            print(each)
            print(each)

    trace = caught(look, {})["trace"]
    assert 'for each in values["rows"]:' in trace
    assert "print" not in trace


def test_a_trace_without_sources_and_a_deep_one_are_bounded():
    def fall(depth):
        if depth:
            fall(depth - 1)
        exec("raise ValueError('from nowhere')")

    error = caught(fall, 300)
    assert len(error["trace"]) <= TRACE_LIMIT
    assert "<string>:1" in error["trace"]
