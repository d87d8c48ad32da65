"""``/api/sse-logs/<run id>`` and ``/api/sse-runs``: plain ASGI, without a thread per stream."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from runs import ids
from runs.bearer import CHALLENGES, REFUSED_TOKEN
from runs.streams import access, frames, hub, log
from runs.streams.access import Credential, Crowded, Verdict
from runs.streams.log import Extent

logger = logging.getLogger(__name__)

LOG_PATH = "/api/sse-logs/"
LIST_PATH = "/api/sse-runs"
# As the REST API calls the same: see runs.api.problems.
LOG_ARCHIVED = "urn:problem-type:runs:log-archived"
# Open streams of one process; each costs a socket and some 20 kB.
MOST_STREAMS = 2_000
# Seconds a request waits for a database that is away.
PATIENCE = 10.0
# Frames are sent in pieces of about this size, so that a slow client holds no more of them.
PIECE_BYTES = 64 * 1024
# Seconds for the last bytes of a stream that the server ends.
FAREWELL = 1.0

_GUARDED = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"vary", b"cookie, authorization"),
]
_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    *_GUARDED,
]
_PROBLEM = [
    (b"content-type", b"application/problem+json"),
    (b"cache-control", b"no-store"),
    *_GUARDED,
]


class Refusal(Exception):  # noqa: N818  (an answer, not an error)
    """A request that gets no stream; the answer says why."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.problem: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
        }
        self.status = status
        self.headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]


class Opened(NamedTuple):
    shown: Credential
    account: uuid.UUID | None
    chunks: AsyncGenerator[bytes, None]


def serves(path: str) -> bool:
    return path.startswith(LOG_PATH) or path.rstrip("/") == LIST_PATH


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    at = hub.current()
    try:
        shown, account, chunks = await _open_in_time(at, scope)
        async with aclosing(chunks):
            with at.guard.watch(shown, account) as end:
                await serve(scope, receive, send, chunks, end)
    except Crowded as crowded:
        await _refuse(send, Refusal(429, "Too Many Requests", str(crowded), retry_after="30"))
    except Refusal as refused:
        await _refuse(send, refused)


async def _open_in_time(at: hub.Hub, scope: HTTPScope) -> Opened:
    try:
        async with asyncio.timeout(PATIENCE):
            return await _open(at, scope)
    except TimeoutError:
        raise Refusal(
            503, "Service Unavailable", "The database does not answer.", retry_after="2"
        ) from None


async def _open(at: hub.Hub, scope: HTTPScope) -> Opened:
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "Method Not Allowed", "Streams are for reading.", allow="GET, HEAD")
    if at.is_closed or at.guard.count >= MOST_STREAMS:
        raise Refusal(
            503, "Service Unavailable", "No more streams are taken here now.", retry_after="2"
        )
    shown = access.credential(scope["headers"])
    verdict, account = await at.guard.admit(shown)
    if shown is None or verdict is not Verdict.ALLOWED:
        raise _turned_away(shown, verdict)
    if not scope["path"].startswith(LOG_PATH):
        return Opened(shown, account, _list_chunks(at))
    run_id, extent = await _find(at, scope["path"].removeprefix(LOG_PATH).removesuffix("/"))
    wanted = _resume_point(scope)
    after = extent.end if wanted is None else min(wanted, extent.end)
    # Nothing of what is asked for is here. Where some is, the stream says what is not.
    if after < extent.archived == extent.end:
        raise _archived(run_id, after, extent)
    return Opened(shown, account, _log_chunks(at, run_id, after, extent.end))


def _archived(run_id: uuid.UUID, after: int, extent: Extent) -> Refusal:
    public_id = ids.encode("run", run_id)
    refusal = Refusal(409, "Conflict", archived_words(after, extent.archived))
    refusal.problem |= {
        "type": LOG_ARCHIVED,
        "log_state": extent.logs,
        "restore": f"/api/runs/{public_id}/restore/",
    }
    return refusal


def archived_words(after: int, last: int) -> str:
    return (
        f"Events {after + 1} to {last} are archived, and not streamed. Restore the log first, or"
        " read them where they are: GET /api/runs/{id}/events/."
    )


