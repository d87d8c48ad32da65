"""``/api/events`` before Django: bodies are bounded while they come in, and who shows a token takes
a short way to the view, past the middleware of pages, which costs more than the view itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from functools import partial
from io import BytesIO
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connection
from django.http import HttpResponse, JsonResponse
from django.utils import timezone

from runs.api.ingest import EventsView
from runs.api.problems import MEDIA_TYPE, bad_request, problem, server_error
from runs.bearer import REFUSED_TOKEN, digest_in
from runs.connections import keep_own_connection
from runs.ingest.body import MAX_BYTES
from runs.models import ApiToken

logger = logging.getLogger(__name__)

Application = Callable[[Any, Any, Any], Awaitable[None]]
T = TypeVar("T")

PATHS = frozenset({"/api/events", "/api/events/"})
# They mostly wait for the database; each has a connection of its own.
THREADS = 4
# Of bodies over this size, only so many are held at a time, and only of those who may come in.
LARGE = 1_000_000
MOST_LARGE = 4
# Over this one, nothing more is read before the token is known.
SMALL = 200_000
# Seconds in which a body must have come in.
PATIENCE = 60.0
# Seconds that a thread waits for a database that says nothing: ten thousand events are one answer.
ANSWER_SECONDS = 30.0
_GUARDED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Refusal(Exception):  # noqa: N818  (an answer, not an error)
    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Ingest:
    """In front of `django`, for PATHS."""

    def __init__(self, django: Application) -> None:
        self._django = django
        self._view = EventsView.as_view()
        own_connection = partial(keep_own_connection, checked=False, patience=ANSWER_SECONDS)
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
            digest = digest_in(headers.get(b"authorization", b""))
            is_secure = ASGIRequest(scope, BytesIO()).is_secure()
            if digest is None or (settings.SECURE_SSL_REDIRECT and not is_secure):
                await self._django(scope, receive, send)
                return
            if size > SMALL and (flaw := await self._in_thread(_flaw_of, digest)):
                async with asyncio.timeout(PATIENCE):
                    await _body(receive, is_kept=False)
                raise Refusal(401, flaw, **{"WWW-Authenticate": REFUSED_TOKEN})
            async with self._large if size > LARGE else nullcontext():
                async with asyncio.timeout(PATIENCE):
                    body = await _body(receive)
                if body is not None:  # the sender is still there
                    await _send(send, await self._in_thread(self._called, scope, body))
        except TimeoutError:
            await _send(send, _refused(scope, Refusal(408, "The body did not come in time.")))
        except Refusal as refused:
            await _send(send, _refused(scope, refused))

    async def _in_thread(self, act: Callable[..., T], *given: Any) -> T:
        # With what the lines of the log are about.
        own = partial(copy_context().run, act, *given)
        return await asyncio.get_running_loop().run_in_executor(self._threads, own)

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


def _flaw_of(digest: str) -> str:
    """Why nobody comes in with this token, whatever they send; "" also where nobody knows now."""
    try:
        token = ApiToken.objects.with_digest(digest)
    except DatabaseError:
        return ""
    finally:
        connection.close_if_unusable_or_obsolete()
    return "There is no such token." if token is None else token.flaw(timezone.now())


def _size(headers: dict[bytes, bytes]) -> int:
    """What the sender says; one that does not say may send as much as is taken."""
    told = headers.get(b"content-length", b"")
    return int(told) if told.isdigit() else MAX_BYTES


async def _body(receive: Any, *, is_kept: bool = True) -> bytes | None:
    """None where the sender went away. A body that is not kept takes no room."""
    found, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        size += len(piece)
        if size > MAX_BYTES:
            raise _too_large()
        if is_kept:
            found.append(piece)
        if not message.get("more_body"):
            return b"".join(found)


def _too_large() -> Refusal:
    return Refusal(413, f"The body is over {MAX_BYTES:,} bytes; send it in parts.")


def _refused(scope: Any, refused: Refusal) -> HttpResponse:
    said = problem(refused.status, scope["path"], refused.detail)
    response = JsonResponse(said, status=refused.status, content_type=MEDIA_TYPE)
    for name, value in refused.headers.items():
        response[name] = value
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
