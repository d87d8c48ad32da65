"""/api/tokens/: a person's own tokens, made with a session only."""

import json
import uuid
from datetime import timedelta

import pytest
from django.core import serializers
from django.utils import timezone
from rest_framework.test import APIClient

from runs import ids, tokens
from runs.models import ApiToken, AuditEntry, User
from tests.runs.api.conftest import ALL
from tests.runs.api.test_tokens import bearer, token_of  # noqa: F401  (a fixture)

PATH = "/api/tokens/"
WANTED = {"name": "nightly script", "scopes": ["view", "retry"]}


def post(client, **fields):
    return client.post(PATH, {**WANTED, **fields}, format="json")


def test_a_token_is_made_and_shown_once(client):
    before = timezone.now()
    response = post(client)
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = response.json()
    assert made["secret"].startswith(f"{made['prefix']}_")
    assert (made["name"], made["scopes"]) == ("nightly script", ["view", "retry"])
    token = ApiToken.objects.get()
    assert token.expires_at - before >= timedelta(days=90)
    assert token.expires_at - timezone.now() <= timedelta(days=90)
    assert bearer(made["secret"]).get("/api/runs/").status_code == 200
    (listed,) = client.get(PATH).json()
    assert listed["id"] == made["id"]
    assert "secret" not in listed
    assert "digest" not in listed


def test_no_row_holds_the_secret(client):
    made = post(client).json()
    hidden = made["secret"].removeprefix(f"{made['prefix']}_")
    rows = serializers.serialize(
        "json", [*ApiToken.objects.all(), *AuditEntry.objects.all(), *User.objects.all()]
    )
    assert made["prefix"] in rows
    assert hidden not in rows


def test_secrets_have_256_bits_beside_what_is_shown(client):
    made = [post(client, name=f"n{number}").json() for number in range(20)]
    hidden = {token["secret"].removeprefix(f"{token['prefix']}_") for token in made}
    assert len(hidden) == 20
    assert {len(text) for text in hidden} == {43}  # of 6 bits each


def test_making_and_revoking_are_audited(client):
    made = post(client).json()
    client.delete(f"{PATH}{made['id']}/")
    created, revoked = AuditEntry.objects.order_by("id")
    assert (created.action, created.target_type, created.target_id) == (
        "create", "token", made["id"],
    )  # fmt: skip
    assert created.reason.startswith(f"{made['prefix']} “nightly script” of olga: view, retry;")
    assert (created.actor, created.address, created.via) == ("olga", "127.0.0.1", "")
    assert (revoked.action, revoked.target_id) == ("revoke", made["id"])


def test_a_token_makes_no_token(client, token_of):  # noqa: F811
    _, secret = token_of(name="first", user=User.objects.get())
    response = post(bearer(secret))
    assert response.status_code == 403
    assert ApiToken.objects.count() == 1


def test_making_needs_the_csrf_token(login):
    assert post(login(*ALL, csrf=True)).status_code == 403
    assert not ApiToken.objects.exists()


def test_no_token_is_given_what_its_owner_may_not(login):
    modest = login("view_run", "retry_run")
    response = post(modest, scopes=["view", "retention"])
    assert response.status_code == 400
    assert {error["field"].partition(".")[0] for error in response.json()["errors"]} == {"scopes"}
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": "view"}, "scopes"),
        ({"expires_days": 0}, "expires_days"),
        ({"expires_days": 366}, "expires_days"),
        ({"expires_days": None}, "expires_days"),  # for administrators
        ({"user": "anna"}, "user"),
    ],
)
def test_what_cannot_be_made_is_said_with_its_field(client, fields, about):
    response = post(client, **fields)
    assert response.status_code == 400
    assert {error["field"].partition(".")[0] for error in response.json()["errors"]} == {about}
    assert not ApiToken.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_administrator_makes_one_that_does_not_expire(login):
    client = login(*ALL, "change_apitoken")
    made = post(client, expires_days=None)
    assert made.status_code == 201
    assert made.json()["expires_at"] is None
    assert bearer(made.json()["secret"]).get("/api/runs/").status_code == 200


def test_two_tokens_in_use_have_two_names(client):
    first = post(client).json()
    again = post(client)
    assert again.status_code == 400
    assert "already" in again.json()["detail"]
    client.delete(f"{PATH}{first['id']}/")
    assert post(client).status_code == 201


def test_there_is_an_end_to_tokens(client, monkeypatch):
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    assert [post(client, name=str(n)).status_code for n in range(3)] == [201, 201, 400]


def test_a_revoked_token_is_refused_and_stays_listed(client):
    made = post(client).json()
    assert client.delete(f"{PATH}{made['id']}/").status_code == 204
    assert bearer(made["secret"]).get("/api/runs/").status_code == 401
    (listed,) = client.get(PATH).json()
    assert listed["revoked_at"] is not None
    assert client.delete(f"{PATH}{made['id']}/").status_code == 204
    assert AuditEntry.objects.filter(action="revoke").count() == 1


def test_others_tokens_are_not_found(client, token_of):  # noqa: F811
    anna = User.objects.create_user("anna", is_staff=True, is_superuser=True)
    theirs, secret = token_of("view", user=anna)
    assert client.get(PATH).json() == []
    assert client.delete(f"{PATH}{theirs.public_id}/").status_code == 404
    assert bearer(secret).get("/api/runs/").status_code == 200


@pytest.mark.parametrize("wrong", ["x", "token_x", ids.encode("token", uuid.UUID(int=7)), "a%00b"])
def test_an_unknown_token_is_not_found(client, wrong):
    assert client.delete(f"{PATH}{wrong}/").status_code == 404


def test_a_token_lists_its_owners_and_revokes_itself_only(token_of):  # noqa: F811
    token, secret = token_of("view")
    other, _ = token_of("view", user=token.user, name="other")
    client = bearer(secret)
    assert len(client.get(PATH).json()) == 2
    assert client.delete(f"{PATH}{other.public_id}/").status_code == 403
    other.refresh_from_db()
    assert other.revoked_at is None
    assert client.delete(f"{PATH}{token.public_id}/").status_code == 204
    assert client.get(PATH).status_code == 401
    entry = AuditEntry.objects.order_by("id").last()
    assert (entry.action, entry.via) == ("revoke", token.prefix)


def test_a_token_without_the_scope_lists_none(token_of):  # noqa: F811
    _, secret = token_of("retry")
    response = bearer(secret).get(PATH)
    assert response.status_code == 403
    assert "scope view" in response.json()["detail"]


def test_nobody_and_strangers_get_none(login):
    assert APIClient().get(PATH).status_code == 401
    assert post(APIClient()).status_code == 401
    stranger = login(*ALL, is_staff=False)
    assert stranger.get(PATH).status_code == 403
    assert post(stranger).status_code == 403
    assert not ApiToken.objects.exists()


def test_staff_without_any_permission_has_no_use_for_one(login):
    client = login()
    assert client.get(PATH).json() == []
    assert post(client).status_code == 400


def test_the_list_is_a_query_however_long(client, django_assert_num_queries):
    for number in range(5):
        post(client, name=str(number))
    with django_assert_num_queries(3):  # session, account, tokens
        assert len(json.loads(client.get(PATH).content)) == 5
