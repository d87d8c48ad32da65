"""Whatever falls over, a client ends up with exactly the table's sequence."""

import logging
import os
import random
import threading
import time
from contextlib import ExitStack, suppress
from signal import SIGKILL, SIGTERM

import pytest
from django.db import connection, transaction
from django.utils import timezone

from runs import ids, live, recorder
from tests.runs.conftest import new_run
from tests.runs.streams.client import Ended, differences
from tests.runs.streams.conftest import collect, log, stored, writing
from tests.runs.streams.servers import (
    cut_database_connections,
    database_away,
    database_connections,
)

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))

pytestmark = pytest.mark.django_db(transaction=True)


def gather(stream, run, received):
    """Everything that is still to come, once nothing more is recorded."""
    last = stored(run)[-1]["seq"]
    if not received or received[-1].id < last:
        received.extend(stream.until(last))
    return received


@pytest.mark.long
def test_random_reconnects_lose_and_double_nothing(listen, make_run):
    run = make_run()
    dice = random.Random(20260823)
    received = []
    with writing(run, seconds=6, pause=0.002) as writer:
        while writer.is_alive():
            stream = listen(run, after=received[-1].id if received else 0)
            received.extend(stream.events(dice.choice([0.0, 0.01, 0.05, 0.2, 0.7])))
            stream.close()
    gather(listen(run, after=received[-1].id), run, received)
    assert len(received) > 100
    assert differences(received, stored(run)) == []


@pytest.mark.long
def test_many_writers_and_readers_of_one_run(listen, make_run):
    run = make_run()
    streams = [listen(run, after=0) for _ in range(10)]
    received = [[] for _ in streams]
    with writing(run, 3, 0), writing(run, 3, 0), writing(run, 3, 0):
        threads = [collect(s, r, 3) for s, r in zip(streams, received, strict=True)]
        for thread in threads:
            thread.join()
    for stream, got in zip(streams, received, strict=True):
        assert differences(gather(stream, run, got), stored(run)) == []


@pytest.mark.long
def test_the_broker_restarts_in_mid_stream(web, listen, make_run, mortal_broker):
    run, quiet = make_run(), make_run()
    stream, other = listen(run), listen(quiet)
    received = []
    with writing(run, seconds=6):
        reading = collect(stream, received, 6)
        time.sleep(1)
        mortal_broker.kill()
        log(quiet, "while it is away")
        [missed] = other.take(1, seconds=4)
        assert missed.data["data"] == {"message": "while it is away"}
        mortal_broker.start()
        reading.join()
    assert differences(gather(stream, run, received), stored(run)[1:]) == []
    # Live again, without waiting for a look at the log.
    time.sleep(live.PAUSE_AFTER_FAILURE)
    begun = time.time()
    log(run, "after")
    assert stream.take(1)[0].at - begun < 1


def test_a_lost_bell_only_delays(listen, make_run, monkeypatch):
    run = make_run()
    stream = listen(run)
    monkeypatch.setattr(live, "ring", lambda _: None)
    log(run, "unheard")
    assert [event.id for event in stream.take(1, seconds=6)] == [2]


def test_a_commit_stands_and_is_quick_while_the_broker_is_away(
    version, mortal_broker, anna, caplog
):
    caplog.set_level(logging.INFO, logger="runs.live")
    mortal_broker.kill()
    run = new_run(version)
    begun = time.monotonic()
    recorder.create([run], now=timezone.now())
    for number in range(20):
        log(run.id, str(number))
    assert time.monotonic() - begun < 2
    assert len(stored(run.id)) == 21
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    mortal_broker.start()
    time.sleep(live.PAUSE_AFTER_FAILURE)
    log(run.id, "heard")
    assert [record.message for record in caplog.records][1:] == ["live updates go on"]


@pytest.mark.parametrize("number", [pytest.param(SIGTERM, marks=pytest.mark.long), SIGKILL])
def test_the_web_process_restarts(web, listen, make_run, number):
    run = make_run()
    received = []
    with writing(run, seconds=5):
        stream = listen(run, after=0)
        reading = collect(stream, received)
        time.sleep(1)
        web.stop(number)
        reading.join()
        web.start()
        assert received
        stream = listen(run, after=received[-1].id)
        collect(stream, received, 1).join()
    assert differences(gather(stream, run, received), stored(run)) == []


@pytest.mark.long
def test_open_streams_do_not_hold_up_a_shutdown(web, listen, listen_to_list, make_run):
    runs = [make_run() for _ in range(5)]
    streams = [listen(run) for run in runs for _ in range(4)] + [listen_to_list()]
    # One that does not read, with more to come than fits anywhere.
    stuck = listen(runs[0], receive_buffer=4096)
    for _ in range(10):
        log(runs[0], *("x" * 10_000 for _ in range(100)))
    time.sleep(0.5)
    before = web.log()
    assert web.stop() < 4
    for stream in streams:
        stream.wait_for_end(1)
    stuck.close()
    assert "Traceback" not in web.log().removeprefix(before)
    web.start()


