"""``python -m config.bounded_uvicorn …``: uvicorn, with bounds on the head of a request.

It keeps whatever comes before a body, and looks for the head's end again and again: some megabytes
of it would hold up everybody, and a head that never ends would keep its connection for ever.
"""

import asyncio
from typing import Any

import uvicorn
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 128_000
# Seconds in which a head must have come in.
PATIENCE = 30.0


class BoundedProtocol(HttpToolsProtocol):
    """Counts what has come of a head, and closes the connection where that is too much or late."""

    _head: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._end_head()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > MAX_HEAD:
            self._end_head()
            self.send_400_response("The request's head is too large.")

    def _begin_head(self) -> None:
        self._head = 0
        self._deadline = self.loop.call_later(PATIENCE, self.transport.close)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


# Not below: each of several processes imports this module, but is not started by it.
HTTP_PROTOCOLS["auto"] = f"config.bounded_uvicorn:{BoundedProtocol.__name__}"

if __name__ == "__main__":
    uvicorn.main()
