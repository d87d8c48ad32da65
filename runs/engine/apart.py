"""A database connection for executors, apart from the engine's own in the same thread.

Whatever an executor does with it (a transaction left open, another search path, a role, a closed
socket), what the engine records does not go through it; and the next executor has another one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


class _Place(threading.local):
    # The engine's connection, while an executor has the place of it in this thread.
    engines: BaseDatabaseWrapper | None = None
    # Given to executors until one uses it.
    unused: BaseDatabaseWrapper | None = None


_place = _Place()


@contextmanager
def apart() -> Iterator[None]:
    """Within it, who asks Django for the database gets another connection than the engine's."""
    theirs = _place.unused or connections.create_connection(DEFAULT_DB_ALIAS)
    _place.engines, _place.unused = connections[DEFAULT_DB_ALIAS], theirs
    connections[DEFAULT_DB_ALIAS] = theirs
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS], _place.engines = _place.engines, None
        if theirs.connection is not None or theirs.in_atomic_block or theirs.run_on_commit:
            _place.unused = None
            with suppress(Exception):
                _close(theirs)


@contextmanager
def engines_own() -> Iterator[None]:
    """Within it, the engine's connection again: for what it stores in an executor's midst."""
    engines = _place.engines
    if engines is None:
        yield
        return
    theirs = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS], _place.engines = engines, None
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS], _place.engines = theirs, engines


def _close(theirs: BaseDatabaseWrapper) -> None:
    # Whatever it is in the midst of: what was not committed is not to be.
    raw, theirs.connection = theirs.connection, None
    if raw is not None:
        raw.close()
