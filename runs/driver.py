"""The database driver beneath the ORM, for statements that are sent many times a second.

What goes through it is prepared by the server after a few times; Django's own cursors put the
parameters into the text, which is parsed and planned each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


def driver() -> psycopg.Connection[Any]:
    """The connection that Django uses too, in its transaction where there is one."""
    # As Django's own cursors do: this may be its first use after a restart of the server.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    return connection.connection


@contextmanager
def plain_cursor() -> Iterator[psycopg.Cursor[Any]]:
    """Rows as tuples, JSON as text; errors are Django's."""
    with connection.wrap_database_errors, psycopg.Cursor(driver()) as cursor:
        yield cursor
