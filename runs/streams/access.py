"""Who asks for a stream, and whether they may have it: at the opening, and again and again."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from django.utils import timezone

from runs.bearer import digest_in
from runs.live import may_listen
from runs.models import ApiToken
from runs.scopes import Scope
from runs.streams.database import Readers

logger = logging.getLogger(__name__)

# Seconds between two looks at whether those who listen still may.
RECHECK_SECONDS = 15.0


class Verdict(Enum):
    ALLOWED = "allowed"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    OUT_OF_SCOPE = "out of scope"


class Crowded(Exception):  # noqa: N818  (an answer, not an error)
    """An account that has as many streams open here as one may have."""

    def __str__(self) -> str:
        most = settings.STREAMS_PER_ACCOUNT
        return f"Your account has {most} streams open already, as many as one may; close some."


class Judgement(NamedTuple):
    verdict: Verdict
    # Whose streams these are, where they may have any.
    account: uuid.UUID | None = None


class Credential(NamedTuple):
    """What a request shows for itself: a session, or a token, of which only the digest is kept."""

    session_key: str = ""
    token_digest: str | None = None


def credential(headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
    headers = list(headers)
    given = next((value for name, value in headers if name == b"authorization"), b"")
    if (digest := digest_in(given)) is not None:
        return Credential(token_digest=digest)
    cookies = b"; ".join(value for name, value in headers if name == b"cookie")
    session_key = parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
    return Credential(session_key) if session_key else None


def judge(shown: Credential | None) -> Judgement:
    if shown is None:
        return Judgement(Verdict.UNKNOWN)
    if shown.token_digest is not None:
        return _judge_token(shown.token_digest)
    request = HttpRequest()
    request.session = _session(shown.session_key)
    user = get_user(request)
    if not user.is_authenticated:
        return Judgement(Verdict.UNKNOWN)
    return Judgement(Verdict.ALLOWED, user.pk) if may_listen(user) else Judgement(Verdict.FORBIDDEN)


def _judge_token(digest: str) -> Judgement:
    now = timezone.now()
    token = ApiToken.objects.with_digest(digest)
    if token is None or token.flaw(now):
        return Judgement(Verdict.UNKNOWN)
    token.used(now)
    if not may_listen(token.user):
        return Judgement(Verdict.FORBIDDEN)
    if not token.allows(Scope.VIEW):
        return Judgement(Verdict.OUT_OF_SCOPE)
    return Judgement(Verdict.ALLOWED, token.user_id)


def _session(key: str) -> Any:
    """The session, for reading only.

    Django renews or deletes a session whose key material changed, and tells the browser by a
    cookie. A stream cannot send one, so it leaves that to the next page.
    """
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    session.cycle_key = session.flush = session.save = lambda *_, **__: None
    return session


class Guard:
    """Ends the streams of those who may no longer listen. `run` must be running."""

    def __init__(self, readers: Readers, own: Readers) -> None:
        # However many clients catch up, who may listen no longer goes in time.
        self._readers, self._own = readers, own
        self._guests: dict[Credential, set[asyncio.Future[None]]] = {}
        self._of_account: Counter[uuid.UUID | None] = Counter()
        self._is_closing = False

    async def admit(self, shown: Credential | None) -> Judgement:
        return await self._readers.share(judge, shown)

    @contextmanager
    def watch(self, shown: Credential, account: uuid.UUID | None) -> Iterator[asyncio.Future[None]]:
        """A future that is done when this stream has to end. Raises Crowded."""
        if self._of_account[account] >= settings.STREAMS_PER_ACCOUNT:
            raise Crowded
        end = asyncio.get_running_loop().create_future()
        guests = self._guests.setdefault(shown, set())
        guests.add(end)
        self._of_account[account] += 1
        if self._is_closing:  # since this one was admitted
            end.set_result(None)
        try:
            yield end
        finally:
            self._of_account[account] -= 1
            if not self._of_account[account]:
                del self._of_account[account]
            guests.discard(end)
            if not guests and self._guests.get(shown) is guests:
                del self._guests[shown]

    @property
    def count(self) -> int:
        return sum(map(len, self._guests.values()))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            for shown in list(self._guests):
                try:
                    verdict = (await self._own.read(judge, shown)).verdict
                except Exception:
                    logger.exception("streams: a listener could not be checked")
                    verdict = Verdict.UNKNOWN
                if verdict is not Verdict.ALLOWED:
                    self._end(self._guests.get(shown, ()))

    def end_all(self) -> None:
        self._is_closing = True
        for guests in self._guests.values():
            self._end(guests)

    def _end(self, guests: Iterable[asyncio.Future[None]]) -> None:
        for end in guests:
            if not end.done():
                end.set_result(None)
