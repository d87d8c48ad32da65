"""The page of API tokens: one's own, everyone's for administrators, and a secret shown once."""

import html
import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from runs import tokens
from runs.models import ApiToken, AuditEntry, User
from tests.runs.api.test_tokens import bearer
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db
PATH = "/admin/tokens/"
WANTED = {"act": "make", "name": "nightly", "scopes": ["view", "retry"], "expires_days": "90"}


@pytest.fixture
def olga():
    return visitor("runs.view_run", "runs.retry_run", name="olga")


@pytest.fixture
def boss():
    return visitor(name="boss", is_superuser=True)


def token_of(name, label="script", days=90):
    user = User.objects.get(username=name)
    return tokens.make(
        user, name=label, scopes=["view"], days=days, by=user.as_actor(), now=timezone.now()
    )


def text(answer):
    return html.unescape(answer.content.decode())


def secret_in(answer):
    return re.search(r'<code id="secret">(.+?)</code>', text(answer)).group(1)


def test_without_tokens_the_page_says_what_they_are_for(olga):
    page = text(olga.get(PATH))
    assert "No API tokens yet" in page
    assert 'curl -H "Authorization: Bearer' in page
    assert "http://testserver/api/runs/" in page


def test_a_token_is_made_and_its_secret_shown_once(olga):
    answer = olga.post(PATH, WANTED)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    secret = secret_in(answer)
    assert 'data-copy-from="#secret"' in text(answer)
    assert bearer(secret).get("/api/runs/").status_code == 200
    page = text(olga.get(PATH))
    assert ApiToken.objects.get().prefix in page
    assert secret not in page
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.address) == ("create", "olga", "127.0.0.1")


def test_a_reload_makes_no_second_one(olga):
    olga.post(PATH, WANTED)
    again = olga.post(PATH, WANTED)
    assert again.status_code == 422
    assert "already" in text(again)
    assert ApiToken.objects.count() == 1


def test_scopes_are_offered_as_far_as_the_person_may(olga, boss):
    offered = re.findall(r'name="scopes" value="(\w+)"', text(olga.get(PATH)))
    assert offered == ["view", "retry", "views"]
    everything = re.findall(r'name="scopes" value="(\w+)"', text(boss.get(PATH)))
    assert {"view", "execute", "retry", "terminate", "workflows", "views"} <= set(everything)


def test_who_may_nothing_is_told_so():
    page = text(visitor().get(PATH))
    assert "no permission that a token could use" in page
    assert 'name="scopes"' not in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Give the token a name"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["terminate"]}, "terminate is not one of the available choices"),
        ({"expires_days": "never"}, "never is not one of the available choices"),
        ({"expires_days": "100000"}, "100000 is not one of the available choices"),
    ],
)
def test_what_cannot_be_made_is_said_and_what_was_typed_stays(olga, fields, said):
    answer = olga.post(PATH, {**WANTED, "name": "kept", **fields})
    assert answer.status_code == 422
    assert said in text(answer)
    assert not ApiToken.objects.exists()
    if "name" not in fields:
        assert 'value="kept"' in text(answer)


def test_an_administrator_may_leave_out_the_expiry(boss):
    boss.post(PATH, {**WANTED, "expires_days": "never"})
    assert ApiToken.objects.get().expires_at is None


def test_a_token_is_revoked_after_a_question(olga):
    token, secret = token_of("olga")
    assert "This cannot be undone" in text(olga.get(PATH))
    answer = olga.post(PATH, {"act": "revoke", "token": token.public_id}, follow=True)
    assert "is revoked" in text(answer)
    assert "Revoke…" not in text(answer)
    assert bearer(secret).get("/api/runs/").status_code == 401
    assert AuditEntry.objects.order_by("id").last().action == "revoke"


