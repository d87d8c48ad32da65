"""Connections of threads that stay, beside the pool."""

import select
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# Seconds for which a connection is used before it is renewed.
LIFETIME = 600


def keep_own_connection(*, checked: bool, patience: float | None = None) -> None:
    """Have this thread keep a connection of its own, whether or not there is a pool.

    `checked`: each request tries it before it is used. Else one that broke shows by its error,
    and whoever uses it asks again. `patience`: seconds that a server may be silent which owes an
    answer; as long as those of the pool wait, where it is not said.
    """
    own = connections[DEFAULT_DB_ALIAS].copy()
    options = dict(own.settings_dict["OPTIONS"])
    pool = options.pop("pool", None)
    own.settings_dict["OPTIONS"] = options
    if pool:
        kind = pool.get("connection_class", psycopg.Connection)
        if patience is not None:
            kind = type(kind.__name__, (kind,), {"seconds": patience})
        own.Database = _Driver(kind)  # type: ignore[attr-defined]
    own.settings_dict["CONN_MAX_AGE"] = LIFETIME
    own.settings_dict["CONN_HEALTH_CHECKS"] = checked
    asks = own.is_usable
    own.is_usable = lambda: is_quiet(own.connection) or asks()  # type: ignore[method-assign]
    connections[DEFAULT_DB_ALIAS] = own


def is_quiet(connection: psycopg.Connection[Any]) -> bool:
    """Whether nothing came in while it was not used, as it does at the latest some seconds after
    the server or the way to it broke: then it need not be asked whether it is there."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
    except (psycopg.Error, ValueError):
        return False


class _Driver:
    """psycopg, with connections of another class."""

    def __init__(self, connection_class: Any) -> None:
        self.connect = connection_class.connect

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)
