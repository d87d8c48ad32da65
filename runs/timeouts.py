"""A limit on how long PostgreSQL may work on a question."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction
from psycopg.errors import QueryCanceled


@contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Statements within are stopped after `seconds`; `was_stopped` tells such an error.

    It holds for the transaction that it opens. Within an outer one it holds until that ends.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_words(seconds)])
        yield


def was_stopped(error: DatabaseError) -> bool:
    return isinstance(error.__cause__, QueryCanceled)


def _words(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
