"""Requests in threads that stay: their connections, and downloads that a client breaks off."""

import asyncio

import psycopg
import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from config.handler import Handler
from runs.connections import _Driver, is_quiet
from runs.driver import plain_cursor
from tests.config.test_patience import Hasty

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
ENDED = []


def backend(request):
    with plain_cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return HttpResponse(str(cursor.fetchone()[0]))


def download(request):
    async def endless():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            ENDED.append(request.path)

    return StreamingHttpResponse(endless())


def slow(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def broken(request):
    raise ValueError


def leave():
    connection.close()  # that of the thread it is called in


urlpatterns = [
    path("backend", backend), path("download", download), path("broken", broken),
    path("slow", slow),
]  # fmt: skip
handler500 = "runs.api.problems.server_error"


@pytest.fixture
def handler(settings):
    settings.SECURE_SSL_REDIRECT, settings.WEB_THREADS = False, 1
    made = Handler()
    yield made
    made._threads.submit(leave).result()
    made._threads.shutdown()


async def asked(handler, address, *, leave_after=None):
    """Status and body of an answer; with `leave_after` the client goes after so many bytes."""
    scope = {
        "type": "http", "method": "GET", "path": address, "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    given = [{"type": "http.request", "body": b"", "more_body": False}]
    left, sent = asyncio.Event(), []

    async def receive():
        if given:
            return given.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if leave_after is not None and len(body_of(sent)) >= leave_after:
            left.set()

    async with asyncio.timeout(20):
        await handler(scope, receive, send)
    return sent[0]["status"], body_of(sent)


def body_of(messages):
    return b"".join(message.get("body", b"") for message in messages)


def test_requests_use_the_same_connection_until_it_breaks(handler):
    async def backends():
        first, second = [(await asked(handler, "/backend"))[1] for _ in range(2)]
        await asyncio.to_thread(end, first)
        return first, second, await asked(handler, "/backend")

    def end(pid):
        with connection.cursor() as cursor:
            # And wait until it is gone.
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [int(pid)])
        connection.close()

    first, second, (status, third) = asyncio.run(backends())
    assert first == second
    assert status == 200
    assert third != first


def test_a_connection_that_was_given_up_is_replaced(handler):
    def be_hasty():
        connection.Database = _Driver(Hasty)
        connection.close()

    async def answers():
        handler._threads.submit(be_hasty).result()
        return [await asked(handler, address) for address in ("/backend", "/slow", "/backend")]

    first, given_up, second = asyncio.run(answers())
    assert [first[0], given_up[0], second[0]] == [200, 503, 200]
    assert first[1] != second[1]


def test_a_download_ends_when_its_client_has_gone(handler):
    ENDED.clear()
    status, body = asyncio.run(asked(handler, "/download", leave_after=5_000))
    assert status == 200
    assert len(body) >= 5_000
    assert ENDED == ["/download"]


def test_an_error_in_a_view_is_answered(handler):
    assert asyncio.run(asked(handler, "/broken"))[0] == 500
    assert asyncio.run(asked(handler, "/none"))[0] == 404


def test_a_connection_is_quiet_until_it_breaks(handler):
    with psycopg.connect(**connection.get_connection_params()) as own:
        assert own.execute("SELECT 1").fetchone() == (1,)
        own.commit()
        assert is_quiet(own)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])
        assert not is_quiet(own)
        own.close()
        assert not is_quiet(own)
