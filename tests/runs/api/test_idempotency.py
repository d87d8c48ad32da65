"""Starting a run once, however often it is asked for under the same key."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from runs import idempotency, tokens
from runs.engine.tasks import prune_outbox
from runs.models import AuditEntry, IdempotencyKey, Run, User
from tests.runs.api.conftest import ALL, INPUT, stored
from tests.runs.conftest import executor_node

START = "/api/workflows/invoices/runs/"


def start(client, key, body=None, path=START):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(path, body or {"input": INPUT}, format="json", headers=headers)


def test_the_same_request_gives_the_same_run_and_answer(client, workflow):
    first = start(client, "order-4711")
    assert first.status_code == 201
    assert "Idempotency-Replayed" not in first
    before = stored()
    for _ in range(2):
        again = start(client, "order-4711")
        assert again.status_code == 201
        assert again.json() == first.json()
        assert again["Location"] == first["Location"]
        assert again["Idempotency-Replayed"] == "true"
    assert stored() == before
    assert Run.objects.count() == 1


def test_the_answer_stays_when_the_run_has_changed_or_is_gone(client, workflow):
    first = start(client, "k")
    run = first.json()["id"]
    client.post(f"/api/runs/{run}/terminate/", {}, format="json")
    assert start(client, "k").json()["state"] == "created"
    client.delete(f"/api/runs/{run}/")
    assert start(client, "k").json() == first.json()
    assert not Run.objects.exists()


def test_another_body_or_workflow_under_the_key_is_refused(client, workflow, publish):
    publish(executor_node("only"), slug="other")
    start(client, "k")
    before = stored()
    for response in (
        start(client, "k", {"input": {"document": "b.pdf"}}),
        start(client, "k", {"input": INPUT, "ref_type": "order"}),
        start(client, "k", path="/api/workflows/other/runs/"),
    ):
        assert response.status_code == 422
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["type"] == "urn:problem-type:runs:idempotency-key-reused"
    assert stored() == before


def test_how_a_body_is_written_makes_no_difference_and_types_do(client, publish):
    publish(executor_node("only"), slug="free")
    path = "/api/workflows/free/runs/"
    start(client, "k", {"input": {"a": 1, "b": 2}}, path)
    assert start(client, "k", {"version": None, "input": {"b": 2, "a": 1}}, path).status_code == 201
    assert start(client, "k", {"input": {"a": True, "b": 2}}, path).status_code == 422
    assert start(client, "k", {"input": {"a": 1.0, "b": 2}}, path).status_code == 422


def test_without_a_key_and_under_other_keys_each_is_a_run(client, workflow):
    for key in (None, None, "a", "b"):
        assert start(client, key).status_code == 201
    assert Run.objects.count() == 4
    assert IdempotencyKey.objects.count() == 2


def test_a_key_is_ones_own(client, login, workflow):
    first = start(client, "k")
    other = start(login(*ALL, name="ben"), "k")
    assert other.json()["id"] != first.json()["id"]


def test_a_key_is_the_persons_by_session_and_token(client, workflow):
    first = start(client, "k")
    olga = User.objects.get(username="olga")
    _, secret = tokens.make(
        olga, name="t", scopes=["execute"], days=1, by=olga.as_actor(), now=timezone.now()
    )
    script = APIClient()
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert start(script, "k").json() == first.json()


def test_a_request_that_is_refused_keeps_no_key(client, workflow):
    assert start(client, "k", {"inputs": {}}).status_code == 400
    assert start(client, "k", {"input": "x" * 1_100_000}).status_code == 413
    assert not IdempotencyKey.objects.exists()
    assert start(client, "k").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "ä"])
def test_a_key_that_is_none_is_refused(client, workflow, key):
    before = stored()
    response = start(client, key)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert stored() == before


def test_a_key_is_forgotten_after_a_day(client, workflow):
    first = start(client, "k").json()
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert start(client, "k").json()["id"] != first["id"]


def test_housekeeping_prunes_what_is_old(client, workflow):
    start(client, "old")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    start(client, "new")
    prune_outbox()
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]


def test_where_the_act_fails_the_key_is_free(db):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        idempotency.once("user_1", "k", {}, fail, now=timezone.now())
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_starts_a_run(workflow, person):
    anna, count = person(*ALL, name="anna"), 6
    answers, barrier = [], threading.Barrier(count)

    def ask():
        client = APIClient()
        client.force_login(anna)
        try:
            barrier.wait()
            answers.append(start(client, "k"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * count
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Run.objects.count() == 1
    assert AuditEntry.objects.filter(action="start").count() == 1