def test_a_shutdown_with_readers_is_quick_and_says_nothing(web, listen, listen_to_list, make_run):
    run = make_run()
    streams = [listen(run, after=0) for _ in range(20)] + [listen_to_list()]
    streams[0].take(1)
    before = web.log()
    assert web.stop() < 1.5
    for stream in streams:
        stream.wait_for_end(1)
    assert web.log() == before
    web.start()


def test_database_connections_are_cut_in_mid_stream(listen, make_run):
    run = make_run()
    stream = listen(run, after=0)
    received, cut = [], 0
    with writing(run, seconds=5) as writer:
        reading = collect(stream, received, 5)
        while writer.is_alive():
            cut += cut_database_connections()
            time.sleep(0.2)
        reading.join()
    assert cut > 5
    assert differences(gather(stream, run, received), stored(run)) == []


def test_streams_outlive_the_database_being_away(web, listen, make_run):
    run = make_run()
    stream, behind = listen(run), listen(run, after=0)
    late = []
    with database_away():
        last = log(run, *map(str, range(2_000)))
        # Who comes now waits for the database instead of being turned away.
        opening = threading.Thread(target=lambda: late.append(listen(run, after=0)))
        opening.start()
        time.sleep(2)
        assert not late
    back = time.time()
    opening.join(5)
    received = stream.until(last)
    assert received[-1].at - back < 2
    assert differences(received, stored(run)[1:]) == []
    assert differences(behind.until(last), stored(run)) == []
    assert differences(late[0].until(last), stored(run)) == []


def test_who_waited_too_long_for_the_database_may_come_back(web, session, make_run):
    path = f"/api/sse-logs/{ids.encode('run', make_run())}"
    with database_away():
        answer = web.open(path, session)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.body()["detail"] == "The database does not answer."
    assert web.open(path, session).status == 200


def test_a_log_that_left_for_the_archive_holds_nobody_up(web, listen, make_run):
    run = make_run()
    log(run, *map(str, range(1_000)))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL runs.purge = 'on'")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq <= 700", [run])
    streams = [listen(run, after=after) for after in (0, 300, 700)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL runs.purge = 'on'")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s", [run])
    streams += [listen(run, after=after) for after in (0, 1_001)]
    time.sleep(1)
    before = web.cpu_seconds()
    time.sleep(1)
    assert web.cpu_seconds() - before < 0.5  # it does not look for them again and again
    last = log(run, "late")
    for stream in streams:
        assert stream.until(last)[-1].data["data"] == {"message": "late"}


# What a client meets while the web process is down or the database is away.
GONE = (Ended, OSError, AssertionError)


class Browser(threading.Thread):
    """A client that reconnects for ever with the last id it got, as browsers do."""

    def __init__(self, listen, run, dice):
        super().__init__()
        self._listen, self._dice, self.run_id = listen, dice, run
        self.received = []
        self.stopped = False

    def run(self):
        while not self.stopped:
            last = self.received[-1].id if self.received else 0
            with suppress(*GONE), self._listen(self.run_id, after=last) as stream:
                self.received.extend(stream.events(self._dice.choice([0.1, 1, 5])))
            time.sleep(0.1)


@pytest.mark.long
def test_everything_falls_over_and_over(web, listen, make_run, mortal_broker):
    dice = random.Random(7)
    runs = [make_run() for _ in range(4)]
    browsers = [Browser(listen, run, random.Random(n)) for n in range(4) for run in runs]
    mishaps = [
        lambda: (mortal_broker.kill(), time.sleep(1), mortal_broker.start()),
        cut_database_connections,
        lambda: (web.stop(dice.choice([SIGTERM, SIGKILL])), web.start()),
    ]
    for browser in browsers:
        browser.start()
    with ExitStack() as writers:
        for run in runs:
            writers.enter_context(writing(run, SOAK_SECONDS, pause=0.05))
        deadline = time.monotonic() + SOAK_SECONDS
        while time.monotonic() < deadline:
            dice.choice(mishaps)()
            time.sleep(dice.uniform(0, 2))
    for browser in browsers:
        browser.stopped = True
        browser.join()
        received = browser.received
        stream = listen(browser.run_id, after=received[-1].id)
        assert differences(gather(stream, browser.run_id, received), stored(browser.run_id)) == []


@pytest.mark.long
def test_streams_need_three_database_connections_at_most(listen, make_run):
    runs = [make_run() for _ in range(10)]
    streams = [listen(run, after=0) for run in runs for _ in range(10)]
    for run in runs:
        log(run, *map(str, range(1_000)))
    most = 0
    for stream in streams:
        stream.until(1_001)
        most = max(most, database_connections())
    assert 1 <= most <= 3
