"""Migrations beside a portal that goes on: none of them waits for a lock for long.

Whoever waits for a lock on a table makes all who come later wait behind it, readers too. So each
statement gives up after some seconds, the migration is rolled back, whoever waited goes on, and it
is tried again after a while. What builds an index concurrently holds up nobody, and may wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import DeadlockDetected, LockNotAvailable

# Seconds that a statement waits for a lock, that others are let through before the next try, and
# after which a migration is given up.
LOCK_SECONDS = 3.0
PAUSE = 5.0
PATIENCE = 600.0
_BLOCKING = """
SELECT pid, application_name, state, round(extract(epoch FROM now() - xact_start))
FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
    AND datname = current_database() AND backend_type = 'client backend'
ORDER BY xact_start LIMIT 3
"""


class PatientExecutor(MigrationExecutor):
    lock_seconds = LOCK_SECONDS
    pause = PAUSE
    patience = PATIENCE
    say: Callable[[str], object] = staticmethod(lambda _: None)

    def apply_migration(
        self, state: Any, migration: Any, fake: bool = False, fake_initial: bool = False
    ) -> Any:
        return self._patiently(
            migration,
            # Its operations change the state that they are given.
            lambda: super(PatientExecutor, self).apply_migration(
                state.clone(), migration, fake, fake_initial
            ),
        )

    def unapply_migration(self, state: Any, migration: Any, fake: bool = False) -> Any:
        return self._patiently(
            migration,
            lambda: super(PatientExecutor, self).unapply_migration(state.clone(), migration, fake),
        )

    def _patiently(self, migration: Any, act: Callable[[], Any]) -> Any:
        if self.connection.vendor != "postgresql":
            return act()
        with self.connection.execute_wrapper(self._bounded(migration)):
            if not migration.atomic:  # each of its statements is tried again by itself
                return act()
            return self._tried(str(migration), act)

    def _bounded(self, migration: Any) -> Callable[..., Any]:
        limit = f"SET LOCAL lock_timeout = '{round(self.lock_seconds * 1000)}ms'"

        def bounded(execute: Any, query: Any, params: Any, many: bool, context: Any) -> Any:
            if self.connection.in_atomic_block:
                context["cursor"].cursor.execute(limit)
                return execute(query, params, many, context)
            text = str(query)
            if "CONCURRENTLY" in text.upper() or not _takes_locks(text):
                return execute(query, params, many, context)
            # Sent together, they are one transaction: behind a pooler too.
            both = f"{limit}; {text}"
            return self._tried(str(migration), lambda: execute(both, params, many, context))

        return bounded

    def _tried(self, what: str, act: Callable[[], Any]) -> Any:
        end = time.monotonic() + self.patience
        while True:
            try:
                return act()
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                    raise
                if time.monotonic() + self.pause > end:
                    raise CommandError(
                        f"{what} got no lock within {self.patience:.0f} s, and was not applied."
                        f" What was open last: {self._others()}. Nothing is broken: run migrate"
                        " again when these have ended."
                    ) from error
                self.say(f"\n  {what} waits for a lock: {self._others()}")
            time.sleep(self.pause)

    def _others(self) -> str:
        with self.connection.cursor() as cursor:
            cursor.execute(_BLOCKING)
            rows = cursor.fetchall()
        told = [f"{pid} ({name or 'unnamed'}, {state}, {age} s)" for pid, name, state, age in rows]
        return ", ".join(told) or "nothing that is open still"


def _takes_locks(statement: str) -> bool:
    return statement.lstrip().upper().startswith(("ALTER", "CREATE", "DROP", "LOCK", "COMMENT"))


@contextmanager
def patient_executor(module: Any, **fields: Any) -> Iterator[None]:
    """While it holds, Django's command, whose module this is, migrates so."""
    plain = module.MigrationExecutor
    module.MigrationExecutor = type("PatientExecutor", (PatientExecutor,), fields)
    try:
        yield
    finally:
        module.MigrationExecutor = plain
