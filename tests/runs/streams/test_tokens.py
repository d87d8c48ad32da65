"""Streams with a token: opened within its scope, ended soon after its end."""

import http.client

import pytest
from django.utils import timezone

from runs import ids, tokens
from runs.models import ApiToken, AuditEntry, User
from tests.runs.streams.conftest import log

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(anna):
    return tokens.make(
        anna, name="tail", scopes=["view"], days=1, by=anna.as_actor(), now=timezone.now()
    )


@pytest.fixture
def open_with(web):
    opened = []

    def open_stream(path, secret, scheme="Bearer", **options):
        headers = {"Authorization": f"{scheme} {secret}", **options.pop("headers", {})}
        opened.append(web.open(path, headers=headers, **options))
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


def path_of(run):
    return f"/api/sse-logs/{ids.encode('run', run)}"


def test_a_token_opens_a_runs_stream(token, open_with, make_run):
    run = make_run()
    stream = open_with(path_of(run), token[1], headers={"Last-Event-ID": "0"})
    assert stream.status == 200
    log(run, "hello")
    assert [event.id for event in stream.take(2)] == [1, 2]
    token[0].refresh_from_db()
    assert token[0].last_used_at is not None


def test_a_token_opens_the_lists_stream(token, open_with):
    assert open_with("/api/sse-runs", token[1], scheme="bearer").status == 200


def expire(token):
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())


def revoke(token):
    tokens.revoke(token, by=token.user.as_actor(), now=timezone.now())


def narrow(token):
    ApiToken.objects.filter(pk=token.pk).update(scopes=["retry"])


def shut_the_account(token):
    User.objects.filter(pk=token.user_id).update(is_active=False)


def take_the_permission(token):
    token.user.user_permissions.clear()


def delete_it(token):
    token.delete()


ENDS = {
    expire: 401,
    revoke: 401,
    delete_it: 401,
    shut_the_account: 401,
    narrow: 403,
    take_the_permission: 403,
}


@pytest.mark.parametrize("end", ENDS)
def test_streams_end_with_their_token_and_open_no_more(token, open_with, make_run, end):
    run = make_run()
    streams = [open_with(path_of(run), token[1]), open_with("/api/sse-runs", token[1])]
    for stream in streams:
        assert stream.status == 200
        list(stream.events(0.6))  # allowed for longer than a recheck takes
    end(token[0])
    for stream in streams:
        stream.wait_for_end(5)
    refused = open_with(path_of(run), token[1])
    assert refused.status == ENDS[end]
    assert refused.headers["content-type"] == "application/problem+json"
    if ENDS[end] == 401:
        challenge = refused.headers["www-authenticate"]
        assert challenge == 'Bearer realm="portal", error="invalid_token"'


def test_what_is_missing_is_said(token, open_with):
    narrow(token[0])
    assert "scope view" in open_with("/api/sse-runs", token[1]).body()["detail"]


def test_another_token_of_the_same_person_goes_on(token, anna, open_with, make_run):
    run = make_run()
    _, secret = tokens.make(
        anna, name="other", scopes=["view"], days=1, by=anna.as_actor(), now=timezone.now()
    )
    goes, stays = open_with(path_of(run), token[1]), open_with(path_of(run), secret)
    revoke(token[0])
    goes.wait_for_end(5)
    log(run, "still here")
    assert stays.take(1)[0].id == 2


@pytest.mark.parametrize("secret", ["", "runs_abc", "x" * 5_000])
def test_a_bad_token_is_not_helped_by_a_session(web, session, secret):
    with web.open("/api/sse-runs", session, headers={"Authorization": f"Bearer {secret}"}) as got:
        assert got.status == 401


def test_who_shows_nothing_is_told_what_can_be_shown(web):
    with web.open("/api/sse-runs") as got:
        assert got.status == 401
        assert "Bearer" in got.headers["www-authenticate"]


def test_the_web_server_believes_no_claimed_address(web, token):
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    headers = {"Authorization": f"Bearer {token[1]}", "X-Forwarded-For": "203.0.113.9"}
    connection.request("DELETE", f"/api/tokens/{token[0].public_id}/", headers=headers)
    assert connection.getresponse().status == 204
    assert AuditEntry.objects.get(action="revoke").address == "127.0.0.1"
