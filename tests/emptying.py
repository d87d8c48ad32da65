"""How the database is emptied after a test that committed.

Django truncates every table and has content types and permissions made anew, which takes longer
than most tests. Here the few rows that a test leaves are deleted, and what the migrations made of
these two stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.core.management.commands import flush
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

KEPT = {"django_content_type", "auth_permission"}
# Bytes of a table that is truncated instead, with all others.
LARGE = 256 * 1024


@contextmanager
def quickly() -> Iterator[None]:
    """While it holds, Django's flush of this process's database is this one."""
    plain = connection.ops.execute_sql_flush, flush.emit_post_migrate_signal
    connection.ops.execute_sql_flush = _flush  # type: ignore[method-assign]
    flush.emit_post_migrate_signal = lambda *_, **__: None
    try:
        yield
    finally:
        connection.ops.execute_sql_flush, flush.emit_post_migrate_signal = plain  # type: ignore[method-assign]


def _flush(_: Any) -> None:
    # A real worker may be at it still, and hold tables in another order than it is done here.
    for _ in range(4):
        try:
            _empty()
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
        else:
            return
    _empty()


def _empty() -> None:
    tables = _tables()
    listed = ", ".join(f'"{table}"' for table in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever still writes is waited for: what is committed after this would stay.
        cursor.execute(f"LOCK TABLE {listed} IN EXCLUSIVE MODE")
        cursor.execute(
            "SELECT max(pg_relation_size(quote_ident(name)::regclass)) > %s OR NOT"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) FROM unnest(%s::text[])"
            " AS name",
            [LARGE, tables],
        )
        if cursor.fetchone()[0]:
            # Only the purge may truncate the log.
            cursor.execute(f"SET LOCAL runs.purge = 'on'; TRUNCATE {listed}")
            return
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables
            )
        )
        if left := cursor.fetchall():
            # Past triggers and foreign keys: nothing stays that they could guard.
            deletes = "; ".join(f'DELETE FROM "{table}"' for (table,) in left)
            cursor.execute(f"SET LOCAL session_replication_role = replica; {deletes}")


@cache
def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - KEPT)
