"""How the last night of the archive went, for the page of services and for /metrics."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from runs.services.finding import Finding, Kind, Status, span_words
from runs.services.own_connection import own_connection

# Seconds that the question may take; seconds after the last night from which one is missing.
SECONDS = 1.0
MISSING = 36 * 3600.0

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
        row = connection.execute(_LAST).fetchone()
    if row is None:
        found.words = "No night yet"
        return found
    last = Night(*row)
    found.words = f"Last night ended {span_words(last.age)} ago, {last.archived:,} archived"
    found.facts = [
        ("Night", str(last.night)),
        ("Archived", f"{last.archived:,}"),
        ("Errors", f"{last.errors:,}"),
    ]
    if last.state == "failed":
        found.status = Status.DEGRADED
        found.words = f"The last night gave up: {last.trouble}"[:400]
        found.act = "Manage, Archive shows what it met. It begins again the next night."
    elif last.errors:
        found.status = Status.DEGRADED
        found.words = f"The last night met {last.errors:,} errors"
        found.act = "Manage, Archive lists them; the runs stay where they are."
    elif last.age > MISSING:
        found.status = Status.DEGRADED
        found.words = f"No night has ended for {span_words(last.age)}"
        found.act = "See whether the policy is on, and whether beat and a bulk worker run."
    return found


def age_of_last_night(seconds: float) -> float | None:
    """Seconds since the last one that finished; None where none did. Raises what psycopg raises."""
    with own_connection(seconds) as connection:
        row = connection.execute(_AGE).fetchone()
    return row[0] if row else None
