"""Figures that PostgreSQL tells, in statements that stay cheap with millions of runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from runs.models.stuck import StuckKind
from runs.services.own_connection import own_connection
from runs.states import RunState

SECONDS = 1.5
# Runs of a state that are counted at most: by its index, as many as take some milliseconds.
MOST_RUNS = 100_000
# The newest events, by their key, of which the rate and the lag are told.
NEWEST = 1_000

_OPEN = """
SELECT count(*) FROM (SELECT FROM jobs WHERE state = %s LIMIT %s) AS first_ones
"""
_OF_LAST_HOUR = """
SELECT count(*) FROM (
    SELECT FROM jobs WHERE state = %s AND created_at > now() - interval '1 hour' LIMIT %s
) AS first_ones
"""
# The log's key grows with time, as good as exactly.
_NEWEST = """
SELECT count(*) FILTER (WHERE recorded_at > now() - interval '60 seconds'),
    count(*) FILTER (WHERE reported AND recorded_at > now() - interval '60 seconds'),
    extract(epoch FROM now() - min(recorded_at))::float,
    percentile_cont(0.95) WITHIN GROUP (
        ORDER BY greatest(extract(epoch FROM recorded_at - at), 0)
    ) FILTER (WHERE reported)::float,
    count(*)
FROM (
    SELECT recorded_at, at, source_id IS NOT NULL AS reported
    FROM event_tracking ORDER BY id DESC LIMIT %s
) AS newest
"""
_SERVICES = """
SELECT kind, name, status, latency_ms, extract(epoch FROM now() - checked_at)::float
FROM services WHERE checked_at = (SELECT max(checked_at) FROM services) ORDER BY key LIMIT 500
"""
_STUCK = """
SELECT kind, count(*) FROM stuck_runs JOIN jobs ON jobs.id = run_id
WHERE state IN ('created', 'active') GROUP BY kind
"""


@dataclass(slots=True)
class Measures:
    # By state, counted to MOST_RUNS: those that are open, and those of the last hour.
    open_runs: dict[str, int] = field(default_factory=dict)
    new_runs: dict[str, int] = field(default_factory=dict)
    # Events a second of the last minute, of all and of those that sources reported.
    rate: float = 0.0
    reported_rate: float = 0.0
    # Seconds between an event and its storing, of 95 in 100 of the newest ones.
    lag: float | None = None
    services: list[tuple[str, str, str, float | None, float]] = field(default_factory=list)
    # By class, all classes.
    stuck: dict[str, int] = field(default_factory=dict)


def measure() -> Measures:
    """Raises what psycopg raises."""
    found = Measures()
    with own_connection(SECONDS) as connection:
        for state in (RunState.CREATED, RunState.ACTIVE):
            row = connection.execute(_OPEN, [state, MOST_RUNS]).fetchone()
            found.open_runs[state] = row[0] if row else 0
        for state in RunState:
            row = connection.execute(_OF_LAST_HOUR, [state, MOST_RUNS]).fetchone()
            found.new_runs[state] = row[0] if row else 0
        row = connection.execute(_NEWEST, [NEWEST]).fetchone()
        if row is not None:
            recent, reported, age, found.lag, looked = row
            # Where all of them are from the last minute, they are of less than that.
            span = age if looked == NEWEST and age and age < 60 else 60.0
            found.rate, found.reported_rate = recent / max(span, 1.0), reported / max(span, 1.0)
        stuck = dict(connection.execute(_STUCK).fetchall())
        found.stuck = {kind.value: stuck.get(kind.value, 0) for kind in StuckKind}
        found.services = connection.execute(_SERVICES).fetchall()
    return found
