"""Threads with connections of their own do not wait for ever for a database that is silent."""

import asyncio

import pytest
from django.db import OperationalError, connection

from runs.api import ingest_asgi
from runs.streams.database import Readers
from tests.config.test_patience import Hasty

pytestmark = pytest.mark.django_db


@pytest.fixture
def _pool(monkeypatch):
    options = {**connection.settings_dict["OPTIONS"], "pool": {"connection_class": Hasty}}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


# Each in the thread that they are called in.


def tidy():
    connection.close_if_unusable_or_obsolete()


def leave():
    connection.close()


@pytest.mark.usefixtures("_pool")
def test_a_stream_asks_again_on_another_connection():
    asked = []

    def look():
        asked.append(ask("SELECT pg_backend_pid()"))
        return asked[-1] if len(asked) > 1 else ask("SELECT 1 FROM pg_sleep(3)")

    async def scene():
        async with asyncio.timeout(20):
            readers = Readers(1)
            assert await readers.read(look) == asked[1]
            await readers.read(leave)

    asyncio.run(scene())
    assert len(set(asked)) == 2


@pytest.mark.usefixtures("_pool")
def test_a_thread_that_takes_events_in_gives_up_and_goes_on(monkeypatch):
    monkeypatch.setattr(ingest_asgi, "ANSWER_SECONDS", 0.6)
    threads = ingest_asgi.Ingest(None)._threads
    assert threads.submit(ask, "SELECT 1 FROM pg_sleep(0.4)").result() == 1
    with pytest.raises(OperationalError, match=r"not answered for 0\.6 seconds"):
        threads.submit(ask, "SELECT 1 FROM pg_sleep(3)").result()
    threads.submit(tidy).result()
    assert threads.submit(ask, "SELECT 7").result() == 7
    threads.submit(leave).result()
    threads.shutdown()
