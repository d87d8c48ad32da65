"""Calls by token pass no middleware of pages; what guards answers stays."""

from io import BytesIO

import pytest
from django.utils import timezone

from config.handler import Handler
from runs import tokens
from runs.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def handler():
    return Handler()


@pytest.fixture
def secret():
    user = User.objects.create_superuser("ada")
    return tokens.make(
        user, name="t", scopes=["view"], days=1, by=user.as_actor(), now=timezone.now()
    )[1]


def ask(handler, path, token, **headers):
    given = {"host": "localhost", **headers}
    if token:
        given["authorization"] = f"Bearer {token}"
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    request, _ = handler.create_request(scope, BytesIO())
    return handler._handler_of(request)(request)


def test_a_call_by_token_takes_the_short_way_and_is_guarded_as_pages_are(handler, secret):
    answer = ask(handler, "/api/runs/", secret)
    assert answer.status_code == 200
    # No middleware looked for a session.
    assert "Cookie" not in answer.headers["Vary"]
    for name in ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options"):
        assert answer.headers[name]


def test_a_wrong_token_is_nobody_and_a_strange_host_is_refused(handler, secret):
    assert ask(handler, "/api/runs/", "runs_nothing").status_code == 401
    assert ask(handler, "/api/runs/", secret, host="elsewhere.example").status_code == 400


def test_what_is_not_there_is_a_problem(handler, secret):
    answer = ask(handler, "/api/nothing/", secret)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_browsable_page_is_shown_to_a_token(handler, secret):
    answer = ask(handler, "/api/runs/", secret, accept="text/html")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_call_of_a_webhook_takes_the_short_way_as_well(handler):
    answer = ask(handler, "/api/hooks/nothing", "")
    assert answer.status_code == 405
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_pages_take_the_long_way_whatever_is_shown(handler, secret):
    assert ask(handler, "/api/docs", secret).status_code == 302
    assert ask(handler, "/admin/", secret).status_code == 302
    assert ask(handler, "/api/runs/", "").status_code == 401
