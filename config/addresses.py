"""The addresses of PostgreSQL and Redis, read so that no error ever shows their password."""

from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

# A connection on which nothing comes back ends by itself.
IMPATIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry; options in the address come before ours."""
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
    except Exception:  # its words may quote parts of the address, as may those of the cause
        found = {}
    if found.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "DATABASE_URL must be like postgresql://user:password@host:5432/name, "
            "special characters of the password as %XX"
        ) from None
    found["OPTIONS"] = {**IMPATIENT, **found.get("OPTIONS", {})}
    return found


def redis(url: str) -> dict[str, Any]:
    """What redis-py's client takes to connect there."""
    try:
        parts = urlsplit(url)
        port, number = parts.port or 6379, int(parts.path.strip("/") or 0)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("redis", "rediss") or parts.fragment:
        raise ImproperlyConfigured(
            "REDIS_URL must be like redis://user:password@host:6379/0, or rediss://, "
            "special characters of the password as %XX"
        ) from None
    if parts.query:
        raise ImproperlyConfigured("REDIS_URL must not have a query part (what follows a “?”)")
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": port,
        "db": number,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "ssl": parts.scheme == "rediss",
    }
