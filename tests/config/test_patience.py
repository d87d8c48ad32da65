"""A connection does not wait for ever for a server that says nothing."""

import psycopg
import pytest
from django.db import connection

from config.patience import PatientConnection


class Hasty(PatientConnection):
    seconds = 0.3


@pytest.fixture
def hasty(db):
    known = {"dbname", "user", "password", "host", "port"}
    given = connection.get_connection_params()
    made = Hasty.connect(**{name: given[name] for name in known & given.keys()}, autocommit=True)
    yield made
    made.close()


def test_an_answer_that_does_not_come_is_given_up_and_the_connection_with_it(hasty):
    with pytest.raises(psycopg.OperationalError, match=r"not answered for 0\.3 seconds"):
        hasty.execute("SELECT pg_sleep(5)")
    assert hasty.closed


def test_each_answer_has_its_own_time(hasty):
    for number in range(5):
        [answer] = hasty.execute("SELECT %s::int FROM pg_sleep(0.1)", [number]).fetchone()
        assert answer == number
    assert not hasty.closed


def test_what_the_server_refuses_is_said_as_ever(hasty):
    with pytest.raises(psycopg.errors.UndefinedTable):
        hasty.execute("SELECT 1 FROM there_is_no_such_table")
    assert not hasty.closed
