"""Where sessions are kept: Django's own table."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Looks up no key that was never made: a cookie may hold what PostgreSQL has no text for."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()
