"""A limit on how long PostgreSQL may work on a question."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from psycopg.errors import QueryCanceled
from psycopg.types.datetime import TimestamptzLoader


@contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Statements within are stopped after `seconds`; `was_stopped` tells such an error.

    It holds for the transaction that it opens. Within an outer one it holds until that ends.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_words(seconds)])
        yield


def rows_within(seconds: float, values: QuerySet) -> list[tuple[Any, ...]]:
    """The rows of a `values_list`, as the driver gives them, in one trip: what is sent together is
    a transaction of its own, for which the limit holds."""
    if connection.in_atomic_block:  # whose other statements have no limit
        with statement_timeout(seconds):
            return list(values)
    try:
        sql, params = values.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        # Django's own reads times in Python, which takes most of what reading a page takes.
        cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(f"SET LOCAL statement_timeout = '{_words(seconds)}'; {sql}", params)
        cursor.nextset()
        return cursor.fetchall()


def was_stopped(error: DatabaseError) -> bool:
    return isinstance(error.__cause__, QueryCanceled)


def _words(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
