"""So many requests a minute, by token and by person; without the broker nobody is held up."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.utils import timezone

from config.embedded.network import free_port
from runs import tokens
from runs.api import throttling
from runs.models import User
from tests.runs.api.conftest import ALL, stored
from tests.runs.api.reports import URL, told
from tests.runs.api.test_tokens import bearer

pytestmark = pytest.mark.django_db
PATH = "/api/tokens/"


@pytest.fixture(autouse=True)
def _one_long_minute(monkeypatch, settings):
    """No test runs over the end of it."""
    monkeypatch.setattr(throttling, "MINUTE", 10**8)
    monkeypatch.setattr(throttling, "counter", throttling.Counter())
    settings.API_TOKEN_RATE, settings.API_USER_RATE, settings.API_INGEST_RATE = 3, 5, 4


@pytest.fixture
def olga(person):
    return person(*ALL)


def client_of(user, name="script", scope="view"):
    _, secret = tokens.make(
        user, name=name, scopes=[scope], days=1, by=user.as_actor(), now=timezone.now()
    )
    return bearer(secret)


def answers(client, count):
    return [client.get(PATH).status_code for _ in range(count)]


def test_a_token_is_held_up_past_its_rate(olga):
    client = client_of(olga)
    assert answers(client, 5) == [200, 200, 200, 429, 429]


def test_who_is_held_up_is_told_for_how_long(olga):
    client = client_of(olga)
    answers(client, 3)
    response = client.get(PATH)
    assert response.status_code == 429
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 429
    assert 0 < int(response["Retry-After"]) <= 10**8


def test_being_held_up_is_logged_once_a_minute(olga, caplog):
    answers(client_of(olga), 8)
    assert caplog.text.count("is held up") == 2  # the token, then the person
    assert "Too Many Requests" not in caplog.text


def test_another_token_of_the_same_person_shares_their_rate(olga):
    assert answers(client_of(olga, "first"), 3) == [200, 200, 200]
    assert answers(client_of(olga, "second"), 3) == [200, 200, 429]


def test_another_person_is_not_held_up(olga):
    answers(client_of(olga), 5)
    anna = User.objects.create_user("anna", is_staff=True, is_superuser=True)
    assert answers(client_of(anna), 3) == [200, 200, 200]


def test_a_session_has_the_persons_rate(login):
    assert answers(login(*ALL), 6) == [200] * 5 + [429]


def test_the_next_minute_is_a_new_one(olga, monkeypatch):
    client = client_of(olga)
    answers(client, 4)
    monkeypatch.setattr(throttling, "MINUTE", 10**8 + 10**7)  # another number of minutes
    assert client.get(PATH).status_code == 200


def test_what_is_counted_is_forgotten_by_the_broker(olga):
    answers(client_of(olga), 1)
    broker = throttling.counter._connected()
    for key in broker.scan_iter(f"rate:user:{olga.pk}:*"):
        assert 0 < broker.ttl(key) <= 2 * 10**8
        return
    raise AssertionError("nothing was counted")


# -- Reports of events -----------------------------------------------------------------------


def reports(client, count):
    event = told("log", data={"message": "x"})
    return [client.post(URL, [event], format="json").status_code for _ in range(count)]


def test_a_token_that_reports_has_a_rate_of_its_own(olga):
    sender, reader = client_of(olga, scope="ingest"), client_of(olga, "reader")
    assert reports(sender, 6) == [200] * 4 + [429] * 2
    assert answers(reader, 3) == [200] * 3
    assert reports(client_of(olga, "other", scope="ingest"), 1) == [200]


def test_a_sender_that_is_held_up_is_told_for_how_long_and_nothing_is_stored(olga):
    sender = client_of(olga, scope="ingest")
    reports(sender, 4)
    before = stored()
    response = sender.post(URL, [told("log", data={"message": "late"})], format="json")
    assert response.status_code == 429
    assert response["Content-Type"] == "application/problem+json"
    assert 0 < int(response["Retry-After"]) <= 10**8
    assert stored() == before


# -- Without the broker ----------------------------------------------------------------------


@pytest.fixture
def no_broker(settings):
    settings.EVENTSTREAM_REDIS = {
        **settings.EVENTSTREAM_REDIS, "host": "127.0.0.1", "port": free_port()
    }  # fmt: skip


def test_without_the_broker_reports_are_taken_in(olga, no_broker):
    assert reports(client_of(olga, scope="ingest"), 6) == [200] * 6


def test_without_the_broker_requests_pass(olga, no_broker, caplog):
    assert answers(client_of(olga), 8) == [200] * 8
    # Said once, and asked again only after a while.
    assert caplog.text.count("requests pass uncounted") == 1


def test_the_first_requests_at_once_share_one_connection_to_the_broker():
    counter, start = throttling.Counter(), Barrier(8)

    def first(_):
        start.wait()
        return counter._connected()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(map(id, threads.map(first, range(8))))) == 1
