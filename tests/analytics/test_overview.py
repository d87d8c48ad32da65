"""The admin's home: what runs now, how the last day went, and where each figure leads."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from analytics import overview
from runs.filters import RunFilter
from runs.models import Run
from tests.analytics.pages import chart, figures, person, text
from tests.analytics.test_upkeep import begun, call, end, fail, settled, work
from tests.runs.stories import Story, node, publish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client_of_ben(client):
    client.force_login(person("ben", "runs.view_run"))
    return client


@pytest.fixture
def told(db):
    """Two hours ago: four runs that completed, and two that failed; now one that runs."""
    settled()
    version = publish(node("ocr"), slug="intake")
    for minute in range(6):
        story = begun(version, zero=timezone.now() - timedelta(hours=2, minutes=minute))
        if minute < 2:
            fail(story)
        else:
            work(story, "ocr", 4, at=1)
            end(story, after=5)
    Story(version, zero=timezone.now() - timedelta(seconds=9)).at(1).active()
    settled()
    return version


def listed(link):
    """The runs that the list shows behind a link."""
    wanted, errors = RunFilter.parse(QueryDict(link.partition("?")[2]))
    assert not errors
    return wanted.apply(Run.objects.all(), timezone.now())


def test_the_front_door_is_the_overview_for_who_may_see_runs(told, client_of_ben):
    answer = client_of_ben.get(reverse("admin:index"))
    page = text(answer)
    found = figures(answer)
    assert found["Running now"][0] == "1"
    assert found["Runs in 24 hours"][0] == "7"
    assert found["Failed"][0] == "33 %"
    assert "All as usual" in page
    for label, count in (("Running now", 1), ("Failed", 2), ("Runs in 24 hours", 7)):
        assert len(listed(found[label][1])) == count, label


def test_the_chart_and_the_table_beside_it_say_the_same(told, client_of_ben):
    answer = client_of_ben.get(reverse("admin:index"))
    drawn = {
        each["name"]: sum(each["values"]) for each in chart(answer, "overview-trend")["series"]
    }
    assert drawn == {"Completed": 4, "Failed": 2, "Terminated": 0, "Running": 1}
    rows = re.findall(r"</span>(\w+)</td>.*?>(\d+)</a>", answer.content.decode())
    assert {name: int(count) for name, count in rows} == {**drawn, "Queued": 0}


def test_a_workflow_leads_to_its_runs_and_to_each_page_of_the_analysis(told, client_of_ben):
    page = client_of_ben.get(reverse("admin:index")).content.decode()
    row = re.search(r"<tr>\s*<td><a[^>]*>intake</a>.*?</tr>", page, re.DOTALL).group(0)
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', row)]
    assert len(links) == 5
    for link in links:
        assert client_of_ben.get(link).status_code == 200
        assert "workflow=intake" in link


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
def test_a_day_begins_at_midnight_in_the_portals_zone(db, settings, zone, day):
    """Also the day on which clocks change, and where midnight is within an hour of the rollups."""
    settings.TIME_ZONE = zone
    settled()
    version = publish(node("ocr"))
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    told = {-9: "0.5", 5: "0.0000000001", 40: "0.02", 400: "0.3"}
    for minute, cost in told.items():
        call(begun(version, zero=midnight + timedelta(minutes=minute)), cost)
    settled()
    found = overview.overview(midnight + timedelta(hours=9)).figures[-1]
    assert found.value == Decimal("0.3200000001")
    assert sum(run.cost for run in _listed_by(found.link, midnight)) == found.value


def _listed_by(link, midnight):
    wanted, _ = RunFilter.parse(QueryDict(link.partition("?")[2]))
    return wanted.apply(Run.objects.all(), midnight + timedelta(hours=9))


def test_what_changes_is_fetched_again_alone(told, client_of_ben):
    part = client_of_ben.get(reverse("admin:index"), headers={"HX-Request": "true"})
    assert part.content.startswith(b'<div id="overview-now"')
    assert b"<html" not in part.content
    assert b"overview-trend" not in part.content


def test_a_portal_in_which_nothing_ran_says_how_to_begin(client_of_ben):
    page = text(client_of_ben.get(reverse("admin:index")))
    assert "Nothing has run yet" in page
    assert "Report runs of your own engine" in page


@pytest.mark.parametrize("accept", ["", "json"])
def test_a_database_that_does_not_answer_is_told(told, client_of_ben, monkeypatch, accept):
    def away(now):
        raise DatabaseError("the server closed the connection")

    monkeypatch.setattr(overview, "overview", away)
    answer = client_of_ben.get(reverse("admin:index"), {"as": accept})
    assert answer.status_code == 503
    assert b"cannot be read now" in answer.content


def test_it_asks_the_same_number_of_questions_however_much_ran(
    told, client_of_ben, django_assert_max_num_queries
):
    url = reverse("admin:index")
    client_of_ben.get(url)
    with django_assert_max_num_queries(110):
        client_of_ben.get(url)
