"""A connection to the database beside Django's: the pool's may all be busy, and a server that
hangs must hold up nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections

# A server that is gone without a word is noticed after some seconds: until then whoever asks for it
# hangs, and nobody else asks.
_DEAD = {
    "connect_timeout": 2,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


@contextmanager
def own_connection(seconds: float) -> Iterator[psycopg.Connection[Any]]:
    """To read with, in a transaction in which no statement may take longer than `seconds`."""
    parameters = {**connections["default"].get_connection_params(), **_DEAD}
    del parameters["cursor_factory"]
    connection: psycopg.Connection[Any]
    with psycopg.Connection.connect(**parameters) as connection:
        # Within the transaction, so that behind PgBouncer nobody inherits it.
        connection.execute(
            "SELECT set_config('statement_timeout', %s, true)", [f"{round(seconds * 1000)}ms"]
        )
        yield connection
