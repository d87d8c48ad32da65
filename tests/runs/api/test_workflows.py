"""Workflows as the API shows them."""

import pytest

from runs.models import Workflow
from tests.runs.conftest import executor_node


def test_a_workflow_shows_its_newest_definition_and_all_versions(client, publish, person):
    author = person(name="author")
    publish(executor_node("old"), slug="invoices")
    definition = {"nodes": [executor_node("new")]}
    Workflow.objects.publish("invoices", definition, by=author)
    shown = client.get("/api/workflows/invoices/").json()
    assert set(shown) == {
        "id", "description", "created_at", "version", "url", "definition", "versions",
        "max_active", "paused_at", "paused_by", "pause_reason",
    }  # fmt: skip
    assert (shown["id"], shown["version"], shown["definition"]) == ("invoices", 2, definition)
    assert [(v["number"], v["created_by"]) for v in shown["versions"]] == [(2, "author"), (1, None)]
    assert shown["url"].endswith("/admin/runs/workflow/invoices/")
    assert shown["created_at"].endswith("Z")


def test_the_list_names_the_newest_version(client, publish):
    publish(executor_node("a"), slug="b_second")
    publish(executor_node("b"), slug="b_second")
    publish(executor_node("a"), slug="a_first")
    Workflow.objects.create(slug="c_empty")
    shown = client.get("/api/workflows/").json()["results"]
    assert [(w["id"], w["version"]) for w in shown] == [
        ("a_first", 1), ("b_second", 2), ("c_empty", None),
    ]  # fmt: skip


def test_a_workflow_without_a_version_is_shown(client):
    Workflow.objects.create(slug="empty")
    shown = client.get("/api/workflows/empty/").json()
    assert (shown["version"], shown["definition"], shown["versions"]) == (None, None, [])


@pytest.mark.parametrize("count", [1, 6])
def test_reading_takes_a_bounded_number_of_queries(
    client, publish, count, django_assert_num_queries
):
    for number in range(count):
        publish(executor_node(f"n{number}"), slug="many_versions")
        publish(executor_node("n"), slug=f"w{number}")
    with django_assert_num_queries(5):  # session, user, permissions (2), workflows
        client.get("/api/workflows/")
    with django_assert_num_queries(7):  # the workflow, its definition, its versions
        assert len(client.get("/api/workflows/many_versions/").json()["versions"]) == count
