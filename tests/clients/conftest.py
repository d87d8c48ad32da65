"""A web process with tRPC, people who call it, and the client that they use."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission

from runs.models import User
from tests import servers as session_servers
from tests.clients.node import Client, installed
from tests.runs.api.conftest import ALL, run_in, workflow  # noqa: F401
from tests.runs.conftest import (  # noqa: F401
    _emptied_quickly,
    make_run,
    publish,
    version,
)
from tests.runs.streams.conftest import _ring_own_broker, session_of  # noqa: F401
from tests.runs.streams.servers import Broker, Web

CSRF = "0123456789abcdefghijABCDEFGHIJ01"


@pytest.fixture(scope="package")
def broker():
    started = Broker(session_servers.temporary_folder())
    yield started
    started.stop()


@pytest.fixture(scope="package")
def lasting_web(django_db_setup, django_db_blocker, broker):
    folder = session_servers.temporary_folder()
    with django_db_blocker.unblock():
        started = Web(folder, broker.url, application="tests.clients.quick:application")
    yield started
    started.stop()


@pytest.fixture
def web(lasting_web, transactional_db, _ring_own_broker):  # noqa: F811
    """The web process, on data that is committed."""
    return lasting_web


@pytest.fixture
def person(transactional_db):
    def make(*permissions, name="olga"):
        user = User.objects.create_user(name, is_staff=True)
        for codename in permissions:
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label="runs", codename=codename)
            )
        return user

    return make


@pytest.fixture
def client_with(web):
    """The client, which sends these headers with each request; `more` is for its links."""
    opened = []

    def open_client(headers, **more):
        url = f"http://127.0.0.1:{web.port}/api/trpc"
        opened.append(Client(installed(), url, headers, **more))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client_of(client_with):
    """The client with a person's session; without a person, with none."""

    def open_client(user=None, *, csrf=True):
        headers = {}
        if user is not None:
            cookies = {django_settings.SESSION_COOKIE_NAME: session_of(user)}
            if csrf:
                cookies[django_settings.CSRF_COOKIE_NAME] = headers["x-csrftoken"] = CSRF
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return client_with(headers)

    return open_client


@pytest.fixture
def client(client_of, person):
    """The client of somebody who may everything."""
    return client_of(person(*ALL))
