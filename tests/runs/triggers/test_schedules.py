"""Schedules: what fires when, and how often."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle
from runs.models import Firing, Run, Trigger
from runs.triggers import changes, cron, schedule
from tests.runs.conftest import ANNA

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour, minute=0, second=0, day=1):
    return datetime(2026, 6, day, hour, minute, second, tzinfo=UTC)


def test_it_fires_at_its_time_in_its_zone(target, make_trigger):
    trigger = make_trigger(now=MIDNIGHT)
    assert trigger.next_due_at == at(4)  # six in Berlin, in summer
    assert schedule.tick(at(3, 59, 59)) == 0
    assert schedule.tick(at(4)) == 1
    run = Run.objects.get()
    assert (run.trigger, run.triggered_by, run.ref_type) == ("schedule", "nightly", "schedule")
    created = run.events.get(seq=1).data
    assert created["input"] == {"a": 1}
    assert created["fired"]["payload"]["due_at"] == "2026-06-01T04:00:00.000Z"
    trigger.refresh_from_db()
    assert trigger.next_due_at == at(4, day=2)
    assert schedule.tick(at(4, 0, 30)) == 0


def test_a_clock_that_goes_back_starts_nothing_twice(target, make_trigger):
    trigger = make_trigger(now=MIDNIGHT)
    schedule.tick(at(4))
    type(trigger).objects.filter(pk=trigger.pk).update(next_due_at=at(4))
    schedule.tick(at(4, 0, 10))
    assert Run.objects.count() == 1


def test_times_that_were_missed_are_told_in_one_line(target, make_trigger):
    trigger = make_trigger(when={"cron": "*/10 * * * *"}, now=MIDNIGHT)
    schedule.tick(at(2, 0, 20))
    assert Run.objects.count() == 1  # that of two o'clock
    missed = trigger.firings.get(status="skipped")
    assert missed.count == 11
    assert "2026-06-01 00:10 UTC to 2026-06-01 01:50 UTC" in missed.reason


def test_times_that_were_missed_are_caught_up_where_that_is_wanted(target, make_trigger):
    trigger = make_trigger(when={"cron": "*/10 * * * *", "catch_up": True}, now=MIDNIGHT)
    now = at(6, 0, 1)
    while schedule.tick(now):
        pass
    assert Run.objects.count() == 36
    due = [run.events.get(seq=1).data["fired"]["payload"]["due_at"] for run in Run.objects.all()]
    assert len(set(due)) == 36
    assert not trigger.firings.exclude(status="started").exists()


def test_it_is_skipped_while_its_last_run_goes(target, make_trigger):
    trigger = make_trigger(when={"cron": "0 * * * *", "skip_if_running": True}, now=MIDNIGHT)
    schedule.tick(at(1))
    schedule.tick(at(2))
    first = Run.objects.get()
    assert trigger.firings.get(status="skipped").reason == f"{first.public_id} had not ended"
    lifecycle.terminate(Run.objects.all(), by=ANNA)
    schedule.tick(at(3))
    assert Run.objects.count() == 2


def test_switched_off_it_does_not_fire_and_nothing_is_caught_up_later(ada, target, make_trigger):
    trigger = make_trigger(when={"cron": "0 * * * *", "catch_up": True}, now=MIDNIGHT)
    assert changes.switch(ada, trigger, False, now=at(0, 30))
    assert schedule.tick(at(5)) == 0
    assert changes.switch(ada, trigger, True, now=at(5, 30))
    trigger.refresh_from_db()
    assert trigger.next_due_at == at(6)


def test_one_that_cannot_start_its_workflow_says_so_and_holds_up_no_other(
    target, publish, make_trigger
):
    broken = make_trigger(name="a", now=MIDNIGHT)
    broken.rule["then"][0]["version"] = 7
    broken.save()
    make_trigger(name="b", now=MIDNIGHT)
    schedule.tick(at(4))
    firing = Firing.objects.get(trigger__name="a")
    assert (firing.status, firing.reason) == ("failed", "target has no version 7")
    assert Run.objects.get().triggered_by == "b"


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_start_nothing_twice(target, make_trigger):
    now = timezone.now().replace(second=0, microsecond=0)
    make_trigger(
        when={"cron": "* * * * *", "catch_up": True}, now=now - timedelta(minutes=15, seconds=1)
    )
    barrier = threading.Barrier(4)

    def beat():
        barrier.wait()
        schedule.tick(now)
        connection.close()

    threads = [threading.Thread(target=beat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while schedule.tick(now):
        pass
    assert Run.objects.count() == Firing.objects.count() == 16


def test_one_whose_zone_had_vanished_goes_on_when_it_is_back(target, make_trigger, monkeypatch):
    trigger = make_trigger(now=MIDNIGHT)
    due = trigger.next_due_at
    with monkeypatch.context() as gone:
        gone.setattr(cron, "_known", lambda: frozenset({"UTC"}))
        schedule.tick(due)
        schedule.take_up(due)
        assert trigger.firings.get().status == "failed"
        assert not Trigger.objects.due(due + timedelta(days=9)).exists()
    schedule.take_up(due + timedelta(minutes=1))
    trigger.refresh_from_db()
    assert trigger.next_due_at == due + timedelta(days=1)
