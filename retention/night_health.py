"""How the last night of the archive went, for the page of services and for /metrics."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from runs.services.finding import Finding, Kind, Status, span_words
from runs.services.own_connection import own_connection

# Seconds that the question may take; seconds after the last night, or after nights were switched
# on, from which one is missing.
SECONDS = 1.0
MISSING = 36 * 3600.0

_POLICY = """
SELECT is_on, extract(epoch FROM now() - nights_from)::float FROM retention_policy WHERE id = 1
"""

# By the index on nights: there is one row a night.
_LAST = """
SELECT night, state, errors, archived, trouble, ended_at,
    extract(epoch FROM now() - ended_at)::float
FROM retention_executions WHERE night IS NOT NULL AND ended_at IS NOT NULL
ORDER BY night DESC LIMIT 1
"""
_AGE = """
SELECT extract(epoch FROM now() - ended_at)::float FROM (
    SELECT ended_at, state FROM retention_executions WHERE night IS NOT NULL
    ORDER BY night DESC LIMIT 30
) AS nights WHERE state = 'finished' ORDER BY ended_at DESC LIMIT 1
"""


class Night(NamedTuple):
    night: object
    state: str
    errors: int
    archived: int
    trouble: str
    ended_at: datetime
    age: float


def look() -> Finding:
    """Raises what psycopg raises."""
    found = Finding("archive", Kind.ARCHIVE, "Nightly archive", Status.UP)
    found.link = ("All nights", reverse("retention_executions"), "runs.manage_retention")
    with own_connection(SECONDS) as connection:
        is_on, on_for = connection.execute(_POLICY).fetchone() or (True, None)
        row = connection.execute(_LAST).fetchone()
    last = Night(*row) if row else None
    if last:
        found.words = f"Last night ended {span_words(last.age)} ago, {last.archived:,} archived"
        found.facts = [
            ("Night", str(last.night)),
            ("Archived", f"{last.archived:,}"),
            ("Errors", f"{last.errors:,}"),
        ]
    else:
        found.words = "No night yet"
    if not is_on:
        found.words = "The nightly run is off"
        return found
    waited = _least(last.age if last else None, on_for) or 0.0
    if last and last.state == "failed":
        found.status = Status.DEGRADED
        found.words = f"The last night gave up: {last.trouble}"[:400]
        found.act = "Manage, Archive shows what it met. It begins again the next night."
    elif last and last.errors:
        found.status = Status.DEGRADED
        found.words = f"The last night met {last.errors:,} errors"
        found.act = "Manage, Archive lists them; the runs stay where they are."
    elif waited > MISSING:
        found.status = Status.DEGRADED
        found.words = f"No night has ended for {span_words(waited)}"
        found.act = "See whether beat and a bulk worker run."
    return found


def age_of_last_night(seconds: float) -> float | None:
    """Seconds since the last one that finished, or since nights were switched on or set to another
    hour where that was later; None while they are off. Raises what psycopg raises."""
    with own_connection(seconds) as connection:
        is_on, on_for = connection.execute(_POLICY).fetchone() or (True, None)
        row = connection.execute(_AGE).fetchone()
    return _least(row[0] if row else None, on_for) if is_on else None


def _least(*ages: float | None) -> float | None:
    return min((age for age in ages if age is not None), default=None)
