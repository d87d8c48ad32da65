"""When a night begins: once, whatever the clock, the portal or a second beat does."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from retention import changing, hours, nights, values
from retention.models import Execution, Policy
from runs.models import AuditEntry
from tests.retention.nightly import ANNA, policy


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hour", "now", "night", "begins"),
    [
        ("UTC", 2, "2026-05-04 02:00", date(2026, 5, 4), "2026-05-04 02:00"),
        ("UTC", 2, "2026-05-04 01:59", date(2026, 5, 3), "2026-05-03 02:00"),
        ("Europe/Berlin", 2, "2026-05-04 00:30", date(2026, 5, 4), "2026-05-04 00:00"),
        ("America/New_York", 23, "2026-05-04 03:30", date(2026, 5, 3), "2026-05-04 03:00"),
        # The clock goes from 02:00 to 03:00: there is no 02:00 in Berlin that day.
        ("Europe/Berlin", 2, "2026-03-29 00:59", date(2026, 3, 28), "2026-03-28 01:00"),
        ("Europe/Berlin", 2, "2026-03-29 01:00", date(2026, 3, 29), "2026-03-29 01:00"),
        # And here 02:00 comes twice: at 00:00 UTC, and again at 01:00.
        ("Europe/Berlin", 2, "2026-10-25 00:00", date(2026, 10, 25), "2026-10-25 00:00"),
        ("Europe/Berlin", 2, "2026-10-25 01:00", date(2026, 10, 25), "2026-10-25 00:00"),
        # So far from UTC, the date there is the next one.
        ("Pacific/Kiritimati", 2, "2026-05-03 12:00", date(2026, 5, 4), "2026-05-03 12:00"),
    ],
)
def test_a_night_is_named_by_its_date_and_begins_when_the_clock_has_passed_its_hour(
    zone, hour, now, night, begins
):
    assert hours.latest(hour, zone, at(now)) == (night, at(begins))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
def test_over_a_year_no_night_is_left_out_and_none_comes_twice(zone, hour):
    now, seen = at("2026-01-01 12:00"), []
    while now < at("2027-01-02 12:00"):
        night, begins = hours.latest(hour, zone, now)
        assert begins <= now < hours.following(hour, zone, now)
        if not seen or seen[-1] != night:
            seen.append(night)
        now += timedelta(minutes=30)
    assert seen == sorted(set(seen))
    assert (seen[-1] - seen[0]).days == len(seen) - 1


@pytest.mark.django_db
def test_a_night_is_begun_once_and_audited():
    policy(hour=2, zone="UTC")
    assert nights.begin_due(at("2026-05-04 02:00")).night == date(2026, 5, 4)
    Execution.objects.update(state="finished")
    assert nights.begin_due(at("2026-05-04 02:00")) is None
    assert nights.begin_due(at("2026-05-04 23:59")) is None
    assert nights.begin_due(at("2026-05-05 02:01")).night == date(2026, 5, 5)
    entry = AuditEntry.objects.latest("id")
    assert (entry.actor, entry.action) == ("schedule", "begin archive")


@pytest.mark.django_db
def test_missed_nights_are_caught_up_by_one():
    policy(hour=2, zone="UTC")
    nights.begin_due(at("2026-05-04 02:00"))
    Execution.objects.update(state="finished")
    caught_up = nights.begin_due(at("2026-05-09 14:10"))
    assert caught_up.night == date(2026, 5, 9)
    Execution.objects.update(state="finished")
    assert nights.begin_due(at("2026-05-09 14:15")) is None
    assert nights.begin_due(at("2026-05-10 02:00")).night == date(2026, 5, 10)


@pytest.mark.django_db
def test_the_next_night_begins_when_the_one_before_has_ended():
    policy(hour=2, zone="UTC")
    nights.begin_due(at("2026-05-04 02:00"))
    assert nights.begin_due(at("2026-05-05 02:00")) is None
    Execution.objects.update(state="finished")
    assert nights.begin_due(at("2026-05-05 03:00")).night == date(2026, 5, 5)


@pytest.mark.django_db
def test_what_is_installed_in_the_day_begins_with_the_next_night():
    policy(hour=2, zone="UTC", nights_from=at("2026-05-04 15:00"))
    assert nights.begin_due(at("2026-05-04 15:00")) is None
    assert nights.begin_due(at("2026-05-05 02:00")).night == date(2026, 5, 5)


def change(when, **fields):
    saved = values.saved()
    return changing.change(
        replace(saved, **fields),
        revision=saved.revision,
        is_confirmed=True,
        by=ANNA,
        reason="",
        now=at(when),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"hour": 9}, {"zone": "Asia/Tokyo"}, {"is_on": True}])
def test_no_night_begins_just_because_it_was_switched_on_or_set_to_another_hour(fields):
    policy(hour=8, zone="UTC", is_on="is_on" not in fields)
    change("2026-05-05 10:00", **fields)
    assert nights.begin_due(at("2026-05-05 10:00")) is None
    assert nights.begin_due(at("2026-05-06 09:00")) is not None


@pytest.mark.django_db
def test_hours_that_were_changed_while_nights_were_off_are_not_made_up_for_either():
    policy(hour=8, zone="UTC", is_on=False)
    change("2026-05-05 07:00", hour=9)
    change("2026-05-05 10:00", is_on=True)
    assert nights.begin_due(at("2026-05-05 10:00")) is None


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"restore_days": 3}, {"completed_days": 10}, {"is_on": True}])
def test_a_missed_night_is_made_up_for_whatever_else_was_saved_since(fields):
    policy(hour=2, zone="UTC")
    change("2026-05-05 10:00", **fields)
    assert nights.begin_due(at("2026-05-05 10:01")).night == date(2026, 5, 5)


@pytest.mark.django_db
def test_another_zone_or_hour_brings_no_night_a_second_time():
    policy(hour=2, zone="UTC")
    nights.begin_due(at("2026-05-04 02:00"))
    Execution.objects.update(state="finished")
    policy(hour=5, zone="UTC")
    assert nights.begin_due(at("2026-05-04 05:00")) is None
    policy(hour=23, zone="America/New_York")
    assert nights.begin_due(at("2026-05-04 04:00")) is None


@pytest.mark.django_db
def test_none_is_begun_while_the_policy_is_off():
    policy(hour=2, zone="UTC", is_on=False)
    assert nights.begin_due(at("2026-05-04 02:00")) is None


@pytest.mark.django_db
def test_the_migration_lets_the_first_night_be_the_next_one():
    Policy.objects.filter(pk=1).delete()
    Policy.objects.create(pk=1)
    made = Policy.objects.get(pk=1)
    assert timezone.now() - made.nights_from < timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_two_beats_begin_one():
    policy(hour=2, zone="UTC")
    gate, begun = threading.Barrier(4), []

    def beat():
        try:
            gate.wait()
            begun.append(nights.begin_due(at("2026-05-04 02:00")))
        finally:
            connection.close()

    threads = [threading.Thread(target=beat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([execution for execution in begun if execution]) == 1
    assert Execution.objects.get().night == date(2026, 5, 4)
