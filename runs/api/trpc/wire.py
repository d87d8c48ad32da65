"""tRPC 11 over HTTP: the calls of a request, their answers, the frames of a stream. Pure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from runs import json_text

# The number and the HTTP status of each error that is sent.
CODES = {
    "BAD_REQUEST": (-32600, 400),
    "UNAUTHORIZED": (-32001, 401),
    "FORBIDDEN": (-32003, 403),
    "NOT_FOUND": (-32004, 404),
    "METHOD_NOT_SUPPORTED": (-32005, 405),
    "CONFLICT": (-32009, 409),
    "PAYLOAD_TOO_LARGE": (-32013, 413),
    "UNSUPPORTED_MEDIA_TYPE": (-32015, 415),
    "UNPROCESSABLE_CONTENT": (-32022, 422),
    "TOO_MANY_REQUESTS": (-32029, 429),
    "INTERNAL_SERVER_ERROR": (-32603, 500),
    "SERVICE_UNAVAILABLE": (-32603, 503),
}
CODE_OF_STATUS = {status: code for code, (_, status) in CODES.items()}
# Calls in one request at most.
MOST_CALLS = 50
MULTI_STATUS = 207


class Failure(Exception):  # noqa: N818  (an answer, not an error)
    """What a call, or a whole request, failed with; `more` are members of the error's data."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.more = more

    @property
    def status(self) -> int:
        return CODES[self.code][1]

    def shape(self, path: str | None = None) -> dict[str, Any]:
        number, status = CODES[self.code]
        where = {} if path is None else {"path": path}
        data = {"code": self.code, "httpStatus": status, **where, **self.more}
        return {"message": str(self), "code": number, "data": data}


class Call(NamedTuple):
    path: str
    # None where none was given.
    input: Any


class Answer(NamedTuple):
    status: int
    pieces: tuple[bytes | JsonParts, ...]

    @property
    def is_ready(self) -> bool:
        return all(isinstance(piece, bytes) for piece in self.pieces)

    @property
    def body(self) -> bytes:
        """Of one that is ready."""
        return b"".join(self.pieces)  # type: ignore[arg-type]

    async def lines(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, JsonParts):
                async for line in piece.lines():
                    yield line
            else:
                yield piece


class JsonParts:
    """A result that comes as pieces of JSON; together they may be larger than memory."""

    def __init__(self, parts: AsyncIterator[str]) -> None:
        self._parts = parts

    async def lines(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            # On one line: in JSON a line break is never more than space between two words.
            yield part.replace("\n", " ").encode()


def calls(path: str, given: Any, *, batch: bool) -> list[Call]:
    """What a request asks for. In a batch `given` has each call's input by its place."""
    if not batch:
        return [Call(path, given)]
    paths = path.split(",")
    if len(paths) > MOST_CALLS:
        raise Failure("BAD_REQUEST", f"A batch has {MOST_CALLS} calls at most.")
    inputs = {} if given is None else given
    if not isinstance(inputs, dict):
        raise Failure("BAD_REQUEST", "The input of a batch is an object of the calls' inputs.")
    if unknown := inputs.keys() - {str(place) for place in range(len(paths))}:
        name = min(unknown)[:64]
        raise Failure("BAD_REQUEST", f"The batch has no call number “{name}”.")
    return [Call(each, inputs.get(str(place))) for place, each in enumerate(paths)]


def read_input(text: str) -> Any:
    """The input in an address."""
    if not text:
        return None
    try:
        return json_text.read(text)
    except json_text.JsonError as error:
        raise Failure("BAD_REQUEST", f"The input is not usable JSON: {error}.") from None


# -- Answers ---------------------------------------------------------------------------------


def result(data: Any) -> Answer:
    begin, end = b'{"result":{"data":', b"}}"
    if isinstance(data, JsonParts):
        return Answer(200, (begin, data, end))
    return Answer(200, (begin + compact(data).encode() + end,))


def error(failure: Failure, path: str | None = None) -> Answer:
    return Answer(failure.status, (compact({"error": failure.shape(path)}).encode(),))


def batch(answers: Iterable[Answer]) -> Answer:
    """All answers as one, in the order of the calls."""
    all_of_them = list(answers)
    statuses = {answer.status for answer in all_of_them}
    status = statuses.pop() if len(statuses) == 1 else MULTI_STATUS
    pieces: list[bytes | JsonParts] = []
    for answer in all_of_them:
        pieces += [b"," if pieces else b"[", *answer.pieces]
    return Answer(status, (*pieces, b"]"))


def stream_head(count: int) -> bytes:
    """The first line of a streamed batch: each place's answer will come in a line of its own."""
    return compact({str(place): [[0], [None, 0, place]] for place in range(count)}).encode() + b"\n"


def stream_line(place: int, answer: Answer) -> Answer:
    return Answer(answer.status, (b"[%d,0,[[" % place, *answer.pieces, b"]]]\n"))


# -- Server-Sent Events ----------------------------------------------------------------------

PING = b"event: ping\ndata: \n\n"
RESET = b'data: {"runs":[],"reset":true}\n\n'
_END = b"\n\n"
# What stops the client: it does not connect again.
RETURN = b"event: return\ndata: \n\n"


def opening(retry: float, silence: float) -> bytes:
    """Seconds until a client whose connection broke comes back, and until it gives up a silent
    one."""
    limit = compact({"reconnectAfterInactivityMs": round(silence * 1000)})
    return f"retry: {round(retry * 1000)}\nevent: connected\ndata: {limit}\n\n".encode()


def failed(failure: Failure, path: str) -> bytes:
    """After a number of -32603 the client connects again, after any other it does not."""
    return f"event: serialized-error\ndata: {compact(failure.shape(path))}\n\n".encode()


def as_message(frame: bytes) -> bytes:
    """A frame of the streams without its name: the client listens to nameless ones."""
    number, _, data = frame.split(b"\n", 2)
    return number + b"\n" + data


def as_notices(frames_of_list: bytes) -> bytes:
    """Frames of the list's stream, each as data that says whether it is a reset."""
    return b"".join(
        _notice(frame) for frame in frames_of_list.removesuffix(_END).split(_END)
    )  # fmt: skip


def _notice(frame: bytes) -> bytes:
    name, _, data = frame.partition(b"\n")
    if name == b"event: reset":
        return RESET
    return data.removesuffix(b"}") + b',"reset":false}' + _END


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
