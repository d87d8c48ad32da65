"""Who may report, and that the short way of who shows a token answers as the long one does."""

import contextlib
import http.client
import json
import socket

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from runs import tokens
from runs.api.ingest_asgi import MOST_LARGE
from runs.bearer import REFUSED_TOKEN
from runs.models import Event, Run, Source, User
from runs.scopes import scopes_of
from tests.runs.api.reports import URL, told
from tests.runs.streams.servers import Web, cut_database_connections
from tests.servers import temporary_folder


def token_of(user, *scopes):
    made = tokens.make(
        user, name=f"t{user.api_tokens.count()}", scopes=scopes, days=9, by=user.as_actor(),
        now=timezone.now(),
    )  # fmt: skip
    return made[1]


@pytest.mark.django_db
class TestDjango:
    def test_who_may_not_report_is_told_so(self, login, client):
        event = [told("log", data={"message": "x"})]
        assert login("view_run", name="viewer").post(URL, event, format="json").status_code == 403
        client.logout()
        answer = client.post(URL, event, format="json")
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        outsider = login("ingest_event", name="outsider", is_staff=False)
        assert outsider.post(URL, event, format="json").status_code == 403
        assert not Run.objects.exists()

    def test_who_may_report_needs_no_other_permission(self, login):
        client = login("ingest_event")
        answer = client.post(f"{URL}/", [told("log", data={"message": "x"})], format="json")
        assert answer.json()["stored"] == 1
        assert client.get("/api/runs/").status_code == 403

    def test_a_session_needs_its_csrf_token(self, login):
        client = login("ingest_event", csrf=True)
        answer = client.post(URL, [told("log", data={"message": "x"})], format="json")
        assert answer.status_code == 403
        assert not Run.objects.exists()

    @pytest.mark.parametrize("size", [1, 900_000])
    @pytest.mark.parametrize("form", ["application/json", "application/x-ndjson"])
    def test_a_session_with_its_csrf_token_reports(self, login, form, size):
        client = login("ingest_event", csrf=True)
        client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
        events = [told("log", data={"message": "x", "more": "y" * size}) for _ in range(3)]
        lines = "\n".join(map(json.dumps, events))
        body = lines if form == "application/x-ndjson" else json.dumps(events)
        headers = {"X-CSRFToken": "a" * 32}
        answer = client.post(URL, body, content_type=form, headers=headers)
        assert answer.status_code == 200, answer.content
        assert answer.json()["stored"] == 3

    def test_nothing_is_to_be_read_there(self, login):
        assert login("ingest_event").get(URL).status_code == 405


# -- A real web process ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    folder = temporary_folder()
    (folder / "logs").mkdir()
    with django_db_blocker.unblock():
        started = Web(folder, settings.REDIS_URL, application="config.asgi:application")
    yield started
    started.stop()


def send(web, body, token=None, path=URL, **headers):
    """Status, headers and the JSON of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Content-Type": "application/json", **headers}
    if token:
        given["Authorization"] = f"Bearer {token}"
    connection.request("POST", path, body, given)
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), json.load(answer)
    connection.close()
    return found


def line():
    return json.dumps([told("log", data={"message": "x"})])


@pytest.mark.django_db(transaction=True)
class TestWebProcess:
    @pytest.fixture(autouse=True)
    def sender(self, person):
        self.user = person("ingest_event", "view_run")
        self.token = token_of(self.user, "ingest")

    def test_a_token_with_the_scope_reports(self, web):
        status, headers, said = send(web, line(), self.token)
        assert (status, said["stored"]) == (200, 1)
        assert headers["x-content-type-options"] == "nosniff"
        assert Source.objects.get().created_by == self.user
        assert scopes_of(self.user) == ["view", "views", "ingest"]

    def test_what_is_refused_is_a_problem_on_both_ways(self, web):
        without_scope = token_of(self.user, "view")
        for token, expected in ((None, 401), ("runs_none", 401), (without_scope, 403)):
            status, headers, said = send(web, line(), token)
            assert (status, said["status"]) == (expected, expected)
            assert headers["content-type"] == "application/problem+json"
        self.user.user_permissions.clear()
        assert send(web, line(), self.token)[0] == 403
        assert not Run.objects.exists()

    def test_a_token_that_was_revoked_reports_no_more(self, web):
        assert send(web, line(), self.token)[0] == 200
        tokens.revoke(self.user.api_tokens.get(), by=self.user.as_actor(), now=timezone.now())
        assert send(web, line(), self.token)[0] == 401

    def test_a_strange_host_and_broken_json_are_bad_requests(self, web):
        assert send(web, line(), self.token, Host="evil.example")[0] == 400
        status, headers, said = send(web, "[", self.token)
        assert (status, headers["content-type"]) == (400, "application/problem+json")
        assert "JSON array" in said["detail"]
        assert send(web, "[]", self.token, Content_Type="text/plain")[0] == 415

    @pytest.mark.parametrize("token", [True, False])
    def test_a_body_of_100_mb_is_refused_before_it_is_read(self, web, token):
        before = web.resident_bytes()
        status, _, said = send(web, b"", self.token if token else None, Content_Length="100000000")
        assert (status, said["status"]) == (413, 413)

        def pieces():
            for _ in range(1_600):
                yield b" " * 65_536

        try:
            status, _, said = send(web, pieces(), self.token if token else None)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer came, and the connection was closed, while we were sending
        else:
            assert (status, said["status"]) == (413, 413)
        assert web.resident_bytes() - before < 60_000_000
        assert send(web, line(), self.token)[0] == 200

    @pytest.mark.parametrize("path", ["/api/runs/", "/admin/login/", "/api/trpc/runs.list"])
    def test_an_endless_body_is_refused_everywhere(self, web, path):
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as caller:
            caller.sendall(
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1_600):
                    caller.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                pytest.fail("100 MB were taken")

    def test_an_endless_head_is_refused(self, web):
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as caller:
            caller.sendall(b"GET /api/runs/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1_600):
                    caller.sendall(b"x" * 65_536)
                pytest.fail("100 MB were taken")
        assert send(web, line(), self.token, X_Long="x" * 60_000)[0] == 200

    def test_who_cannot_come_in_does_not_hold_up_large_bodies(self, web):
        with contextlib.ExitStack() as idle:
            for _ in range(MOST_LARGE + 1):
                caller = socket.create_connection(("127.0.0.1", web.port))
                idle.enter_context(caller)
                caller.sendall(
                    f"POST {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer runs_x\r\n"
                    f"Content-Length: 5000000\r\n\r\n".encode()
                )
            events = [told("log", data={"message": "x", "more": "y" * 900_000}) for _ in range(2)]
            status, _, said = send(web, json.dumps(events), self.token)
            assert (status, said["stored"]) == (200, 2)
        status, headers, _ = send(web, json.dumps(events), "runs_none")
        assert (status, headers["www-authenticate"]) == (401, REFUSED_TOKEN)

    def test_a_broken_database_connection_does_not_fail_a_call(self, web):
        for _ in range(8):  # all its threads
            assert send(web, line(), self.token)[0] == 200
        assert cut_database_connections() > 0
        for _ in range(8):
            assert send(web, line(), self.token)[0] == 200
        assert Event.objects.filter(kind="log").count() == 16

    def test_what_was_answered_is_committed(self, web):
        connection.close()
        sent = [told("log", data={"message": str(n)}) for n in range(100)]
        assert send(web, json.dumps(sent), self.token)[2]["stored"] == 100
        assert Event.objects.filter(kind="log").count() == 100
        User.objects.get(pk=self.user.pk)
