"""One account leaves room for the others."""

import time
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils import timezone

from runs import tokens
from runs.models import User
from tests.runs.streams.conftest import session_of
from tests.runs.streams.test_opening import problem_of

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/api/sse-runs"


def test_an_account_has_so_many_streams_with_all_that_it_shows(web, anna, session):
    _, secret = tokens.make(
        anna, name="t", scopes=["view"], days=1, by=anna.as_actor(), now=timezone.now()
    )
    bearer = {"Authorization": f"Bearer {secret}"}
    ben = User.objects.create_user("ben", is_staff=True)
    ben.user_permissions.add(Permission.objects.get(codename="view_run"))
    with ExitStack() as opened:
        for place in range(settings.STREAMS_PER_ACCOUNT):
            shown = {"headers": bearer} if place % 2 else {"session": session}
            stream = opened.enter_context(web.open(LIST, **shown))
            assert stream.status == 200
        for shown in ({"headers": bearer}, {"session": session}):
            refused = web.open(LIST, **shown)
            assert refused.headers["retry-after"] == "30"
            problem = problem_of(refused)
            assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
            assert "200 streams" in problem["detail"]
        told = web.open("/api/trpc/runs.stream", session)
        assert told.status == 200  # of another answer the client would see nothing
        _, refusal = told.take(2)
        assert refusal.name == "serialized-error"
        assert refusal.data["data"]["code"] == "TOO_MANY_REQUESTS"
        assert "200 streams" in refusal.data["message"]
        with web.open(LIST, session_of(ben)) as other:
            assert other.status == 200
        stream.close()
        deadline = time.monotonic() + 10
        while web.open(LIST, session).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
