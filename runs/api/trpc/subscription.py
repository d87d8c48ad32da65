"""``runs.streamLogs`` and ``runs.stream``: a run's log, and what changes in the list, as
Server-Sent Events that the official client reads.

It is plain ASGI on the hub of the streams. A refusal is told within the stream: of an answer
that is none, the client sees nothing but that it failed, and never tries again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from runs import ids
from runs.api.trpc import wire
from runs.api.trpc.errors import failure_of
from runs.api.trpc.procedure import Procedure
from runs.api.trpc.run_procedures import STREAM_LIST, STREAM_LOGS
from runs.api.trpc.wire import Failure
from runs.bearer import digest_in
from runs.streams import access, asgi, frames, hub, log
from runs.streams.access import Credential, Crowded, Verdict
from runs.streams.frames import is_archived_frame
from runs.streams.log import Ending
from runs.streams.tail import Entry

PATHS = {f"/api/trpc/{each.path}": each for each in (STREAM_LOGS, STREAM_LIST)}
# Seconds after which a client whose connection broke comes back.
RETRY = 2.0
# Seconds of silence after which a client takes its connection for dead; longer than between two
# pings, and than the database is waited for.
SILENCE = 15.0
_STATE_CHANGED = b'"kind":"state_changed"'
# A frame begins with what every event has; its data, which may be long, comes last.
_HEAD_BYTES = 200
_LAST_WORDS = {
    Ending.OVER: wire.RETURN,
    Ending.GONE: wire.failed(Failure("NOT_FOUND", "The run was deleted."), STREAM_LOGS.path),
}


class Opened(NamedTuple):
    shown: Credential
    account: uuid.UUID | None
    chunks: AsyncGenerator[bytes, None]


def serves(scope: HTTPScope) -> bool:
    return scope["path"] in PATHS and scope["method"] == "GET"


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    at, procedure = hub.current(), PATHS[scope["path"]]
    opening = wire.opening(RETRY, SILENCE)
    try:
        shown, account, chunks = await _open(at, scope, procedure)

        async def farewell() -> bytes:
            # A server that stops says nothing, and the client comes back to the next one.
            failure = None if at.is_closed else _objection(shown, await _verdict(at, shown))
            return wire.failed(failure, procedure.path) if failure else b""

        async with aclosing(chunks):
            with at.guard.watch(shown, account) as end:
                await asgi.serve(
                    scope, receive, send, chunks, end, opening=opening, farewell=farewell
                )
    except Crowded as crowded:
        failure = Failure("TOO_MANY_REQUESTS", str(crowded))
    except Failure as refused:
        failure = refused
    else:
        return
    refusal = _once(wire.failed(failure, procedure.path))
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await asgi.serve(scope, receive, send, refusal, never, opening=opening)


async def _open(at: hub.Hub, scope: HTTPScope, procedure: Procedure) -> Opened:
    if at.is_closed or at.guard.count >= asgi.MOST_STREAMS:
        raise Failure("SERVICE_UNAVAILABLE", "No more streams are taken here now.")
    try:
        async with asyncio.timeout(asgi.PATIENCE):
            shown = _credential(scope)
            verdict, account = await at.guard.admit(shown)
            failure = _objection(shown, verdict)
            if failure is not None:
                raise failure
            assert shown is not None
            asked = _asked_for(scope, procedure)
            if procedure is STREAM_LIST:
                return Opened(shown, account, _notices(at))
            return Opened(shown, account, await _log(at, asked))
    except TimeoutError:
        raise Failure("SERVICE_UNAVAILABLE", "The database does not answer.") from None


async def _verdict(at: hub.Hub, shown: Credential) -> Verdict:
    return (await at.guard.admit(shown)).verdict


def _credential(scope: HTTPScope) -> Credential | None:
    """A browser's EventSource sends no header of ours, so that the client writes into the address
    what its `connectionParams` gives: `{token: "runs_…"}`."""
    given = wire.read_input(_query(scope).get("connectionParams", [""])[0])
    if given is None:
        return access.credential(scope["headers"])
    token = given.get("token") if isinstance(given, dict) else None
    if not isinstance(token, str):
        raise Failure("BAD_REQUEST", "The connectionParams are an object with a `token`, a string.")
    digest = digest_in(b"Bearer " + token.encode())
    return Credential(token_digest=digest)


def _query(scope: HTTPScope) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode("latin-1"))


def _objection(shown: Credential | None, verdict: Verdict) -> Failure | None:
    if shown is None or verdict is Verdict.UNKNOWN:
        return Failure("UNAUTHORIZED", "Authentication credentials are missing or not valid.")
    if verdict is not Verdict.ALLOWED:
        return Failure("FORBIDDEN", f"This needs the permission {STREAM_LOGS.permission}.")
    return None


def _asked_for(scope: HTTPScope, procedure: Procedure) -> dict[str, Any]:
    """The input, with the number of the last event that the client has.

    A client that reconnects by itself keeps the address and adds the header, so the header is
    the newer one.
    """
    given = wire.read_input(_query(scope).get("input", [""])[0])
    header = next((v for name, v in scope["headers"] if name == b"last-event-id"), b"")
    if header and procedure.is_tracked and isinstance(given, dict):
        given = {**given, "lastEventId": header.decode("latin-1")}
    try:
        return procedure.checked(given)
    except Exception as exc:
        raise failure_of(exc) from None


async def _notices(at: hub.Hub) -> AsyncGenerator[bytes, None]:
    """What changes in the list. It begins with a reset: a client that comes back missed some."""
    async with aclosing(at.notices.follow(frames.RESET)) as notices:
        async for notice in notices:
            yield wire.as_notices(notice) if notice else wire.PING


async def _log(at: hub.Hub, asked: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    run_id = ids.decode("run", asked["runId"])
    extent = None if run_id is None else await at.clients.share(log.extent_of, run_id)
    if run_id is None or extent is None:
        raise Failure("NOT_FOUND", "There is no such run.")
    after = min(int(asked.get("lastEventId") or 0), extent.end)
    if after < extent.archived:
        raise _archived(run_id, after, extent.archived)
    return _chunks(at, run_id, after, extent.end)


def _archived(run_id: uuid.UUID, after: int, last: int) -> Failure:
    restore = f"/api/runs/{ids.encode('run', run_id)}/restore/"
    return Failure("CONFLICT", asgi.archived_words(after, last), restore=restore)


async def _chunks(
    at: hub.Hub, run_id: uuid.UUID, after: int, end: int
) -> AsyncGenerator[bytes, None]:
    """The log behind `after`, and the end of the stream where the log has one."""
    ending: Ending | None = None  # not known
    ask = after >= end
    async with aclosing(at.feeds.follow(run_id, after, end)) as events:
        while True:
            if ask:
                ending = await at.clients.read(log.ending_of, run_id, after)
            if ending in _LAST_WORDS:
                yield _LAST_WORDS[ending]
                return
            entries = await anext(events, None)
            if entries is None:  # the run was deleted
                yield _LAST_WORDS[Ending.GONE]
                return
            if not entries:
                yield wire.PING
                # An attempt may end without an event.
                ask = ending is Ending.DRAINING
                continue
            if lost := next((each for each in entries if is_archived_frame(each.frame)), None):
                # They were archived while the client was slow: it is not to miss them unaware.
                yield wire.failed(_archived(run_id, after, lost.seq), STREAM_LOGS.path)
                return
            for piece in asgi.in_pieces(wire.as_message(entry.frame) for entry in entries):
                yield piece
            after = entries[-1].seq
            # A run that goes on ends with an event that says so: no need to ask before it.
            ask = after >= end and (ending is not Ending.OPEN or any(map(_may_end, entries)))


def _may_end(entry: Entry) -> bool:
    return entry.frame.find(_STATE_CHANGED, 0, _HEAD_BYTES) >= 0


async def _once(chunk: bytes) -> AsyncGenerator[bytes, None]:
    yield chunk
