"""A stream ends soon after its listener may no longer listen."""

import asyncio
import threading
from contextlib import suppress

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session

from runs import ids
from runs.models import User
from runs.streams import access
from runs.streams.database import Readers
from tests.runs.streams.conftest import log, session_of

pytestmark = pytest.mark.django_db(transaction=True)


def take_permission(user):
    user.user_permissions.clear()


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def log_out(user):
    Session.objects.all().delete()


def change_password(user):
    user.set_password("another")
    user.save()


def remove(user):
    user.delete()


@pytest.mark.parametrize("revoke", [take_permission, deactivate, log_out, change_password, remove])
def test_a_stream_ends_when_its_listener_may_not_listen(
    anna, listen, listen_to_list, make_run, revoke
):
    run = make_run()
    streams = [listen(run), listen_to_list(), listen(run)]
    for stream in streams:
        list(stream.events(0.6))  # allowed for longer than a recheck takes
    revoke(anna)
    for stream in streams:
        stream.wait_for_end(2)


def test_others_stay(web, anna, listen, make_run):
    run = make_run()
    other = User.objects.create_user("dora", is_staff=True)
    other.user_permissions.add(Permission.objects.get(codename="view_run"))
    stays = listen(run)
    goes = web.open(f"/api/sse-logs/{ids.encode('run', run)}", session_of(other))
    other.user_permissions.clear()
    goes.wait_for_end(2)
    log(run, "still here")
    assert stays.take(1)[0].id == 2


def test_looking_at_a_session_does_not_change_it(anna, web, session, make_run, listen):
    before = Session.objects.get(pk=session)
    with listen(make_run()) as stream:
        list(stream.events(1.2))
    after = Session.objects.get(pk=session)
    assert (after.session_data, after.expire_date) == (before.session_data, before.expire_date)


def test_clients_that_catch_up_hold_no_recheck_up(anna, session, monkeypatch):
    monkeypatch.setattr(access, "RECHECK_SECONDS", 0.1)
    log_out(anna)
    at_work = threading.Event()

    async def scene():
        readers = Readers(1)
        guard = access.Guard(readers, Readers(1))
        catching_up = asyncio.create_task(readers.read(at_work.wait, 30))
        checking = asyncio.create_task(guard.run())
        with guard.watch(access.Credential(session), anna.pk) as end:
            await asyncio.wait_for(end, 10)
        assert not catching_up.done()
        at_work.set()
        await catching_up
        checking.cancel()
        with suppress(asyncio.CancelledError):
            await checking

    asyncio.run(scene())
