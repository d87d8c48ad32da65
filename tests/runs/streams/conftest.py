"""A web process and a broker of the tests' own, and somebody who may listen."""

import threading
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_eventstream import eventstream

from runs import ids, live, recorder
from runs.models import Event, User
from runs.rows import NewEvent
from runs.states import Kind
from tests import servers as session_servers
from tests.runs.streams.client import Ended
from tests.runs.streams.servers import Broker, Web


@pytest.fixture(scope="package")
def broker():
    started = Broker(session_servers.temporary_folder())
    yield started
    started.stop()


@pytest.fixture
def mortal_broker(broker):
    """The broker, for a test that kills it."""
    yield broker
    broker.start()


@pytest.fixture(scope="package")
def web(django_db_setup, django_db_blocker, broker):
    with django_db_blocker.unblock():
        started = Web(session_servers.temporary_folder(), broker.url)
    yield started
    started.stop()


@pytest.fixture
def _ring_own_broker(broker, settings, monkeypatch):
    """What this process records rings at the broker that the tests may kill."""
    at = urlsplit(broker.url)
    own = {"host": at.hostname, "port": at.port, "password": at.password}
    settings.EVENTSTREAM_REDIS = {**settings.EVENTSTREAM_REDIS, **own}
    client = live._broker()
    monkeypatch.setattr(eventstream, "redis_client", client)
    monkeypatch.setattr(live, "ring", live._Ringer().ring)
    yield
    client.close()


@pytest.fixture
def anna(transactional_db, _ring_own_broker):
    user = User.objects.create_user("anna", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    return user


def session_of(user):
    client = Client()
    client.force_login(user)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def session(anna):
    return session_of(anna)


@pytest.fixture
def listen(web, session):
    """Open a run's stream; all are closed at the end."""
    opened = []

    def open_stream(run_id, after=None, **options):
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        path = f"/api/sse-logs/{ids.encode('run', run_id)}"
        opened.append(web.open(path, session, headers=headers, **options))
        assert opened[-1].status == 200
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


@pytest.fixture
def listen_to_list(web, session):
    opened = []

    def open_stream(**options):
        opened.append(web.open("/api/sse-runs", session, **options))
        assert opened[-1].status == 200
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


def log(run_id, *messages):
    """Record one event each, in one commit."""
    events = [NewEvent(Kind.LOG, node="first", data={"message": m}) for m in messages]
    return recorder.record({run_id: events}, now=timezone.now())[run_id].last_seq


def stored(run_id):
    return [live.public_event(e) for e in Event.objects.filter(run=run_id).order_by("seq")]


@contextmanager
def writing(run_id, seconds, pause=0.005):
    """Another thread that records into the run for so long; at the end it has stopped."""
    begun = threading.Event()

    def write():
        try:
            deadline = time.monotonic() + seconds
            number = 0
            while time.monotonic() < deadline:
                log(run_id, *(f"line {number}\nä {i}" for i in range(number % 4 + 1)))
                begun.set()
                number += 1
                time.sleep(pause)
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(10)
    try:
        yield thread
    finally:
        thread.join()


def collect(stream, into, seconds=20):
    """Read in another thread, as a browser does."""

    def read():
        with suppress(Ended, OSError):
            into.extend(stream.events(seconds))

    thread = threading.Thread(target=read)
    thread.start()
    return thread
