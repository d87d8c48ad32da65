"""The list's parameters that the page does not have: bounds by other names, members to choose."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from runs.models import User
from tests.runs.api.test_runs import listed


def test_the_bounds_have_names_of_their_own(client, run_in):
    run = run_in()
    before, after = run.created_at - timedelta(seconds=1), run.created_at + timedelta(seconds=1)
    for name, moment, found in (
        ("created_after", before, True),
        ("created_after", after, False),
        ("created_before", before, False),
        ("created_before", after, True),
    ):
        text = quote(moment.isoformat())
        assert bool(listed(client, f"?{name}={text}")) == found, (name, moment)


def test_before_a_day_is_before_its_beginning(client, run_in):
    run_in()
    today, tomorrow = (f"{timezone.now() + timedelta(days=n):%Y-%m-%d}" for n in (0, 1))
    assert listed(client, f"?created_before={today}") == []
    assert len(listed(client, f"?created_before={tomorrow}")) == 1
    assert len(listed(client, f"?created_to={today}")) == 1
    assert len(listed(client, f"?created_after={today}")) == 1


def test_a_time_without_an_offset_is_utc_whoever_asks(client, run_in):
    run = run_in()
    User.objects.update(time_zone="Pacific/Kiritimati")
    text = (run.created_at - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert len(listed(client, f"?created_after={text}")) == 1
    text = (run.created_at + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S")
    assert listed(client, f"?created_after={text}") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-13-01", "created_before"),
        ("created_after=2026-01-01&created_from=2026-01-01", "created_after"),
        ("created_after=2026-01-02&created_before=2026-01-01", "created_before"),
        ("created=1h&created_after=2026-01-02", "created"),
        ("fields=id,secret", "fields"),
        ("q=timeout", "q"),
    ],
)
def test_what_cannot_be_meant_names_the_parameter_that_was_sent(client, run_in, query, field):
    run_in()
    response = client.get(f"/api/runs/?{query}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_only_the_members_that_are_asked_for(client, run_in):
    run = run_in("failed")
    body = client.get("/api/runs/?fields=state,id&state=failed").json()
    assert body["results"] == [{"state": "failed", "id": run.public_id}]
    assert "id" in client.get("/api/runs/?fields=").json()["results"][0]


def test_every_filter_of_the_page_is_there(client, run_in):
    run = run_in("failed", ref_type="order", ref_id="4711")
    for query in ("ref=4711", "ref=47", "error=Broken%40first", "created=1h&q=no"):
        assert listed(client, f"?{query}") == [run.public_id], query
    for query in ("ref=12", "error=Broken%40second", "created=1h&q=nothing"):
        assert listed(client, f"?{query}") == [], query


def test_a_page_asks_for_the_runs_once(client, run_in, django_assert_num_queries):
    for _ in range(3):
        run_in("failed")
    query = "?state=failed&workflow=invoices&created_after=2026-01-01"
    listed(client, query)  # learns the version's number
    # As without a filter: the workflow's number is read beneath what is counted here.
    with django_assert_num_queries(8) as captured:
        assert len(listed(client, query)) == 3
    asked = [each["sql"] for each in captured.captured_queries if '"jobs"' in each["sql"]]
    assert len(asked) == 1
