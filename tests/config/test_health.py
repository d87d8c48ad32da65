"""What ``/healthz`` says when a part is missing, and that it says it soon."""

import asyncio
import json
import socket
import time

import pytest
from django.db import connections

from config import health
from runs import heartbeat
from tests.portal import PARTS

pytestmark = pytest.mark.django_db


WORKER = heartbeat.Process("worker", "runs@here", ("runs",))
CONTROL = heartbeat.Process("worker", "control@here", ("control",))
BULK = heartbeat.Process("worker", "bulk@here", ("bulk",))
BEAT = heartbeat.Process("beat", "1@here")


@pytest.fixture(autouse=True)
def _unasked(monkeypatch):
    """As in a process that was never asked before."""
    monkeypatch.setattr(health, "database", health.Probe(health.Database()))
    monkeypatch.setattr(health, "broker", health.Probe(health.Broker()))
    heartbeat.forget_all()
    yield
    heartbeat.forget_all()


@pytest.fixture
def silent_port():
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ask() -> tuple[int, dict]:
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(health.health({"type": "http", "path": "/healthz"}, None, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_all_is_well_with_workers_and_beat():
    heartbeat.give(WORKER)
    heartbeat.give(CONTROL)
    heartbeat.give(BULK)
    heartbeat.give(BEAT)
    assert ask() == (200, {"status": "ok", "parts": dict.fromkeys(PARTS, "ok")})


def test_a_queue_without_a_worker_shows():
    heartbeat.give(WORKER)
    heartbeat.give(BEAT)
    status, answer = ask()
    assert (status, answer["status"]) == (503, "not ready")
    assert answer["parts"]["worker"] == "missing for bulk, control"
    assert answer["parts"]["beat"] == "ok"


def test_one_worker_may_serve_all_queues():
    heartbeat.give(heartbeat.Process("worker", "all@here", ("bulk", "control", "runs")))
    assert ask()[1]["parts"]["worker"] == "ok"


def test_a_worker_that_fell_silent_is_missing(monkeypatch):
    heartbeat.give(WORKER)
    monkeypatch.setattr(heartbeat, "ALIVE", -1)
    assert ask()[1]["parts"]["worker"] == "missing for bulk, control, runs"


def test_a_worker_that_said_good_bye_is_missing_at_once():
    heartbeat.give(WORKER)
    heartbeat.forget(WORKER)
    assert heartbeat.ages() == {}


def test_a_migration_that_is_not_applied_shows(monkeypatch):
    wanted = health.migrations() | {("runs", "9999_of_the_next_release")}
    monkeypatch.setattr(health, "migrations", lambda: wanted)
    parts = ask()[1]["parts"]
    assert (parts["database"], parts["migrations"]) == ("ok", "pending")


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_servers_that_are_away_are_told_within_two_seconds(settings, monkeypatch, silent_port, how):
    port = silent_port if how == "hangs" else 1
    database = connections["default"].settings_dict
    monkeypatch.setitem(database, "HOST", "127.0.0.1")
    monkeypatch.setitem(database, "PORT", port)
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    begun = time.monotonic()
    status, answer = ask()
    assert time.monotonic() - begun < 2
    assert status == 503
    assert answer["parts"] == health.Database.silent | health.Broker.silent


class Slow:
    """A server that takes its time."""

    silent = {"part": "no answer"}

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.looks = 0

    async def look(self) -> dict[str, str]:
        self.looks += 1
        await asyncio.sleep(self.seconds)
        return {"part": "ok"}


def test_many_who_ask_at_once_are_one_to_the_server():
    server = Slow(0.01)

    async def crowd():
        probe = health.Probe(server)
        return await asyncio.gather(*(probe.parts() for _ in range(100)))

    assert asyncio.run(crowd()) == [{"part": "ok"}] * 100
    assert server.looks == 1


def test_a_look_that_hangs_is_not_repeated(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    server = Slow(60)

    async def ask_often():
        probe = health.Probe(server)
        return [await probe.parts() for _ in range(5)]

    assert asyncio.run(ask_often()) == [{"part": "no answer"}] * 5
    assert server.looks == 1
