"""A limit on a question to the database: it stops that one, and is gone afterwards."""

import pytest
from django.db import DatabaseError, connection

from runs.timeouts import statement_timeout, was_stopped

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
