"""What Services and /metrics say of the nights: of those that went wrong, and of none at all."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retention import night_health
from retention.models import Execution
from runs.services.finding import Status
from tests.retention.nightly import policy

# It is asked for over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)
HOUR = 3600


def on_for(hours, **fields):
    policy(nights_from=timezone.now() - timedelta(hours=hours), **fields)


def night(hours_ago, state="finished", **fields):
    ended = timezone.now() - timedelta(hours=hours_ago)
    Execution.objects.create(
        kind="archive", state=state, night=ended.date(), started_by="schedule",
        created_at=ended, moved_at=ended, ended_at=ended, **fields,
    )  # fmt: skip


def test_before_the_first_night_all_is_well():
    on_for(35)
    found = night_health.look()
    assert (found.status, found.words) == (Status.UP, "No night yet")


def test_a_first_night_that_never_comes_shows():
    on_for(37)
    found = night_health.look()
    assert found.status == Status.DEGRADED
    assert found.words.startswith("No night has ended for 37 h")
    assert 37 * HOUR <= night_health.age_of_last_night(1.0) < 38 * HOUR


def test_nights_that_do_not_come_any_more_show():
    on_for(900)
    night(37)
    assert night_health.look().status == Status.DEGRADED
    assert 37 * HOUR <= night_health.age_of_last_night(1.0) < 38 * HOUR


def test_nights_that_are_off_are_no_trouble_and_have_no_age():
    on_for(900, is_on=False)
    night(800, "failed", trouble="storage is away")
    found = night_health.look()
    assert (found.status, found.words) == (Status.UP, "The nightly run is off")
    assert night_health.age_of_last_night(1.0) is None


def test_nights_that_were_switched_on_again_have_their_time():
    on_for(3)
    night(800)
    found = night_health.look()
    assert found.status == Status.UP
    assert 3 * HOUR <= night_health.age_of_last_night(1.0) < 4 * HOUR


@pytest.mark.parametrize(
    ("state", "fields", "words"),
    [
        ("failed", {"trouble": "storage is away"}, "The last night gave up: storage is away"),
        ("finished", {"errors": 1_200}, "The last night met 1,200 errors"),
    ],
)
def test_a_night_that_went_wrong_shows(state, fields, words):
    on_for(900)
    night(3, state, **fields)
    found = night_health.look()
    assert (found.status, found.words) == (Status.DEGRADED, words)


def test_a_night_that_went_well_is_told_of():
    on_for(900)
    night(3, archived=1_200)
    found = night_health.look()
    assert found.status == Status.UP
    assert found.words == "Last night ended 3 h ago, 1,200 archived"
