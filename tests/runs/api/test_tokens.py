"""Access by token: every address with and without the scope, and tokens that are good no more."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from runs import tokens
from runs.models import ApiToken, AuditEntry, Run, User
from runs.scopes import Scope, scope_of, scopes_within
from tests.runs.api.conftest import ALL, stored
from tests.runs.api.test_access import ADDRESSES, ALSO, IDLE, ask, scope_for
from tests.runs.api.test_access import _there_is_a_trigger as _there_is_a_trigger

SCOPES = (
    "view", "execute", "retry", "terminate", "export", "delete", "workflows", "views", "ingest",
    "decide", "triggers", "hold", "restore",
)  # fmt: skip


@pytest.fixture
def token_of(person):
    """Make a token of an account that may everything; gives it with its secret."""

    def make(*scopes, user=None, days=90, name="script", **fields):
        user = user or person(*ALL, **fields)
        return tokens.make(
            user, name=name, scopes=scopes or SCOPES, days=days,
            by=user.as_actor(), now=timezone.now(),
        )  # fmt: skip

    return make


def bearer(secret, **options):
    client = APIClient(**options)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def others(scope):
    return [each for each in SCOPES if each != scope]


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_a_token_with_the_scope_may(
    token_of, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    also = [scope_of(f"runs.{ALSO[permission]}")] if permission in ALSO else []
    _, secret = token_of(scope_for(method, address, permission), *also)
    client = bearer(secret, enforce_csrf_checks=True)  # which is not asked of tokens
    assert ask(client, method, address, body, run).status_code == status


@pytest.mark.long
@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_a_token_without_the_scope_is_refused_and_told_which(
    token_of, run_in, method, address, body, permission, state, status
):
    run, scope = run_in(state), scope_for(method, address, permission)
    token, secret = token_of(*others(scope))
    before = stored()
    response = ask(bearer(secret), method, address, body, run)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert f"scope {scope}" in detail
    assert token.prefix in detail
    assert stored() == before


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_a_token_may_no_more_than_its_owner(
    token_of, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    token, secret = token_of()
    token.user.user_permissions.remove(Permission.objects.get(codename=permission))
    before = stored()
    response = ask(bearer(secret), method, address, body, run)
    assert response.status_code == 403
    assert permission in response.json()["detail"]
    assert stored() == before


def expire(token):
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())


def revoke(token):
    tokens.revoke(token, by=token.user.as_actor(), now=timezone.now())


def shut_the_account(token):
    User.objects.filter(pk=token.user_id).update(is_active=False)


def delete_the_account(token):
    token.user.delete()


ENDS = [
    (expire, "has expired"),
    (revoke, "was revoked"),
    (shut_the_account, "account"),
    (delete_the_account, "no such token"),
]


@pytest.mark.long
@pytest.mark.parametrize(("end", "why"), ENDS)
@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_a_token_that_has_ended_is_told_401_and_nothing_is_stored(
    token_of, run_in, method, address, body, permission, state, status, end, why
):
    run = run_in(state)
    token, secret = token_of()
    end(token)
    before = stored()
    response = ask(bearer(secret), method, address, body, run)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="portal", error="invalid_token"'
    assert response["Content-Type"] == "application/problem+json"
    assert why in response.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize(
    "shown",
    [
        "{secret}x", "x{secret}", "{prefix}", "{hidden}", "{secret} {secret}", "{prefix}_",
        "runs_", "", "ä", "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_token_is_told_401(token_of, shown):
    token, secret = token_of()
    hidden = secret.removeprefix(f"{token.prefix}_")
    shown = shown.format(secret=secret, prefix=token.prefix, hidden=hidden)
    response = APIClient().get("/api/runs/", HTTP_AUTHORIZATION=f"Bearer {shown}")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_the_digest_is_no_key(token_of):
    token, _ = token_of()
    assert bearer(token.digest).get("/api/runs/").status_code == 401


def test_a_bad_token_is_not_helped_by_a_session(login):
    client = login(*ALL)
    assert client.get("/api/runs/").status_code == 200
    response = client.get("/api/runs/", HTTP_AUTHORIZATION="Bearer runs_abc")
    assert response.status_code == 401


def test_who_shows_nothing_is_told_what_can_be_shown(db):
    challenges = APIClient().get("/api/runs/")["WWW-Authenticate"]
    assert "Session" in challenges
    assert "Bearer" in challenges


def test_another_scheme_is_no_token(db):
    response = APIClient().get("/api/runs/", HTTP_AUTHORIZATION="Basic b2xnYTp4")
    assert response.status_code == 401
    assert "invalid_token" not in response["WWW-Authenticate"]


def test_the_name_of_the_scheme_has_no_case(token_of):
    _, secret = token_of()
    response = APIClient().get("/api/runs/", HTTP_AUTHORIZATION=f"bearer {secret}")
    assert response.status_code == 200


def test_an_owner_who_is_no_staff_any_more_is_refused(token_of):
    token, secret = token_of()
    User.objects.filter(pk=token.user_id).update(is_staff=False)
    assert bearer(secret).get("/api/runs/").status_code == 403


def test_a_token_opens_no_page(token_of):
    _, secret = token_of()
    response = bearer(secret).get("/admin/runs/run/")
    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


def test_last_use_is_written_once_a_minute(token_of, workflow):
    token, secret = token_of()
    client = bearer(secret)

    def writes():
        with CaptureQueriesContext(connection) as caught:
            assert client.get("/api/workflows/").status_code == 200
        return sum('UPDATE "api_tokens"' in query["sql"] for query in caught)

    assert writes() == 1
    token.refresh_from_db()
    noted = token.last_used_at
    assert noted is not None
    assert writes() == 0
    long_ago = noted - timedelta(seconds=61)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=long_ago)
    assert writes() == 1
    token.refresh_from_db()
    assert token.last_used_at > long_ago


def test_a_refused_token_was_not_used(token_of):
    token, secret = token_of()
    revoke(token)
    bearer(secret).get("/api/runs/")
    token.refresh_from_db()
    assert token.last_used_at is None


def test_a_token_costs_no_query_past_the_drivers_one(token_of, django_assert_num_queries, workflow):
    _, secret = token_of()
    client = bearer(secret)
    client.get("/api/workflows/")  # notes its use
    with django_assert_num_queries(3):  # permissions (2), page
        client.get("/api/workflows/")


# -- In the audit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "address", "body", "permission", "state", "status"),
    [each for each in ADDRESSES if each[0] == "post" and each[1] not in IDLE],
)
def test_what_a_token_does_is_audited_with_it(
    token_of, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    token, secret = token_of()
    ask(bearer(secret), method, address, body, run)
    entry = AuditEntry.objects.order_by("id").last()
    assert (entry.actor, entry.via, entry.address) == ("olga", token.prefix, "127.0.0.1")
    assert (entry.ref_type, entry.ref_id) == ("token", token.user.public_id)


def test_a_run_that_a_token_started_says_so(token_of, workflow):
    token, secret = token_of()
    body = {"input": {"document": "a.pdf"}}
    response = bearer(secret).post("/api/workflows/invoices/runs/", body, format="json")
    assert response.status_code == 201
    run = Run.objects.get()
    assert (run.trigger, run.triggered_by) == ("api", "olga")
    assert (run.ref_type, run.ref_id) == ("token", token.user.public_id)


def test_what_a_session_does_is_audited_with_its_address_and_no_token(client, run_in):
    client.post(f"/api/runs/{run_in('failed')}/retry/", {}, format="json", REMOTE_ADDR="192.0.2.7")
    entry = AuditEntry.objects.order_by("id").last()
    assert (entry.via, entry.address, entry.ref_type) == ("", "192.0.2.7", "user")


def test_a_refusal_is_logged_with_the_token_and_without_its_secret(token_of, run_in, caplog):
    run = run_in("failed")
    token, secret = token_of("view")
    bearer(secret).post(f"/api/runs/{run}/retry/", {}, format="json")
    assert f"by token {token.prefix}" in caplog.text
    assert secret not in caplog.text
    assert secret.removeprefix(f"{token.prefix}_") not in caplog.text


# -- Scopes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "scope"),
    [
        ("runs.view_run", "view"),
        ("runs.view_workflow", "view"),
        ("runs.execute_workflow", "execute"),
        ("runs.retry_run", "retry"),
        ("runs.terminate_run", "terminate"),
        ("runs.export_run", "export"),
        ("runs.delete_run", "delete"),
        ("runs.decide_node", "decide"),
        ("runs.ingest_event", "ingest"),
        ("runs.add_workflow", "workflows"),
        ("runs.change_workflow", "workflows"),
        ("retention.change_policy", "retention"),
        ("runs.change_retention", "retention"),
        # Nothing that gives its holder more.
        ("runs.view_user", None),
        ("runs.change_user", None),
        ("runs.view_apitoken", None),
        ("runs.change_apitoken", None),
        ("auth.view_group", None),
        ("auth.change_group", None),
        ("runs.delete_event", None),
        ("runs.delete_workflow", None),
        ("runs.change_run", None),
    ],
)
def test_a_permission_needs_a_scope(permission, scope):
    assert scope_of(permission) == scope


def test_scopes_are_offered_where_they_are_of_use():
    assert scopes_within(["runs.retry_run", "runs.view_run", "runs.view_user"]) == [
        Scope.VIEW,
        Scope.RETRY,
        Scope.VIEWS,
    ]
    assert scopes_within(["runs.change_user"]) == []


def test_the_page_names_each_scope_and_no_other():
    text = Path("docs/api.md").read_text()
    table = text[text.index("| scope | a token may |") : text.index("A token acts for its owner")]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(Scope.values)