def _turned_away(shown: Credential | None, verdict: Verdict) -> Refusal:
    if verdict is Verdict.FORBIDDEN:
        return Refusal(403, "Forbidden", "You may not see runs.")
    if verdict is Verdict.OUT_OF_SCOPE:
        said = "This needs the scope view, which the token does not have."
        return Refusal(403, "Forbidden", said)
    if shown is not None and shown.token_digest is not None:
        said = "The token is unknown, has expired or was revoked, or its owner's account is shut."
        return Refusal(401, "Unauthorized", said, www_authenticate=REFUSED_TOKEN)
    said = "Log in, or send a token, to see this stream."
    return Refusal(401, "Unauthorized", said, www_authenticate=CHALLENGES)


async def _find(at: hub.Hub, public_id: str) -> tuple[uuid.UUID, Extent]:
    """The run's id and how far its log goes."""
    run_id = ids.decode("run", public_id)
    extent = None if run_id is None else await at.clients.share(log.extent_of, run_id)
    if run_id is None or extent is None:
        raise Refusal(404, "Not Found", "There is no such run.")
    return run_id, extent


def _resume_point(scope: HTTPScope) -> int | None:
    """The number of the last event the client has; None to start with what comes now.

    A browser that reconnects by itself keeps the address and adds the header, so the header is
    the newer one.
    """
    header = [value for name, value in scope["headers"] if name == b"last-event-id"]
    query = parse_qs(scope["query_string"].decode("latin-1"))
    given = [v.decode("latin-1") for v in header]
    for name in ("lastEventId", "last_event_id", "from"):
        given += query.get(name, [])
    text = next((value for value in given if value), None)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise Refusal(400, "Bad Request", "The last event's id must be a whole number.")
    return int(text[:20])


async def _log_chunks(
    at: hub.Hub, run_id: uuid.UUID, after: int, end: int
) -> AsyncGenerator[bytes, None]:
    async with aclosing(at.feeds.follow(run_id, after, end)) as events:
        async for entries in events:
            if not entries:
                yield frames.KEEP_ALIVE
            if len(entries) == 1:  # as most often
                yield entries[0].frame
                continue
            for piece in in_pieces(entry.frame for entry in entries):
                yield piece
    yield frames.DELETED


def in_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    piece, size = [], 0
    for part in parts:
        piece.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


async def _list_chunks(at: hub.Hub) -> AsyncGenerator[bytes, None]:
    async with aclosing(at.notices.follow()) as notices:
        async for notice in notices:
            yield notice or frames.KEEP_ALIVE


async def _refuse(send: ASGISendCallable, refused: Refusal) -> None:
    body = json.dumps(refused.problem).encode()
    headers = [*_PROBLEM, *refused.headers, (b"content-length", str(len(body)).encode())]
    await _send_start(send, refused.status, headers)
    await _send_body(send, body, more=False)


async def serve(
    scope: HTTPScope,
    receive: ASGIReceiveCallable,
    send: ASGISendCallable,
    chunks: AsyncIterator[bytes],
    end: asyncio.Future[None],
    *,
    opening: bytes = frames.OPENING,
    farewell: Callable[[], Awaitable[bytes]] | None = None,
) -> None:
    """Send until the client goes or the stream has to end; `farewell` then gives last words."""
    await _send_start(send, 200, _STREAM)
    if scope["method"] == "HEAD":
        await _send_body(send, b"", more=False)
        return
    sending = asyncio.create_task(_send_all(send, opening, chunks))
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        await asyncio.wait({sending, leaving, end}, return_when=asyncio.FIRST_COMPLETED)
        gone = leaving.done()
    finally:
        sending.cancel()
        leaving.cancel()
        await asyncio.wait({sending, leaving})
    if gone:
        return
    if not sending.cancelled() and sending.exception() is not None:
        logger.error("streams: a stream failed", exc_info=sending.exception())
    try:
        # A client that does not read would keep this waiting.
        async with asyncio.timeout(FAREWELL):
            last = await farewell() if farewell and end.done() else b""
            await _send_body(send, last, more=False)
    except TimeoutError:
        pass


async def _send_all(send: ASGISendCallable, opening: bytes, chunks: AsyncIterator[bytes]) -> None:
    await _send_body(send, opening, more=True)
    async for chunk in chunks:
        await _send_body(send, chunk, more=True)


async def _until_gone(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_start(
    send: ASGISendCallable, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": headers, "trailers": False}
    )


async def _send_body(send: ASGISendCallable, body: bytes, *, more: bool) -> None:
    message: Any = {"type": "http.response.body", "body": body, "more_body": more}
    await send(message)
