"""A few wrong passwords lock a user name for who tried them, for a while."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.utils import timezone

from runs import logins
from runs.models import AuditEntry, LoginTry
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db
PATH = "/admin/login/"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def olga():
    return account("runs.view_run", name="olga", password=PASSWORD)


def sign_in(client, password=PASSWORD, username="olga", **extra):
    return client.post(PATH, {"username": username, "password": password}, **extra)


def guess(client, count, **extra):
    for number in range(count):
        answer = sign_in(client, f"guess {number}", **extra)
    return answer


def is_in(answer):
    return answer.status_code == 302


def test_the_right_password_is_refused_after_five_wrong_ones(client, olga):
    last = guess(client, 5).content.decode()
    assert "Too many wrong passwords" in last
    assert "Wait 10 minutes" in last
    answer = sign_in(client)
    assert not is_in(answer)
    assert "Too many wrong passwords" in answer.content.decode()


def test_four_wrong_ones_lock_nothing_and_the_right_one_forgets_them(client, olga):
    for _ in range(3):
        assert "Too many" not in guess(client, 4).content.decode()
        assert is_in(sign_in(client))
        client.logout()
    # But for those from this address.
    assert list(LoginTry.objects.values_list("count", flat=True)) == [12]


@pytest.mark.parametrize("before", [0, 4])
def test_a_known_name_takes_the_work_that_an_unknown_one_takes(
    client, olga, django_assert_max_num_queries, before
):
    """What differs would be heard from the time that the answer takes."""
    done = {}
    sign_in(client, "guess", "somebody")  # there were tries from here before
    for name in ("olga", "nobody"):
        for number in range(before):
            sign_in(client, f"guess {number}", name)
        with django_assert_max_num_queries(50) as asked, hashing() as hashed:
            sign_in(client, "guess", name)
        verbs = [query["sql"].split()[0] for query in asked.captured_queries]
        writes = sum(verb in ("INSERT", "UPDATE", "DELETE") for verb in verbs)
        done[name] = (len(verbs), writes, len(hashed))
    assert done["olga"] == done["nobody"]
    assert done["olga"][2] == 1


@contextmanager
def hashing():
    """The passwords that are hashed."""
    hashed, encode = [], MD5PasswordHasher.encode

    def counted(*given):
        hashed.append(given)
        return encode(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MD5PasswordHasher, "encode", counted)
        yield hashed


def test_the_lock_ends_by_itself(client, olga):
    guess(client, 5)
    LoginTry.objects.update(at=timezone.now() - logins.LOCKED)
    assert is_in(sign_in(client))


def test_trying_while_it_is_locked_does_not_prolong_it(client, olga):
    guess(client, 5)
    begun = timezone.now() - logins.LOCKED + timedelta(seconds=90)
    LoginTry.objects.update(at=begun)
    answer = guess(client, 3).content.decode()
    assert "Wait 2 minutes" in answer
    assert set(LoginTry.objects.values_list("at", flat=True)) == {begun}


def test_others_and_elsewhere_are_not_locked(client, olga):
    account("runs.view_run", name="anna", password=PASSWORD)
    guess(client, 5, REMOTE_ADDR="192.0.2.7")
    assert not is_in(sign_in(client, REMOTE_ADDR="192.0.2.7"))
    assert is_in(sign_in(client, username="anna", REMOTE_ADDR="192.0.2.7"))
    client.logout()
    assert is_in(sign_in(client, REMOTE_ADDR="192.0.2.8"))


def test_another_address_of_the_same_ipv6_network_is_no_way_around(client, olga):
    for number in range(5):
        guess(client, 1, REMOTE_ADDR=f"2001:db8:0:1::{number + 1}")
    assert not is_in(sign_in(client, REMOTE_ADDR="2001:db8:0:1:ffff::9"))
    assert is_in(sign_in(client, REMOTE_ADDR="2001:db8:0:2::9"))


def test_a_claimed_address_is_no_way_around(client, olga):
    for number in range(5):
        guess(client, 1, headers={"X-Forwarded-For": f"203.0.113.{number}"})
    assert not is_in(sign_in(client, headers={"X-Forwarded-For": "203.0.113.99"}))


def test_behind_a_proxy_it_is_the_callers_address(client, olga, settings):
    settings.PROXIES = 1
    guess(client, 5, headers={"X-Forwarded-For": "203.0.113.1"})
    assert not is_in(sign_in(client, headers={"X-Forwarded-For": "203.0.113.1"}))
    # What the caller claims stands before what the proxy adds.
    assert not is_in(sign_in(client, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.1"}))
    assert is_in(sign_in(client, headers={"X-Forwarded-For": "203.0.113.2"}))


def test_the_lock_is_audited_once(client, olga):
    guess(client, 8, REMOTE_ADDR="192.0.2.7")
    *others, entry = AuditEntry.objects.order_by("id")
    assert [other.action for other in others] == ["fail_login"] * 4
    assert (entry.action, entry.target_type, entry.target_id) == (
        "lock_login", "user", olga.public_id,
    )  # fmt: skip
    assert entry.address == "192.0.2.7"
    assert entry.reason.startswith("olga: 5 wrong passwords")


def test_who_signs_in_and_who_could_not_is_audited(client, olga):
    guess(client, 1, REMOTE_ADDR="192.0.2.7")
    assert is_in(sign_in(client, REMOTE_ADDR="192.0.2.8"))
    failed, entered = AuditEntry.objects.order_by("id")
    assert (failed.actor, failed.action, failed.address) == ("sign-in", "fail_login", "192.0.2.7")
    assert (entered.actor, entered.action, entered.address) == ("olga", "login", "192.0.2.8")
    assert {failed.target_id, entered.target_id} == {olga.public_id}
    assert "guess" not in failed.reason


def test_what_names_no_account_is_locked_too_and_written_nowhere(client, caplog):
    typed = "my password by mistake"
    assert "Too many" in guess(client, 5, username=typed).content.decode()
    assert not AuditEntry.objects.exists()
    assert typed not in caplog.text
    assert typed not in str(list(LoginTry.objects.values()))


def test_tries_that_are_over_are_forgotten(client, olga):
    guess(client, 2)
    LoginTry.objects.update(at=timezone.now() - 2 * logins.LOCKED)
    guess(client, 1, username="anna")
    # Anna's, and those from this address.
    assert list(LoginTry.objects.values_list("count", flat=True)) == [1, 1]


def test_many_names_tried_from_one_address_lock_it_for_all(client, olga, monkeypatch):
    monkeypatch.setattr(logins, "MOST_FROM_ONE", 7)
    for number in range(6):
        assert "Too many" not in guess(client, 1, username=f"name {number}").content.decode()
    assert "Too many" in guess(client, 1).content.decode()
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.reason[:40]) == (
        "lock_login", "olga: 7 wrong passwords for several name",
    )  # fmt: skip
    assert not is_in(sign_in(client))
    assert is_in(sign_in(client, REMOTE_ADDR="192.0.2.8"))
    client.logout()
    LoginTry.objects.update(at=timezone.now() - logins.LOCKED)
    assert is_in(sign_in(client))


def test_who_knows_their_password_uses_up_no_try_of_others(client, olga, monkeypatch):
    monkeypatch.setattr(logins, "MOST_FROM_ONE", 3)
    for _ in range(5):
        assert is_in(sign_in(client))
        client.logout()
    assert not LoginTry.objects.exists()


def test_signing_in_asks_for_both_before_anything_is_counted(client, db):
    client.post(PATH, {"username": "olga", "password": ""})
    assert not LoginTry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_tries_at_once_are_no_way_around():
    now, admitted = timezone.now(), []
    start = threading.Barrier(12)

    def guess_once():
        try:
            start.wait(30)
            admitted.append(logins.begin("olga", "192.0.2.7", now).locked_until is None)
        finally:
            connection.close()

    threads = [threading.Thread(target=guess_once) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted) == [False] * 7 + [True] * 5
