"""``/api/events`` before Django: bodies are bounded while they come in, and who shows a token takes
a short way to the view, past the middleware of pages, which costs more than the view itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpResponse, JsonResponse

from runs.api.ingest import EventsView
from runs.api.problems import MEDIA_TYPE, bad_request, problem, server_error
from runs.connections import keep_own_connection
from runs.ingest.body import MAX_BYTES

logger = logging.getLogger(__name__)

Application = Callable[[Any, Any, Any], Awaitable[None]]

PATHS = frozenset({"/api/events", "/api/events/"})
# They mostly wait for the database; each has a connection of its own.
THREADS = 4
# Of bodies over this size, only so many are held at a time.
LARGE = 1_000_000
MOST_LARGE = 4
# Seconds in which a body must have come in.
PATIENCE = 60.0
_GUARDED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Refusal(Exception):  # noqa: N818  (an answer, not an error)
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Ingest:
    """In front of `django`, for PATHS."""

    def __init__(self, django: Application) -> None:
        self._django = django
        self._view = EventsView.as_view()
        own_connection = partial(keep_own_connection, checked=False)
        self._threads = ThreadPoolExecutor(THREADS, "ingest", own_connection)
        self._large = asyncio.Semaphore(MOST_LARGE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            await self._django(scope, receive, send)
            return
        headers = dict(scope["headers"])
        size = _size(headers)
        try:
            if size > MAX_BYTES:
                raise _too_large()
            async with self._large if size > LARGE else nullcontext():
                async with asyncio.timeout(PATIENCE):
                    body = await _body(receive)
                if body is None:  # the sender went away
                    return
                await self._answer(scope, headers, body, receive, send)
        except TimeoutError:
            await _send(send, _refused(scope, Refusal(408, "The body did not come in time.")))
        except Refusal as refused:
            await _send(send, _refused(scope, refused))

    async def _answer(
        self, scope: Any, headers: dict[bytes, bytes], body: bytes, receive: Any, send: Any
    ) -> None:
        shows_token = headers.get(b"authorization", b"")[:7].lower() == b"bearer "
        is_secure = ASGIRequest(scope, BytesIO()).is_secure()
        if shows_token and (is_secure or not settings.SECURE_SSL_REDIRECT):
            loop = asyncio.get_running_loop()
            await _send(send, await loop.run_in_executor(self._threads, self._called, scope, body))
        else:
            await self._django(scope, _again(body, receive), send)

    def _called(self, scope: Any, body: bytes) -> HttpResponse:
        response = self._answered(scope, body)
        connection.close_if_unusable_or_obsolete()
        # The connection broke, most often long ago. What was stored already is a duplicate then.
        if response.status_code == 503 and connection.connection is None:
            response = self._answered(scope, body)
            connection.close_if_unusable_or_obsolete()
        return response

    def _answered(self, scope: Any, body: bytes) -> HttpResponse:
        request: Any = ASGIRequest(scope, BytesIO(body))
        # No session: whoever is here shows a token.
        request.session = {}
        try:
            request.get_host()
            return self._view(request).render()
        except DisallowedHost as error:
            return bad_request(request, error)
        except Exception:
            logger.exception("events could not be taken in")
            return server_error(request)


def _size(headers: dict[bytes, bytes]) -> int:
    """What the sender says; one that does not say may send as much as is taken."""
    told = headers.get(b"content-length", b"")
    return int(told) if told.isdigit() else MAX_BYTES


async def _body(receive: Any) -> bytes | None:
    found, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        size += len(piece)
        if size > MAX_BYTES:
            raise _too_large()
        found.append(piece)
        if not message.get("more_body"):
            return b"".join(found)


def _again(body: bytes, receive: Any) -> Callable[[], Awaitable[Any]]:
    """A `receive` that gives the body anew."""
    rest: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def given() -> Any:
        return rest.pop() if rest else await receive()

    return given


def _too_large() -> Refusal:
    return Refusal(413, f"The body is over {MAX_BYTES:,} bytes; send it in parts.")


def _refused(scope: Any, refused: Refusal) -> HttpResponse:
    said = problem(refused.status, scope["path"], refused.detail)
    response = JsonResponse(said, status=refused.status, content_type=MEDIA_TYPE)
    # The rest of the body is not read.
    response["Connection"] = "close"
    return response


async def _send(send: Any, response: HttpResponse) -> None:
    for name, value in _GUARDED.items():
        response.headers.setdefault(name, value)
    response.headers["Content-Length"] = str(len(response.content))
    headers = [(k.lower().encode("ascii"), v.encode("latin-1")) for k, v in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
