"""Bells: published as django-eventstream does, many in one trip, heard as they were rung."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest
import redis
from django_eventstream import eventstream

from runs import ids, live
from runs.live import Bell


@pytest.fixture
def heard(broker, _ring_own_broker):
    """What arrives at the broker's channel."""
    at = urlsplit(broker.url)
    client = redis.Redis(at.hostname, at.port, password=at.password)
    pubsub = client.pubsub()
    pubsub.subscribe(live.REDIS_CHANNEL)
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"

    def hear(count):
        return [pubsub.get_message(timeout=5)["data"] for _ in range(count)]

    yield hear
    client.close()


def bells(count):
    return [
        Bell(ids.new_id(), number, "active", new=number == 1, visible=bool(number % 2))
        for number in range(1, count + 1)
    ]


def test_bells_arrive_as_they_were_rung(heard):
    rung = bells(50)
    live.ring(rung[:1])
    live.ring(rung[1:])
    assert [live.parse(message) for message in heard(50)] == rung


def test_a_bell_is_what_django_eventstream_sends(heard):
    [bell] = bells(1)
    live.ring([bell])
    data = {"seq": 1, "state": "active", "new": True, "visible": True}
    eventstream.send_event(live.channel_of(bell.run_id), live.BELL, data)
    first, second = heard(2)
    assert first == second
    message = json.loads(first)
    assert message["channel"] == f"run-{bell.run_id}"
    assert (message["event_type"], message["pub_id"]) == ("bell", "1")
    assert json.loads(message["data"]) == data


def test_many_bells_are_one_trip(heard, monkeypatch):
    trips = []
    execute = redis.client.Pipeline.execute
    monkeypatch.setattr(
        redis.client.Pipeline, "execute", lambda self: trips.append(len(self)) or execute(self)
    )
    live.ring(bells(300))
    assert trips == [300]
    assert len(heard(300)) == 300


def test_a_hung_broker_costs_half_a_second_and_then_nothing(settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        settings.EVENTSTREAM_REDIS = {**settings.EVENTSTREAM_REDIS, **own}
        client = live._Broker()
        monkeypatch.setattr(eventstream, "redis_client", client)
        ringer = live._Ringer(client)
        begun = time.monotonic()
        for _ in range(100):
            ringer.ring(bells(3))
        assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b"\xff",
        b'{"channel": "run-x", "event_type": "bell", "data": "{}"}',
        b'{"channel": 1, "event_type": "bell", "data": "{}"}',
        b'{"channel": "other", "event_type": "message", "data": "{}", "pub_id": null}',
        b'{"channel": "run-x", "event_type": "bell", "data": "[]"}',
    ],
)
def test_what_is_no_bell_is_passed_over(message):
    assert live.parse(message) is None
