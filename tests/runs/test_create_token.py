"""``manage.py create_token``: the secret on standard output, once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from runs.models import ApiToken, AuditEntry
from tests.runs.api.test_tokens import bearer
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db


def create(*arguments):
    out, err = StringIO(), StringIO()
    call_command("create_token", *arguments, stdout=out, stderr=err)
    assert out.getvalue().strip() not in err.getvalue()
    return out.getvalue().strip()


@pytest.fixture
def olga():
    return account("runs.view_run", "runs.retry_run", name="olga")


@pytest.mark.parametrize("scopes", [["view", "retry"], ["view,retry"]])
def test_the_secret_is_printed_and_works(olga, scopes):
    secret = create("olga", "--scopes", *scopes, "--name", "cron", "--expires-days", "7")
    assert bearer(secret).get("/api/runs/").status_code == 200
    token = ApiToken.objects.get()
    assert (token.user, token.name, token.scopes) == (olga, "cron", ["view", "retry"])
    assert (token.expires_at - token.created_at).days == 7


def test_it_expires_in_ninety_days_unless_it_is_said(olga):
    create("olga", "--scopes", "view")
    token = ApiToken.objects.get()
    assert (token.expires_at - token.created_at).days == 90


def test_it_is_audited(olga):
    create("olga", "--scopes", "view")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target_type) == ("create_token", "create", "token")
    assert "of olga: view" in entry.reason


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody", "--scopes", "view"], "no account"),
        (["olga", "--scopes", "fly"], "no scope fly"),
        (["olga", "--scopes", "terminate"], "no permission for: terminate"),
        (["olga", "--scopes", "view", "--expires-days", "366"], "1 to 365 days"),
        (["olga", "--scopes", "view", "--expires-days", "soon"], "number of days"),
        (["olga", "--scopes", "view", "--expires-days", "never"], "administrator"),
        (["olga", "--scopes", "view", "--name", ""], "1 to 80 characters"),
    ],
)
def test_what_cannot_be_made_is_said(olga, arguments, why):
    with pytest.raises(CommandError, match=why):
        create(*arguments)
    assert not ApiToken.objects.exists()


def test_an_administrators_may_go_without_an_expiry():
    account(name="boss", is_superuser=True)
    create("boss", "--scopes", "view", "--expires-days", "never")
    assert ApiToken.objects.get().expires_at is None
