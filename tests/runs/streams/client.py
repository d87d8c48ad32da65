"""A small client for Server-Sent Events, and the checker of what it got."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple


class Event(NamedTuple):
    id: int | None
    name: str
    data: Any
    # When it was read here.
    at: float


class Ended(Exception):  # noqa: N818  (no error)
    """The server ended the stream."""


class Stream:
    """One request and what comes back. Reads only when asked to."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        receive_buffer: int | None = None,
        patience: float = 10,
    ) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(patience)
        self._socket.connect(("127.0.0.1", port))
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._buffer = bytearray()
        self._text = b""
        self.comments: list[str] = []
        self.retry: int | None = None
        status, *rest = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(status.split()[1])
        pairs = (line.split(": ", 1) for line in rest)
        self.headers = {name.lower(): value for name, value in pairs}

    def body(self) -> Any:
        """The JSON of an answer that is no stream."""
        while len(self._buffer) < int(self.headers["content-length"]):
            self._more()
        return json.loads(self._buffer)

    def take(self, count: int, seconds: float = 10) -> list[Event]:
        """The next `count` events."""
        taken: list[Event] = []
        for event in self.events(seconds):
            taken.append(event)
            if len(taken) == count:
                return taken
        raise AssertionError(f"{len(taken)} of {count} events came within {seconds} s")

    def until(self, seq: int, seconds: float = 20) -> list[Event]:
        """Everything up to the event with number `seq`."""
        taken = []
        for event in self.events(seconds):
            taken.append(event)
            if event.id == seq:
                return taken
        raise AssertionError(f"event {seq} did not come within {seconds} s, but {taken[-1:]}")

    def events(self, seconds: float) -> Iterator[Event]:
        """The events of the next `seconds`. Raises Ended when there will be no more."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n\n" in self._text:
                block, self._text = self._text.split(b"\n\n", 1)
                event = self._parse(block.decode())
                if event is not None:
                    yield event
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._socket.settimeout(left)
            try:
                self._text += self._chunk()
            except TimeoutError:
                return

    def wait_for_end(self, seconds: float) -> None:
        """Read to the end, which must come within `seconds`."""
        try:
            for _ in self.events(seconds):
                pass
        except Ended:
            return
        raise AssertionError(f"the stream has not ended after {seconds} s")

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parse(self, block: str) -> Event | None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line[:1] != ":")
        self.comments += [line[2:] for line in block.split("\n") if line[:1] == ":"]
        if "retry" in fields:
            self.retry = int(fields["retry"])
        # What keeps the connection alive tells nothing.
        if "data" not in fields or fields["event"] == "ping":
            return None
        number = int(fields["id"]) if "id" in fields else None
        return Event(number, fields["event"], json.loads(fields["data"]), time.time())

    def _chunk(self) -> bytes:
        # A timeout in the midst of a chunk must not lose its beginning: look first, take then.
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._more()
        size, begin = int(self._buffer[:end], 16), end + 2
        while len(self._buffer) < begin + size + 2:
            self._more()
        chunk = bytes(self._buffer[begin : begin + size])
        del self._buffer[: begin + size + 2]
        if not chunk:
            raise Ended
        return chunk

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        end = self._buffer.index(mark)
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    def _more(self) -> None:
        try:
            read = self._socket.recv(65536)
        except ConnectionError:
            raise Ended from None
        if not read:
            raise Ended
        self._buffer += read


def differences(received: Iterable[Event], stored: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the events a client received, given what is in the table."""
    wanted = {event["seq"]: event for event in stored}
    found: list[str] = []
    seen: set[int | None] = set()
    before = 0
    for event in received:
        if event.id in seen:
            found.append(f"{event.id} came twice")
        elif event.id is None or event.id not in wanted:
            found.append(f"{event.id} is not in the table")
        elif event.data != wanted[event.id]:
            found.append(f"{event.id} differs: {event.data} is not {wanted[event.id]}")
        if event.id is not None:
            if event.id < before:
                found.append(f"{event.id} came after {before}")
            before = event.id
        seen.add(event.id)
    found += [f"{seq} is missing" for seq in wanted if seq not in seen]
    return found
