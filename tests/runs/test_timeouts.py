"""A limit on a question to the database: it stops that one, and is gone afterwards."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import TextField
from django.db.models.expressions import RawSQL

from runs.models import User
from runs.timeouts import rows_within, statement_timeout, was_stopped

pytestmark = pytest.mark.django_db(transaction=True)


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_a_slow_statement_is_stopped_and_known_as_such():
    with pytest.raises(DatabaseError) as caught, statement_timeout(0.05):
        ask("SELECT pg_sleep(5)")
    assert was_stopped(caught.value)


def test_another_error_is_not_taken_for_it():
    with pytest.raises(DatabaseError) as caught, statement_timeout(5):
        ask("SELECT no_such_column")
    assert not was_stopped(caught.value)


def test_the_limit_ends_with_the_block():
    before = ask("SHOW statement_timeout")
    with statement_timeout(1.5):
        assert ask("SHOW statement_timeout") == ("1500ms",)
    assert ask("SHOW statement_timeout") == before
    with pytest.raises(DatabaseError), statement_timeout(0.05):
        ask("SELECT pg_sleep(5)")
    assert ask("SHOW statement_timeout") == before


def users(sql):
    return User.objects.annotate(found=RawSQL(sql, (), TextField())).values_list(
        "username", "found"
    )


@pytest.fixture
def _anna():
    User.objects.create_user("anna")


@pytest.mark.usefixtures("_anna")
def test_rows_are_read_with_a_limit_that_ends_with_them(django_assert_num_queries):
    before = ask("SHOW statement_timeout")
    for _ in range(10):  # past the number after which the driver prepares what can be
        with django_assert_num_queries(1):
            found = rows_within(1.5, users("current_setting('statement_timeout')"))
        assert found == [("anna", "1500ms")]
    with pytest.raises(DatabaseError) as caught:
        rows_within(0.05, users("pg_sleep(5)::text"))
    assert was_stopped(caught.value)
    assert ask("SHOW statement_timeout") == before


@pytest.mark.usefixtures("_anna")
def test_a_transaction_outlives_rows_that_took_too_long():
    with transaction.atomic():
        with pytest.raises(DatabaseError) as caught:
            rows_within(0.05, users("pg_sleep(5)::text"))
        assert was_stopped(caught.value)
        assert rows_within(5, users("'there'")) == [("anna", "there")]


@pytest.mark.usefixtures("_anna")
def test_times_are_those_that_django_reads():
    found = User.objects.values_list("date_joined", "last_login")
    assert rows_within(5, found) == list(found)
    assert rows_within(5, found)[0][0].utcoffset() == timedelta(0)


def test_what_is_known_to_be_nothing_is_not_asked_for(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert rows_within(5, User.objects.none().values_list("username")) == []
