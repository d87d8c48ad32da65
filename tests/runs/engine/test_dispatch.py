"""Hints: bounded in number and time, whatever the broker does."""

import socket
import threading
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.db import connection, transaction
from django.utils import timezone

from runs import lifecycle
from runs.engine import dispatch, hints
from runs.models import ReadyNode
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = [NewEvent(Kind.NODE_QUEUED, node="first"), NewEvent(Kind.NODE_QUEUED, node="second")]


@pytest.fixture
def silent_broker(monkeypatch):
    """A broker that accepts connections and never answers; counts them."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def accept():
            while not ended.is_set():
                try:
                    accepted.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        from config.celery import app

        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        monkeypatch.setattr(app.conf, "broker_write_url", url)
        hints._producers.cache_clear()
        yield accepted
        ended.set()
        thread.join()
    for one in accepted:
        one.close()
    hints._producers.cache_clear()
    hints._quiet_until = 0.0


def test_a_silent_broker_is_asked_once_and_the_nodes_wait_unhinted(silent_broker, publish):
    version = publish(executor_node("a"))
    for _ in range(5):
        lifecycle.start(version, {}, trigger="api", by=ANNA)
    assert ReadyNode.objects.filter(hint_due=None, hints=0).count() == 5
    once = len(silent_broker)
    dispatch.send(dispatch.take(timezone.now()))
    assert len(silent_broker) == once > 0
    assert ReadyNode.objects.filter(hint_due=None, hints=0).count() == 5


def test_waiting_for_the_broker_takes_a_second_at_most():
    # Connecting and one answer; after the first failure nothing more is tried.
    assert 2 * hints.PATIENCE <= 1


def test_hints_taken_back_do_not_lengthen_the_next_pause(make_run):
    make_run(*QUEUED)
    now = timezone.now()
    for _ in range(20):
        ids = [hint.node_id for hint in dispatch.take(now)]
        assert len(ids) == 2
        dispatch.withdraw(ids)
    dispatch.take(now)
    pause = timedelta(seconds=configured.ENGINE_REDISPATCH_SECONDS)
    assert set(ReadyNode.objects.values_list("hint_due", flat=True)) == {now + pause}


def test_a_node_that_nobody_takes_up_is_hinted_at_for_ever_with_a_bounded_pause(make_run):
    make_run(*QUEUED)
    ReadyNode.objects.update(hints=32_767)  # as many as the column can hold
    now = timezone.now()
    for _ in range(3):
        assert len(dispatch.take(now)) == 2
        longest = configured.ENGINE_REDISPATCH_SECONDS * 2**dispatch.MAX_DOUBLINGS
        assert ReadyNode.objects.first().hint_due == now + timedelta(seconds=longest)
        now += timedelta(seconds=longest + 1)
        assert dispatch.forget_unheeded(now) == 2


def test_taking_hints_back_does_not_wait_for_rows_that_others_hold(make_run):
    make_run(*QUEUED)
    first, second = sorted(hint.node_id for hint in dispatch.take(timezone.now()))
    done = threading.Event()

    def withdraw():
        dispatch.withdraw([second, first])
        connection.close()
        done.set()

    with transaction.atomic():
        ReadyNode.objects.select_for_update().get(node=second)
        thread = threading.Thread(target=withdraw)
        thread.start()
        wait_for(done.is_set, "the end of the withdrawal")
        free = ReadyNode.objects.filter(hint_due=None).values_list("node", flat=True)
        assert list(free) == [first]
    thread.join()
