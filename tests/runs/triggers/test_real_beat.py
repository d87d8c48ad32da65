"""Schedules and triggers on runs' ends with two real beats and two workers of the pulse."""

import subprocess
from datetime import timedelta

import pytest
from django.db.models import Count
from django.utils import timezone

from config.embedded.portal import beat
from runs.models import Event, Run
from tests.runs.conftest import executor_node
from tests.runs.engine.conftest import broker as broker
from tests.runs.engine.conftest import environment, wait_for
from tests.runs.engine.conftest import start_worker as start_worker

LATE = 12


@pytest.fixture
def two_beats(start_worker, tmp_path):
    argv, log = beat(tmp_path, {}).argv, (tmp_path / "beat.log").open("ab")
    beats = [
        subprocess.Popen(argv, stdout=log, stderr=log, env=environment(), start_new_session=True)
        for _ in range(2)
    ]
    for _ in range(2):
        start_worker(queues="control")
    yield beats
    for process in beats:
        process.kill()
        process.wait(10)
    log.close()


@pytest.mark.long
def test_two_beats_start_nothing_twice(target, make_trigger, publish, start_worker, two_beats):
    publish(executor_node("only"), slug="after")
    ended = {"run_ends": {"workflow": "target", "states": ["completed"]}}
    make_trigger("event", ended, [{"start": "after", "input": "$.run.id"}], name="after")
    since = timezone.now() - timedelta(minutes=LATE)
    every_minute = {"cron": "* * * * *", "catch_up": True}
    make_trigger(when=every_minute, name="every minute", now=since)
    start_worker(concurrency=2)

    def all_have_ended():
        scheduled = Run.objects.filter(trigger="schedule")
        followed = Run.objects.filter(trigger="event", state="completed")
        return scheduled.count() >= LATE and followed.count() == scheduled.count()

    assert all(each.poll() is None for each in two_beats)
    wait_for(all_have_ended, "each run and what follows it", 90)
    assert all(each.poll() is None for each in two_beats)
    first = Event.objects.filter(seq=1)
    due = first.filter(run__trigger="schedule").values("data__fired__payload__due_at")
    assert not due.annotate(count=Count("pk")).filter(count__gt=1)
    cause = first.filter(run__trigger="event").values("data__fired__cause")
    assert not cause.annotate(count=Count("pk")).filter(count__gt=1)
    # And none was left out.
    minutes = sorted(str(each["data__fired__payload__due_at"]) for each in due)
    assert len(minutes) in (LATE, LATE + 1)
    assert int(minutes[-1][14:16]) - int(minutes[0][14:16]) in (len(minutes) - 1, len(minutes) - 61)