def test_what_has_ended_is_marked(olga):
    expired, _ = token_of("olga", "old")
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    revoked, _ = token_of("olga", "gone")
    tokens.revoke(revoked, by=revoked.user.as_actor(), now=timezone.now())
    page = text(olga.get(PATH))
    assert '<span class="op-tag">expired</span>' in page
    assert '<span class="op-tag">revoked</span>' in page


def test_others_tokens_are_neither_shown_nor_revoked(olga):
    account("runs.view_run", name="anna")
    token, secret = token_of("anna", "annas own")
    for path in (PATH, f"{PATH}?all=1"):
        page = text(olga.get(path))
        assert "annas own" not in page
        assert "Everyone's" not in page
    answer = olga.post(PATH, {"act": "revoke", "token": token.public_id}, follow=True)
    assert "not yours to revoke" in text(answer)
    assert bearer(secret).get("/api/runs/").status_code == 200


def test_an_administrator_sees_and_revokes_everyones(boss):
    account("runs.view_run", name="anna")
    token, secret = token_of("anna", "annas own")
    assert "annas own" not in text(boss.get(PATH))
    page = text(boss.get(f"{PATH}?all=1"))
    assert "annas own" in page
    assert "<dt>Owner</dt><dd>anna</dd>" in page
    boss.post(f"{PATH}?all=1", {"act": "revoke", "token": token.public_id})
    assert bearer(secret).get("/api/runs/").status_code == 401
    entry = AuditEntry.objects.order_by("id").last()
    assert (entry.actor, entry.action) == ("boss", "revoke")
    assert "of anna" in entry.reason


@pytest.mark.usefixtures("installed_groups")
@pytest.mark.parametrize(("group", "may"), [("Administrator", True), ("Operator", False)])
def test_of_the_groups_only_administrators_see_everyones(group, may):
    client = visitor(name="member")
    User.objects.get(username="member").groups.add(Group.objects.get(name=group))
    account("runs.view_run", name="anna")
    token, secret = token_of("anna", "annas own")
    assert ("annas own" in text(client.get(f"{PATH}?all=1"))) == may
    client.post(PATH, {"act": "revoke", "token": token.public_id})
    assert (bearer(secret).get("/api/runs/").status_code == 401) == may


@pytest.mark.parametrize("wrong", ["", "x", "token_x", "run_01kb0000000000000000000000"])
def test_a_token_that_is_not_there_is_said(olga, wrong):
    answer = olga.post(PATH, {"act": "revoke", "token": wrong}, follow=True)
    assert "is gone" in text(answer)


def test_the_page_costs_the_same_however_many_there_are(boss, django_assert_num_queries):
    for number in range(3):
        token_of("boss", f"n{number}")
    with django_assert_num_queries(11) as caught:
        boss.get(f"{PATH}?all=1")
    for number in range(5):
        account("runs.view_run", name=f"p{number}")
        token_of(f"p{number}")
    with django_assert_num_queries(len(caught)):
        boss.get(f"{PATH}?all=1")


def test_it_is_found_from_settings_and_the_account_menu(olga):
    assert olga.get("/admin/me/").content.decode().count(f'href="{PATH}"') == 2


def test_nobody_is_asked_to_sign_in(client):
    assert "/admin/login/" in client.get(PATH).headers["Location"]


def test_a_post_needs_the_csrf_token():
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("runs.view_run", name="olga"))
    assert client.post(PATH, WANTED).status_code == 403
    assert not ApiToken.objects.exists()


def test_the_audit_leads_to_a_token_and_says_which_one_acted(boss):
    token, _ = token_of("boss")
    page = text(boss.get("/admin/runs/auditentry/?target=token"))
    assert f"{PATH}?all=1#{token.public_id}" in page
    user = User.objects.get(username="boss")
    user.via, user.address = token.prefix, "192.0.2.7"
    AuditEntry.objects.note(user.as_actor(), "retry", ("run", "run_x"))
    page = text(boss.get("/admin/runs/auditentry/"))
    assert f"192.0.2.7 · token {token.prefix}" in page
