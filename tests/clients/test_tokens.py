"""The official client with a token: what its scopes say, until it is revoked."""

import pytest
from django.utils import timezone

from runs import tokens
from runs.models import AuditEntry, Run
from tests.clients.node import Failed
from tests.runs.api.conftest import ALL, INPUT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(person):
    return person(*ALL)


@pytest.fixture
def with_token(client_with, owner):
    """The client of a token with these scopes, and the token."""

    def make(*scopes):
        token, secret = token_of(owner, *scopes)
        return client_with({"authorization": f"Bearer {secret}"}), token

    return make


def token_of(owner, *scopes):
    return tokens.make(
        owner, name="test", scopes=scopes, days=1, by=owner.as_actor(), now=timezone.now()
    )


def refusal(call, *arguments):
    with pytest.raises(Failed) as refused:
        call(*arguments)
    return refused.value.data["code"]


@pytest.mark.parametrize("link", ["http", "batch", "stream"])
def test_a_token_acts_for_its_owner_within_its_scopes(with_token, workflow, link):
    client, token = with_token("view", "execute")
    given = {"workflow_id": "invoices", "input": INPUT}
    started = client.call(link, "workflows.execute", "mutate", given)
    run = Run.objects.get()
    assert (run.public_id, run.triggered_by, run.ref_type) == (started["id"], "olga", "token")
    assert AuditEntry.objects.get(action="start").via == token.prefix
    assert client.call(link, "runs.get", "query", started)["state"] == "created"
    for path, verb in [
        ("runs.terminate", "mutate"),
        ("runs.delete", "mutate"),
        ("runs.export", "query"),
    ]:
        assert refusal(client.call, link, path, verb, started) == "FORBIDDEN"


def test_a_subscription_ends_when_its_token_is_revoked(with_token, owner, run_in):
    client, token = with_token("view")
    run = run_in("active")
    subscription = client.subscribe(run.public_id)
    subscription.until(run.last_seq)
    tokens.revoke(token, by=owner.as_actor(), now=timezone.now())
    assert refusal(subscription.until_end) == "UNAUTHORIZED"
    assert len(client.fetched) == 1
    assert refusal(client.call, "batch", "runs.list", "query") == "UNAUTHORIZED"


def test_a_subscription_needs_the_scope_view(with_token, run_in):
    client, _ = with_token("execute")
    assert refusal(client.subscribe(run_in("active").public_id).until_end) == "FORBIDDEN"


# -- Where no header can be sent -------------------------------------------------------------


@pytest.fixture
def with_params(client_with):
    """The client of a browser, whose subscriptions send no header of ours."""

    def make(params):
        return client_with({}, connectionParams=params)

    return make


def test_a_subscription_takes_a_token_from_the_connections_parameters(with_params, owner, run_in):
    token, secret = token_of(owner, "view")
    run = run_in("active")
    subscription = with_params({"token": secret}).subscribe(run.public_id)
    assert [event["data"]["seq"] for event in subscription.until(run.last_seq)] == list(
        range(1, run.last_seq + 1)
    )
    tokens.revoke(token, by=owner.as_actor(), now=timezone.now())
    assert refusal(subscription.until_end) == "UNAUTHORIZED"


def test_a_token_in_the_parameters_is_held_to_its_scopes(with_params, owner, run_in):
    _, secret = token_of(owner, "execute")
    subscription = with_params({"token": secret}).subscribe(run_in("active").public_id)
    assert refusal(subscription.until_end) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"token": "runs_none"}, "UNAUTHORIZED"),
        ({"token": ""}, "UNAUTHORIZED"),
        ({"token": "ä"}, "UNAUTHORIZED"),
        ({}, "BAD_REQUEST"),
        ({"token": 5}, "BAD_REQUEST"),
        ({"authorization": "Bearer x"}, "BAD_REQUEST"),
    ],
)
def test_parameters_that_are_no_token_are_refused(with_params, run_in, params, code):
    subscription = with_params(params).subscribe(run_in("active").public_id)
    assert refusal(subscription.until_end) == code
