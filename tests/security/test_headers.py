"""What a browser is told with every answer of every address: pages, the API, streams, files, and
what is answered to who is refused."""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from config.guards import GUARDS, Guarded
from config.policy import page_policy
from runs import tokens
from runs.models import User
from tests import servers
from tests.runs.streams.conftest import session_of
from tests.runs.streams.servers import Web
from tests.security import places
from tests.security.payloads import Plain
from tests.security.seeding import seed

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = "default-src 'none'"
# Files of the pages, which are nobody's own.
STATIC = "/static/runs/portal.css"
AS_FILES = ("/api/runs/export/?as=csv", "/api/runs/{failed}/export/", "/api/runs/{failed}/logs/",
            "/api/runs/{failed}/bundle/", "/api/bulk/{bulk}/outcomes/file/",
            "/api/bulk/{bulk}/download/",
            "/admin/bulk/{bulk}/?download=csv", "/admin/runs/run/{failed}/?download=bundle",
            "/admin/retention/executions/{execution}/?download=csv",
            "/admin/analysis/cost/?as=csv")  # fmt: skip


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes = b""

    @property
    def is_page(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/html")

    @property
    def policy(self) -> dict[str, list[str]]:
        parts = (part.split() for part in self.headers["content-security-policy"].split(";"))
        return {name: values for name, *values in parts}


class Asking:
    """A client that reads what a stream begins with, and no redirect."""

    def __init__(self, port: int, **headers: str) -> None:
        self._port, self.headers = port, {"Host": "localhost", **headers}

    def __call__(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            line.request(method, path, body or None, {**self.headers, **headers})
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
            is_stream = found.get("content-type", "").startswith("text/event-stream")
            return Answer(answer.status, found, cookies, b"" if is_stream else answer.read())
        finally:
            line.close()


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        started = Web(servers.temporary_folder(), os.environ.get("REDIS_URL") or settings.REDIS_URL,
                      application="config.asgi:application")  # fmt: skip
    yield started
    started.end()


@pytest.fixture
def made():
    return seed(Plain())


@pytest.fixture
def somebody(web):
    user = User.objects.create_superuser("ada")
    return Asking(web.port, Cookie=f"{settings.SESSION_COOKIE_NAME}={session_of(user)}")


def check(path: str, answer: Answer) -> None:
    given = answer.headers
    assert given["x-content-type-options"] == "nosniff", path
    assert given["x-frame-options"] == "DENY", path
    assert given["referrer-policy"] == "same-origin", path
    assert given["cross-origin-opener-policy"] == "same-origin", path
    assert given["cross-origin-resource-policy"] == "same-origin", path
    assert "camera=()" in given["permissions-policy"], path
    assert answer.policy["frame-ancestors"] == ["'none'"], path
    if answer.is_page:
        check_page(path, answer)
    else:
        assert given["content-security-policy"].startswith(NOTHING), path
    if not (path.startswith("/static/") and answer.status == 200):
        kept = given["cache-control"]
        assert "no-store" in kept or given["content-type"] == "text/event-stream", (path, kept)
        assert "public" not in kept, path
    for cookie in answer.cookies:
        assert "SameSite=Lax" in cookie, path
        if cookie.startswith("sessionid") and "Max-Age=0" not in cookie:
            assert "HttpOnly" in cookie, path


def check_page(path: str, answer: Answer) -> None:
    policy, body = answer.policy, answer.body.decode()
    scripts = policy["script-src"]
    # Alpine, and nothing else, evaluates; and only where it is.
    assert scripts in (["'self'"], ["'self'", "'unsafe-eval'"]), path
    if path.startswith("/api/") and not path.startswith("/api/docs"):
        assert scripts == ["'self'"], path
    assert policy["script-src-attr"] == ["'none'"], path
    assert "'unsafe-inline'" not in policy["style-src-elem"], path
    assert policy["object-src"] == policy["base-uri"] == policy["frame-src"] == ["'none'"], path
    assert policy["default-src"] == policy["form-action"] == ["'self'"], path
    assert "*" not in answer.headers["content-security-policy"], path
    # Nothing in the page that the policy would have to allow, or would stop.
    for attributes, content in re.findall(r"<script\b([^>]*)>(.*?)</script>", body, re.DOTALL):
        assert "src=" in attributes or "application/json" in attributes, (path, content[:200])
    for content in re.findall(r"<style\b[^>]*>(.*?)</style>", body, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["style-src-elem"], (path, content[:200])
    assert not re.search(r"<[a-z][^<>]*\son[a-z]+=", body), path
    assert not re.search(r"(?:href|src|action)=[\"']?\s*(?:javascript|data:text)", body, re.I), path


def test_every_address_answers_with_them(somebody, made):
    files = [each.format(**made) for each in AS_FILES]
    asked = [*places.addresses(made), *places.beside(made), *files, STATIC, "/static/no.css"]
    seen = {}
    for path in asked:
        for accept in ("text/html", "application/json") if path.startswith("/api/") else ("*/*",):
            answer = seen[path, accept] = somebody(path, Accept=accept)
            assert answer.status != 500, path
            check(path, answer)
    statuses = {answer.status for answer in seen.values()}
    # Else it looked at nothing but errors.
    assert {200, 302, 404, 405} <= statuses
    assert sum(answer.status == 200 and answer.is_page for answer in seen.values()) > 60
    assert sum(answer.status == 200 and not answer.is_page for answer in seen.values()) > 60


def test_whoever_is_refused_gets_them_too(web, made):
    nobody = Asking(web.port)
    for path in [*places.addresses(made), *places.beside(made)]:
        check(path, nobody(path))
        check(path, nobody(path, "POST", b"x=1", **{"Content-Type": "text/plain"}))


def test_errors_of_every_kind_bear_them(web, somebody, made):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_json = {"Content-Type": "application/json"}
    wrong = [
        (400, somebody("/api/runs/?state=nothing")),
        (400, somebody("/admin/", Host="elsewhere.example")),
        (400, somebody("/api/runs/", Host="elsewhere.example")),
        (401, Asking(web.port)("/api/runs/")),
        (401, Asking(web.port, Authorization="Bearer runs_nothing")("/api/sse-runs")),
        (403, somebody("/admin/me/", "POST", b"x=1", **form)),
        (403, somebody("/api/views/", "POST", b"{}", **as_json)),
        (404, somebody("/nothing")),
        (404, somebody("/api/nothing")),
        (405, somebody("/api/runs/", "DELETE", **{"X-CSRFToken": "x"})),
        (405, somebody("/api/sse-runs", "PUT")),
        (413, somebody("/api/views/", "POST", **{"Content-Length": "20000000"})),
        (413, somebody("/admin/me/", "POST", **{"Content-Length": "20000000"})),
        (413, somebody("/api/events", "POST", **{"Content-Length": "20000000"})),
    ]
    for status, answer in wrong:
        # Whether a token is missing is said before what is wrong with the request.
        assert answer.status == status or (status == 405 and answer.status == 403)
        check(f"{status}", answer)


def test_a_token_sees_them_too(web, made):
    user = User.objects.create_superuser("grace")
    _, secret = tokens.make(user, name="t", scopes=["view", "ingest"], days=1, by=user.as_actor(),
                            now=timezone.now())  # fmt: skip
    with_token = Asking(web.port, Authorization=f"Bearer {secret}")
    for path in (
        "/api/runs/",
        f"/api/runs/{made['failed']}/",
        "/api/nothing",
        "/api/trpc/runs.list",
    ):
        answer = with_token(path)
        check(path, answer)
        assert not answer.cookies
    check("/api/events", with_token("/api/events", "POST", b"[]"))


def test_who_logs_out_leaves_nothing_behind(web):
    user = User.objects.create_superuser("ida")
    session = session_of(user)
    asking = Asking(web.port, Cookie=f"{settings.SESSION_COOKIE_NAME}={session}; "
                    f"{settings.CSRF_COOKIE_NAME}={'a' * 32}")  # fmt: skip
    assert asking("/admin/me/").status == 200
    left = asking("/admin/logout/", "POST", f"csrfmiddlewaretoken={'a' * 32}".encode(),
                  **{"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    check("/admin/logout/", left)
    assert asking("/admin/me/").status == 302


def test_the_answers_of_the_api_are_json_and_nothing_else(somebody, made):
    """None that a browser could take for a page because of what stands in it."""
    for path in places.addresses(made):
        if not path.startswith("/api/") or path.startswith("/api/docs"):
            continue
        answer = somebody(path, Accept="application/json")
        kind = answer.headers.get("content-type", "")
        assert kind.startswith(("application/", "text/event-stream", "text/csv")), (path, kind)
        if "json" in kind and "ndjson" not in kind and answer.body:
            json.loads(answer.body)


@pytest.mark.parametrize(
    "name", ["500.html", "503.html", "403_csrf.html", "runs/services/down.html"]
)
def test_pages_for_when_nothing_works_keep_their_look(name):
    page = render_to_string(name, {"rows": [], "at": timezone.now()})
    headers = {"content-security-policy": page_policy(evaluates=True)}
    check_page(name, Answer(500, headers, [], page.encode()))


def test_each_guard_is_a_header_of_its_own():
    assert all(name == name.lower() and value for name, value in GUARDS.items())


@pytest.mark.parametrize(
    ("is_proxied", "scheme", "forwarded", "is_told"),
    [
        (False, "https", "", True),
        (False, "http", "", False),
        # Nobody but the proxy is believed.
        (False, "http", "https", False),
        (True, "http", "https", True),
        (True, "http", "http", False),
    ],
)
def test_browsers_are_told_to_stay_with_https_where_they_came_by_it(
    settings, is_proxied, scheme, forwarded, is_told
):
    settings.SECURE_HSTS_SECONDS, settings.BEHIND_PROXY = 31_536_000, is_proxied
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_HSTS_PRELOAD = True, True
    headers = [(b"x-forwarded-proto", forwarded.encode())] if forwarded else []
    sent = []

    async def answered(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "scheme": scheme, "headers": headers}
    asyncio.run(Guarded(answered)(scope, None, send))
    told = dict(sent[0]["headers"]).get(b"strict-transport-security")
    assert told == (b"max-age=31536000; includeSubDomains; preload" if is_told else None)


def said_to(port: int, *pieces: bytes) -> bytes:
    """What comes back for bytes that are sent as they are, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                line.sendall(piece)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := line.recv(65_536):
                answer += piece
    return answer


HEAD = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD, b"X-Long: ", *[b"a" * 10_000] * 20),
        (HEAD, *[b"X-Many: a\r\n"] * 20_000),
        (b"GET /", b"a" * 200_000),
        (b"\x16\x03\x01\x02\x00\x01\x00" * 100,),
    ],
)
def test_the_head_of_a_request_has_an_end(web, pieces):
    answer = said_to(web.port, *pieces)
    assert answer[:12] in (b"HTTP/1.1 400", b"")
    # And the next one is answered.
    assert Asking(web.port)("/readyz").status in (200, 503)


def test_two_requests_are_not_taken_for_one(web):
    """What would let somebody speak for another behind a proxy."""
    twice = b"POST /api/runs/ HTTP/1.1\r\nHost: localhost\r\n"
    for lengths in (
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
    ):
        assert said_to(
            web.port, twice + lengths + b"Connection: close\r\n\r\n0\r\n\r\nGET"
        ).startswith(b"HTTP/1.1 400"), lengths
