"""Connections of threads that stay, beside the pool."""

from django.db import DEFAULT_DB_ALIAS, connections

# Seconds for which a connection is used before it is renewed.
LIFETIME = 600


def keep_own_connection(*, checked: bool) -> None:
    """Have this thread keep a connection of its own, whether or not there is a pool.

    `checked`: each request tries it before it is used. Else one that broke shows by its error,
    and whoever uses it asks again.
    """
    own = connections[DEFAULT_DB_ALIAS].copy()
    options = {k: v for k, v in own.settings_dict["OPTIONS"].items() if k != "pool"}
    own.settings_dict["OPTIONS"] = options
    own.settings_dict["CONN_MAX_AGE"] = LIFETIME
    own.settings_dict["CONN_HEALTH_CHECKS"] = checked
    connections[DEFAULT_DB_ALIAS] = own
