"""Bells: published by django-eventstream, many in one message, heard as they were rung."""

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
    assert [bell for message in heard(2) for bell in live.parse(message)] == rung


def test_bells_are_what_django_eventstream_sends(heard):
    [bell] = bells(1)
    live.ring([bell])
    data = [[bell.run_id.hex, 1, "active", True, True]]
    eventstream.send_event(live.CHANNEL, live.BELLS, data)
    first, second = heard(2)
    assert first == second
    message = json.loads(first)
    assert (message["channel"], message["event_type"]) == ("runs", "bells")
    assert json.loads(message["data"]) == data


def test_a_message_has_a_bounded_number_of_bells(heard):
    rung = bells(live.PEAL + 1)
    live.ring(rung)
    many, one = (live.parse(message) for message in heard(2))
    assert many + one == rung
    assert one == rung[-1:]


def test_a_hung_broker_costs_half_a_second_and_then_nothing(settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        settings.EVENTSTREAM_REDIS = {**settings.EVENTSTREAM_REDIS, **own}
        monkeypatch.setattr(eventstream, "redis_client", live._broker())
        ringer = live._Ringer()
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
        b'{"channel": "runs", "event_type": "bells", "data": "{}"}',
        b'{"channel": "runs", "event_type": "bells", "data": "7"}',
        b'{"channel": "runs", "event_type": "bells", "data": "[[1]]"}',
        b'{"channel": "runs", "event_type": "bells", "data": "[[\\"x\\", 1, \\"\\", 1, 1]]"}',
        b'{"channel": 1, "event_type": "bells", "data": "[]"}',
        b'{"channel": "other", "event_type": "message", "data": "{}", "pub_id": null}',
    ],
)
def test_what_is_no_bell_is_passed_over(message):
    assert live.parse(message) == []
