"""Addresses of servers: special characters are decoded, and no error shows a password."""

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import addresses


def test_user_and_password_of_redis_are_decoded():
    options = addresses.redis("rediss://us%40er:p%2F%23%3Aw@redis.example:7000/3")
    assert (options["username"], options["password"]) == ("us@er", "p/#:w")
    assert (options["host"], options["port"], options["db"]) == ("redis.example", 7000, 3)
    assert options["ssl"] is True


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@h/0",
        "redis://:hunter2/x@h:6379/0",
        "redis://:a#hunter2@h/0",
        "redis://h/hunter2",
        "redis://:hunter2@h:6379/0?protocol=3",
    ],
)
def test_an_error_about_redis_shows_no_password(url):
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL") as caught:
        addresses.redis(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgresql://u:hunter2/x@h:5432/d",
        "postgresql://u:p@h:hunter2/d",
        "postgresql://u:a[hunter2@h/d",
    ],
)
def test_an_error_about_the_database_shows_no_password(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as caught:
        addresses.database(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_connections_to_the_database_end_when_nothing_comes_back():
    options = addresses.database("postgresql://u:p@h/d?tcp_user_timeout=1")["OPTIONS"]
    assert options["connect_timeout"] == 5
    assert str(options["tcp_user_timeout"]) == "1"
