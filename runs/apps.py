"""The application that holds the runs, and the schema they stand in."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from psycopg import sql


def prepare_schema(using: str, **_: Any) -> None:
    """Make the schema and let every connection to this database find it.

    The search path is set on the database rather than per connection, so that it also holds
    behind a connection pooler.
    """
    schema = sql.Identifier(settings.RUNS_SCHEMA)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_database(), current_schema()")
        database, current = cursor.fetchone()
        if current == settings.RUNS_SCHEMA:
            return
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        cursor.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = {}, public").format(
                sql.Identifier(database), schema
            )
        )
        cursor.execute(sql.SQL("SET search_path = {}, public").format(schema))


def mend_outbox(using: str, **_: Any) -> None:
    """Before any process reads it: the database may be one that was just loaded from a dump."""
    from runs import outbox

    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass('outbox') IS NOT NULL")
        (is_there,) = cursor.fetchone()
    if is_there:
        outbox.mend_after_restore()


class RunsConfig(AppConfig):
    name = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        pre_migrate.connect(prepare_schema, sender=self, dispatch_uid="runs.schema")
        post_migrate.connect(mend_outbox, sender=self, dispatch_uid="runs.outbox")
