"""Pages of runs and workflows, forth and back."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs import recorder
from runs.models import Run
from tests.runs.conftest import executor_node, new_run

T0 = timezone.now().replace(microsecond=123456)


def make(version, offsets):
    """Runs created at these milliseconds after T0; equal ones share the time to the last digit."""
    for offset in offsets:
        recorder.create([new_run(version)], now=T0 + timedelta(milliseconds=offset))


def walk(client, path, way="next"):
    """The ids of each page from `path` to the end, and the link to where the last page is."""
    pages, last = [], None
    while path:
        body = client.get(path).json()
        pages.append([shown["id"] for shown in body["results"]])
        last, path = path, body[way]
    return pages, last


def joined(pages):
    return [run for page in pages for run in page]


def expected():
    return [run.public_id for run in Run.objects.order_by("-created_at", "-id")]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_paging_forth_and_back_neither_skips_nor_doubles_runs_with_equal_times(
    client, version, limit
):
    make(version, [0, 0, 0, 0, 1, 1, 1])
    forth, last = walk(client, f"/api/runs/?limit={limit}")
    assert joined(forth) == expected()
    back, _ = walk(client, last, "previous")
    assert joined(reversed(back)) == expected()


@given(
    offsets=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    back_limit=st.integers(1, 5),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_pages_join_to_the_whole_list(client, version, offsets, limit, back_limit):
    with transaction.atomic():
        make(version, offsets)
        forth, last = walk(client, f"/api/runs/?limit={limit}")
        assert joined(forth) == expected()
        assert all(len(page) == limit for page in forth[:-1])
        body = client.get(last).json()
        link = (body["previous"] or "").replace(f"limit={limit}", f"limit={back_limit}")
        back, _ = walk(client, link, "previous")
        assert joined(reversed(back)) + [run["id"] for run in body["results"]] == expected()
        transaction.set_rollback(True)


def test_runs_that_come_meanwhile_move_no_page(client, version):
    make(version, range(6))
    before = expected()
    first = client.get("/api/runs/?limit=3").json()
    make(version, range(10, 14))
    second = client.get(first["next"]).json()
    assert [shown["id"] for shown in first["results"] + second["results"]] == before
    back, _ = walk(client, second["previous"], "previous")
    assert joined(reversed(back)) == expected()[: 4 + 3]


def test_the_ends_of_the_list_have_no_link(client, version):
    make(version, range(4))
    first = client.get("/api/runs/?limit=2").json()
    assert first["previous"] is None
    second = client.get(first["next"]).json()
    assert second["next"] is None
    again = client.get(second["previous"]).json()
    assert again["results"] == first["results"]
    assert again["previous"] is None
    assert client.get("/api/runs/?limit=4").json()["next"] is None


def test_links_keep_the_filter_and_the_limit(client, version):
    make(version, range(4))
    link = client.get("/api/runs/?limit=2&state=created&workflow=example").json()["next"]
    assert "limit=2" in link
    assert "state=created" in link
    assert "workflow=example" in link


def test_no_runs_are_an_empty_page(client):
    assert client.get("/api/runs/").json() == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "after", "before.", "after.x", "after.1-2", "sideways.1-1", "after.\0",
     f"after.{'9' * 18}-{'0' * 26}", f"after.{'9' * 40}-{'0' * 26}",
     f"after.1-{uuid.UUID(int=7)}", "🙂", "after.1-zzzzzzzzzzzzzzzzzzzzzzzzzz"],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(client, version, cursor):
    make(version, range(2))
    response = client.get("/api/runs/", {"cursor": cursor})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["cursor"]


def test_workflows_are_paged_by_id(client, publish):
    slugs = [f"w_{letter}" for letter in "abcde"]
    for slug in slugs:
        publish(executor_node("only"), slug=slug)
    forth, last = walk(client, "/api/workflows/?limit=2")
    assert forth == [["w_a", "w_b"], ["w_c", "w_d"], ["w_e"]]
    back, _ = walk(client, last, "previous")
    assert back == [["w_e"], ["w_c", "w_d"], ["w_a", "w_b"]]
    assert client.get("/api/workflows/?cursor=after.a'b").status_code == 400
