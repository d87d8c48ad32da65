"""Request bodies on their way to Django, which keeps each of them whole in a file before it looks
at anything: without a bound anybody could fill the disk."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from runs.api import problems

Application = Callable[[Any, Any, Any], Awaitable[None]]

# What one API takes. What pages and the other APIs take is less, and they say so better.
MAX_BYTES = 10_000_000
# Seconds in which a body must have come in.
PATIENCE = 60.0


class Bounded:
    """In front of `django`: an endless body, and one that never comes, are refused."""

    def __init__(self, django: Application) -> None:
        self._django = django

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told) > MAX_BYTES:
            await _refuse(scope, send, 413)
            return
        body = _Body(receive)
        await self._django(scope, body.receive, send)
        # Django took the sender for gone, and said nothing.
        if body.refused:
            await _refuse(scope, send, body.refused)


class _Body:
    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self._left = MAX_BYTES
        self._is_whole = False
        self._until = asyncio.get_running_loop().time() + PATIENCE
        # The status of the refusal.
        self.refused = 0

    async def receive(self) -> Any:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            return self._stopped(408)
        if message["type"] != "http.request":
            return message
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            return self._stopped(413)
        self._is_whole = not message.get("more_body")
        return message

    def _stopped(self, status: int) -> Any:
        self.refused = status
        return {"type": "http.disconnect"}


_SAID = {
    408: "The body did not come in time.",
    413: f"The body is over {MAX_BYTES:,} bytes.",
}


async def _refuse(scope: Any, send: Any, status: int) -> None:
    if scope["path"].startswith(problems.PREFIX):
        kind = problems.MEDIA_TYPE
        text = json.dumps(problems.problem(status, scope["path"], _SAID[status]))
    else:
        kind, text = "text/plain; charset=utf-8", f"{HTTPStatus(status).phrase}. {_SAID[status]}"
    body = text.encode()
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        # The rest of the body is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
