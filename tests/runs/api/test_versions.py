"""Making workflows and publishing versions."""

import pytest

from runs.models import AuditEntry, Workflow, WorkflowVersion
from tests.runs.conftest import executor_node

DEFINITION = {"nodes": [executor_node("only")]}
OTHER = {"nodes": [executor_node("other")]}
BAD = {"nodes": [{"id": "first", "kind": "executor", "executor": "none.such"},
                 {"id": "second", "kind": "no kind"}]}  # fmt: skip


def test_a_workflow_is_made_with_its_first_version(client):
    response = client.post(
        "/api/workflows/", {"id": "new_one", "definition": DEFINITION}, format="json"
    )
    assert response.status_code == 201
    shown = response.json()
    assert (shown["id"], shown["version"], shown["definition"]) == ("new_one", 1, DEFINITION)
    assert response["Location"] == "http://testserver/api/workflows/new_one/"
    assert client.get(response["Location"]).json() == shown
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id) == ("publish", "new_one v1")


def test_an_id_is_taken_once(client, workflow):
    body = {"id": "invoices", "definition": DEFINITION}
    response = client.post("/api/workflows/", body, format="json")
    assert response.status_code == 409
    assert "already" in response.json()["detail"]
    assert WorkflowVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"definition": DEFINITION}, ["id"]),
        ({"id": "Upper", "definition": DEFINITION}, ["id"]),
        ({"id": "add", "definition": DEFINITION}, ["id"]),
        ({"id": "x" * 65, "definition": DEFINITION}, ["id"]),
        ({"id": "new"}, ["definition"]),
        ({"id": "new", "definition": []}, ["definition"]),
        ({"id": "new", "definition": {}}, ["definition"]),
        ({"id": "new", "definition": DEFINITION, "more": 1}, ["more"]),
        ({"id": "new", "definition": BAD}, ["definition.first", "definition.second"]),
    ],
)
def test_what_cannot_be_a_workflow_is_refused_and_says_where(client, body, fields):
    response = client.post("/api/workflows/", body, format="json")
    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} >= set(fields)
    assert not Workflow.objects.exists()


def test_a_new_version_is_published(client, workflow):
    response = client.post(
        "/api/workflows/invoices/versions/", {"definition": OTHER, "base": 1}, format="json"
    )
    assert response.status_code == 201
    shown = response.json()
    assert (shown["number"], shown["created_by"], shown["definition"]) == (2, "olga", OTHER)
    assert client.get(response["Location"]).json() == shown


def test_the_same_definition_makes_no_version(client, workflow):
    path = "/api/workflows/invoices/versions/"
    body = {"definition": workflow.definition}
    response = client.post(path, body, format="json")
    assert (response.status_code, response.json()["number"]) == (200, 1)
    assert WorkflowVersion.objects.count() == 1


def test_who_began_from_an_older_version_is_told_of_the_newer(client, workflow, publish):
    publish(executor_node("meanwhile"), slug="invoices")
    body = {"definition": OTHER, "base": 1}
    response = client.post("/api/workflows/invoices/versions/", body, format="json")
    assert response.status_code == 409
    assert response.json()["newest"] == 2
    assert WorkflowVersion.objects.count() == 2


def test_versions_are_listed_in_pages_newest_first(client, publish):
    for number in range(5):
        publish(executor_node(f"n{number}"), slug="many")
    path, numbers = "/api/workflows/many/versions/?limit=2", []
    while path:
        body = client.get(path).json()
        numbers += [version["number"] for version in body["results"]]
        assert "definition" not in body["results"][0]
        previous, path = body["previous"], body["next"]
    assert numbers == [5, 4, 3, 2, 1]
    back = client.get(previous).json()["results"]
    assert [version["number"] for version in back] == [3, 2]


def test_one_version_is_as_it_was_published(client, workflow, publish):
    publish(executor_node("newer"), slug="invoices")
    shown = client.get("/api/workflows/invoices/versions/1/").json()
    assert (shown["number"], shown["definition"]) == (1, workflow.definition)
    for number in ("3", "0", "99999999999999999999", "x"):
        response = client.get(f"/api/workflows/invoices/versions/{number}/")
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
