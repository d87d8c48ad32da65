"""The list's stream: notices that runs changed, few, and never a queue."""

import asyncio
import time
from collections import Counter
from itertools import pairwise

import pytest
from django.utils import timezone

from runs import ids, live, recorder
from runs.live import Bell
from runs.rows import NewEvent
from runs.states import Kind
from runs.streams import frames, notices
from tests.runs.conftest import changed, new_run
from tests.runs.streams.conftest import collect, log

RESET = ("reset", {})


def call():
    price = {"model": "m", "input_tokens": 1, "output_tokens": 1, "cost": "0.1"}
    return NewEvent(Kind.LLM_CALL, node="first", attempt=1, data=price)


def settled(stream):
    """The stream, once the calls to refetch that follow a start are over."""
    list(stream.events(0.3))
    return stream


@pytest.fixture
def calm(web, broker, listen_to_list):
    """A web process that has heard the broker for a while has nothing to be unsure of."""
    with listen_to_list() as stream:
        since = max(web.started_at, web.calm_since, broker.started_at)
        if since != web.calm_since:
            list(stream.events(5))
            web.calm_since = time.monotonic()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("calm")
class TestOverTheWire:
    def test_a_new_run_and_its_changes_are_told(self, listen_to_list, make_run):
        stream = listen_to_list()
        run = make_run()
        [notice] = stream.take(1)
        [told] = notice.data["runs"]
        assert notice.name == "runs"
        assert notice.id is None
        assert told == {"id": ids.encode("run", run), "state": "created", "new": True}
        recorder.record({run: [changed("created", "active")]}, now=timezone.now())
        [notice] = stream.take(1)
        assert notice.data["runs"] == [{"id": told["id"], "state": "active", "new": False}]

    def test_what_no_list_shows_is_not_told(self, listen_to_list, make_run):
        run = make_run()
        stream = settled(listen_to_list())
        log(run, "a line")
        assert list(stream.events(0.6)) == []

    def test_a_run_is_told_once_each_quarter_of_a_second_at_most(self, listen_to_list, make_run):
        runs = [make_run() for _ in range(3)]
        for run in runs:
            recorder.record({run: [changed("created", "active")]}, now=timezone.now())
        stream = settled(listen_to_list())
        told = []
        reading = collect(stream, told, 4)
        begun, count = time.time(), 0
        while time.time() - begun < 2:
            recorder.record({run: [call()] for run in runs}, now=timezone.now())
            count += 1
        recorder.record({run: [changed("active", "failed")] for run in runs}, now=timezone.now())
        reading.join()
        times = Counter(run["id"] for notice in told for run in notice.data["runs"])
        assert count > 30
        assert set(times) == {ids.encode("run", run) for run in runs}
        # The first at once, then one a tick; the end comes in one of its own.
        assert max(times.values()) <= 2 / notices.TICK + 2
        for notice in told:
            assert len({run["id"] for run in notice.data["runs"]}) == len(notice.data["runs"])
        for before, after in pairwise(told):
            assert after.at - before.at > notices.TICK - 0.05
        assert {run["state"] for run in told[-1].data["runs"]} == {"failed"}

    def test_a_commit_of_very_many_runs_calls_for_a_refetch(self, listen_to_list, version):
        stream = listen_to_list()
        recorder.create([new_run(version) for _ in range(2_000)], now=timezone.now())
        told = [(notice.name, notice.data) for notice in stream.events(1.5)]
        assert RESET in told
        assert len(told) <= 4

    def test_the_page_refetches_when_the_broker_was_away(self, listen_to_list, mortal_broker):
        stream = listen_to_list()
        mortal_broker.kill()
        time.sleep(0.5)
        mortal_broker.start()
        first, second = stream.take(2, seconds=12)
        # Once when it is back, once when all who ring have noticed that it is.
        assert (first.name, second.name) == ("reset", "reset")
        assert second.at - first.at > live.PAUSE_AFTER_FAILURE
        assert list(stream.events(3)) == []


def bell(number, run=None, **fields):
    given = {"state": "active", "new": False, "visible": True, **fields}
    return Bell(run or ids.new_id(), number, **given)


async def follow(told):
    following = told.follow()
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    return following, first


def test_who_falls_behind_is_told_to_refetch(monkeypatch):
    monkeypatch.setattr(notices, "TICK", 0.001)

    async def scenario():
        told = notices.Notices()
        following, first = await follow(told)
        for number in range(5 * notices.TAIL_ENTRIES):
            told.heard(bell(number))
            await asyncio.sleep(0.002)
        assert (await first).count(b"event: runs") == 1
        assert len(told._tail._entries) == notices.TAIL_ENTRIES
        assert await anext(following) == frames.RESET
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.002)
        told.heard(bell(1, state="failed"))
        assert b'"failed"' in await waiting

    asyncio.run(scenario())


def test_bells_of_one_tick_are_told_as_one_with_the_newest_state():
    async def scenario():
        told = notices.Notices()
        _, first = await follow(told)
        run = ids.new_id()
        # They may overtake each other on their way.
        told.heard(bell(3, run, state="failed"))
        told.heard(bell(1, run, state="created", new=True))
        told.heard(bell(2, run, state="active"))
        told.heard(bell(9, run, state="active", visible=False))
        expected = {"id": ids.encode("run", run), "state": "failed", "new": True}
        assert await first == frames.runs_frame([expected])

    asyncio.run(scenario())


def test_nothing_is_kept_while_nobody_listens():
    async def scenario():
        told = notices.Notices()
        for number in range(100):
            told.heard(bell(number))
        told.reset()
        assert (told._changed, len(told._tail._entries)) == ({}, 0)

    asyncio.run(scenario())
