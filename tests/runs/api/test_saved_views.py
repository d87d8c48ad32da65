"""Saved views over the API: one's own, shared ones, and one's default."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from runs import tokens
from runs.models import AuditEntry, SavedView, User
from tests.runs.api.conftest import ALL

VIEWS = "/api/views/"


def saved(client, name="Failed", query="?state=failed", **more):
    response = client.post(VIEWS, {"name": name, "query": query, **more}, format="json")
    assert response.status_code == 201, response.json()
    return response.json()


def test_a_view_is_saved_and_read(client):
    shown = saved(client, query="state=failed&sort=cost&created=24h")
    assert shown["query"] == "?state=failed&created=24h&sort=cost"
    assert (shown["is_shared"], shown["is_default"], shown["is_mine"]) == (False, False, True)
    assert shown["owner"] == "olga"
    assert client.get(f"{VIEWS}{shown['id']}/").json() == shown
    assert client.get(VIEWS).json()["results"] == [shown]
    assert shown["url"].endswith(f"/admin/runs/run/?view={shown['id']}")


def test_a_view_is_changed_part_by_part(client):
    shown = saved(client)
    path = f"{VIEWS}{shown['id']}/"
    for change in ({"name": "Broken"}, {"query": "?state=running"}, {"is_shared": True},
                   {"is_default": True}):  # fmt: skip
        shown |= change
        assert client.patch(path, change, format="json").json() == shown
    assert User.objects.get().default_view.public_id == shown["id"]
    assert client.patch(path, {"is_default": False}, format="json").json()["is_default"] is False
    assert User.objects.get().default_view is None


def test_a_view_is_deleted_and_nobodys_default_any_more(client):
    shown = saved(client, is_default=True)
    path = f"{VIEWS}{shown['id']}/"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert User.objects.get().default_view is None


def test_others_see_what_is_shared_and_change_nothing(client, login):
    secret, open_ = saved(client, "Mine"), saved(client, "Ours", is_shared=True)
    ben = login("view_run", name="ben")
    assert [view["id"] for view in ben.get(VIEWS).json()["results"]] == [open_["id"]]
    assert ben.get(f"{VIEWS}{secret['id']}/").status_code == 404
    path = f"{VIEWS}{open_['id']}/"
    assert ben.patch(path, {"name": "Theirs"}, format="json").status_code == 403
    assert ben.delete(path).status_code == 403
    assert ben.patch(path, {"is_default": True}, format="json").json()["is_default"] is True
    assert client.get(path).json()["is_default"] is False
    assert SavedView.objects.get(pk__isnull=False, name="Ours").is_shared


def test_an_administrator_changes_shared_views(client, login):
    path = f"{VIEWS}{saved(client, is_shared=True)['id']}/"
    head = login("view_run", "change_savedview", name="head")
    assert head.patch(path, {"is_shared": False}, format="json").status_code == 200


def test_a_name_is_given_once(client):
    saved(client)
    again = client.post(VIEWS, {"name": "Failed", "query": ""}, format="json")
    assert again.status_code == 409
    other = saved(client, "Other")
    path = f"{VIEWS}{other['id']}/"
    assert client.patch(path, {"name": "Failed"}, format="json").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": ""}, "name"),
        ({"name": "x"}, "query"),
        ({"name": "x" * 81, "query": ""}, "name"),
        ({"name": "x", "query": "?state=gone"}, "query"),
        ({"name": "x", "query": "", "shared": True}, "shared"),
        ({"name": "x", "query": "", "is_shared": "perhaps"}, "is_shared"),
    ],
)
def test_a_view_that_cannot_be_meant_is_refused(client, body, field):
    response = client.post(VIEWS, body, format="json")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not SavedView.objects.exists()


def test_pages_of_views_join_to_all_of_them(client):
    names = [f"view {number}" for number in range(5)]
    for name in reversed(names):
        saved(client, name)
    path, found = f"{VIEWS}?limit=2", []
    while path:
        body = client.get(path).json()
        found += [view["name"] for view in body["results"]]
        previous, path = body["previous"], body["next"]
    assert found == names
    back = client.get(previous).json()["results"]
    assert [view["name"] for view in back] == ["view 2", "view 3"]


def script_of(*scopes, name="olga"):
    user = User.objects.get(username=name)
    _, secret = tokens.make(
        user, name=" ".join(scopes), scopes=scopes, days=1, by=user.as_actor(), now=timezone.now()
    )
    script = APIClient(enforce_csrf_checks=True)
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return script


def test_a_token_that_sees_runs_reads_views_and_changes_none(client):
    shown = saved(client)
    script, path = script_of("view"), f"{VIEWS}{shown['id']}/"
    assert script.get(path).status_code == 200
    for response in (
        script.patch(path, {"name": "x"}, format="json"),
        script.delete(path),
        script.post(VIEWS, {"name": "x", "query": ""}, format="json"),
    ):
        assert response.status_code == 403
        assert "scope views" in response.json()["detail"]
    assert client.get(VIEWS).json()["results"] == [shown]


def test_a_token_with_the_scope_keeps_its_owners_views(client, login):
    ours = saved(login("view_run", name="ben"), "Ours", is_shared=True)
    script = script_of("views")
    shown = saved(script, is_default=True)
    assert User.objects.get(username="olga").default_view.public_id == shown["id"]
    path = f"{VIEWS}{shown['id']}/"
    assert script.patch(path, {"name": "Broken"}, format="json").json()["name"] == "Broken"
    assert script.get(path).status_code == 403  # for which there is another scope
    assert script.delete(path).status_code == 204
    # No more than its owner may.
    assert script.delete(f"{VIEWS}{ours['id']}/").status_code == 403
    assert SavedView.objects.get().name == "Ours"


def test_what_is_done_to_views_is_audited(client):
    shown = saved(client, is_shared=True)
    path = f"{VIEWS}{shown['id']}/"
    client.patch(path, {"name": "Broken", "query": "?state=running"}, format="json")
    client.patch(path, {"is_shared": False}, format="json")
    client.patch(path, {"is_shared": False, "is_default": True}, format="json")  # changes nothing
    assert client.delete(path).status_code == 204
    entries = AuditEntry.objects.order_by("id")
    assert {(e.target_type, e.target_id, e.actor) for e in entries} == {
        ("view", shown["id"], "olga")
    }
    assert [(e.action, e.reason) for e in entries] == [
        ("create", "“Failed”: shared; ?state=failed"),
        ("change", "“Broken”: name was Failed; ?state=running"),
        ("change", "“Broken”: shared off"),
        ("delete", "“Broken”: ?state=running"),
    ]


def test_a_name_that_is_taken_is_audited_as_nothing(client):
    saved(client)
    client.post(VIEWS, {"name": "Failed", "query": ""}, format="json")
    assert AuditEntry.objects.count() == 1


def test_there_is_a_permission_for_all_that_is_asked_for(db):
    names = set(Permission.objects.values_list("codename", flat=True))
    assert set(ALL) <= names
