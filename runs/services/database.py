"""PostgreSQL: how it is, and what it alone can tell of sources, queues and the change feed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from runs.secret_values import masked
from runs.services.finding import Finding, Kind, Status, bytes_words, span_words
from runs.services.own_connection import own_connection

SECONDS = 1.5
# Shares and times from which it is degraded.
CROWDED = 0.85
SLOW_MS = 500.0
OPEN_TOO_LONG = 300.0
# Rows looked at, at most: of nodes that wait, of runs that are open, of sources, of backends.
MOST_READY = 100_000
MOST_OPEN = 10_000
MOST_SOURCES = 200
MOST_BACKENDS = 50
# Characters of a statement that are shown.
SHOWN = 160

_SERVER = """
SELECT current_setting('server_version'), current_setting('max_connections')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    pg_database_size(current_database())
"""
_LONGEST = """
SELECT extract(epoch FROM clock_timestamp() - {since})::float, pid, application_name, state, query
FROM pg_stat_activity
WHERE {since} IS NOT NULL AND {which} AND pid <> pg_backend_pid()
AND backend_type = 'client backend' AND datname = current_database()
ORDER BY {since} LIMIT 1
"""
_LONGEST_QUERY = _LONGEST.format(since="query_start", which="state = 'active'")
_OLDEST_TRANSACTION = _LONGEST.format(since="xact_start", which="state <> 'idle'")
_READY = """
SELECT queue, count(*), extract(epoch FROM now() - min(ready_at) FILTER (WHERE NOT held))::float
FROM (SELECT queue, ready_at, held FROM ready_nodes LIMIT %s) AS first_ones GROUP BY queue
"""
_SOURCES = """
SELECT id, name, last_event_at FROM sources ORDER BY name LIMIT %s
"""
_OPEN_RUNS = """
SELECT source_id, count(*) FROM (
    SELECT source_id FROM jobs WHERE state = 'active' ORDER BY created_at, id LIMIT %s
) AS first_ones WHERE source_id IS NOT NULL GROUP BY source_id
"""
_BACKENDS = """
SELECT id, name, url, preset, secret FROM backends ORDER BY name LIMIT %s
"""
_HELD_BACK = """
SELECT extract(epoch FROM now() - min(xact_start))::float FROM pg_stat_activity
WHERE backend_xid IS NOT NULL
"""
_READERS = """
SELECT reader, extract(epoch FROM now() - (
    SELECT recorded_at FROM outbox
    WHERE (xid, id) > (cursors.xid::text::xid8, cursors.line) ORDER BY xid, id LIMIT 1
))::float FROM outbox_cursors AS cursors ORDER BY reader LIMIT 50
"""


@dataclass(slots=True)
class Told:
    """What PostgreSQL tells."""

    finding: Finding
    # By queue: nodes that are ready, and for how many seconds the first of them has waited.
    ready: dict[str, tuple[int, float]] = field(default_factory=dict)
    # (id, name, time of the last event, open runs).
    sources: list[tuple[int, str, datetime | None, int]] = field(default_factory=list)
    # (id, name, url, preset, secret).
    backends: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    # For how many seconds an open transaction holds back all readers; those behind, by name.
    held_back: float = 0.0
    readers: dict[str, float] = field(default_factory=dict)


def look() -> Told:
    """Raises what psycopg raises."""
    begun = time.monotonic()
    with own_connection(SECONDS) as connection:
        connected = time.monotonic()
        connection.execute("SELECT 1")
        latency = (time.monotonic() - connected) * 1000
        told = Told(_server(connection, latency, connected - begun))
        told.ready = ready(connection)
        opened = dict(connection.execute(_OPEN_RUNS, [MOST_OPEN]).fetchall())
        told.sources = [
            (key, name, last, opened.get(key, 0))
            for key, name, last in connection.execute(_SOURCES, [MOST_SOURCES])
        ]
        told.backends = connection.execute(_BACKENDS, [MOST_BACKENDS]).fetchall()
        (held,) = connection.execute(_HELD_BACK).fetchone() or (None,)
        told.held_back = held or 0.0
        told.readers = {
            reader: behind for reader, behind in connection.execute(_READERS) if behind is not None
        }
    return told


def ready(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, float]]:
    """By queue: nodes that are ready, and for how many seconds the first of them has waited."""
    rows = connection.execute(_READY, [MOST_READY + 1])
    return {queue: (count, waited or 0.0) for queue, count, waited in rows}


def down(error: Exception) -> Finding:
    words = "Does not answer"
    if isinstance(error, psycopg.Error):
        away = isinstance(error, psycopg.OperationalError)
        words = _plain(words if away else "Answers with an error", error)
    return Finding(
        "database", Kind.DATABASE, "PostgreSQL", Status.DOWN, words,
        "Look at the database server and its log. Runs stay stored; workers and pages go on when"
        " it is back.",
    )  # fmt: skip


def _plain(words: str, error: Exception) -> str:
    text = " ".join(str(masked(str(error))).split())
    return f"{words}: {text[:200]}" if text else words


def _server(connection: psycopg.Connection[Any], latency: float, connecting: float) -> Finding:
    row = connection.execute(_SERVER).fetchone()
    assert row is not None
    version, most, used, size = row
    query = connection.execute(_LONGEST_QUERY).fetchone()
    oldest = connection.execute(_OLDEST_TRANSACTION).fetchone()
    found = Finding("database", Kind.DATABASE, "PostgreSQL", Status.UP, latency_ms=latency)
    found.words = f"{used} of {most} connections, {bytes_words(size)}"
    if oldest and oldest[0] > OPEN_TOO_LONG:
        found.status = Status.DEGRADED
        found.words = f"A transaction is open for {span_words(oldest[0])}"
        found.act = (
            f"It holds back triggers and figures. See what process {oldest[1]} is at, and end it"
            f" with SELECT pg_terminate_backend({oldest[1]}) if nobody needs it."
        )
    elif used > CROWDED * most:
        found.status = Status.DEGRADED
        found.act = "Raise max_connections, put PgBouncer in front, or run fewer processes."
    elif latency > SLOW_MS:
        found.status = Status.DEGRADED
        found.words = "Answers slowly"
        found.act = "Look at the load of the database server and at its longest query."
    found.facts = [
        ("Version", version),
        ("Connections", f"{used} of {most}"),
        ("Size", bytes_words(size)),
        ("To connect", f"{connecting * 1000:.0f} ms"),
        ("Longest query", _activity(query)),
        ("Oldest transaction", _activity(oldest)),
    ]
    return found


def _activity(row: tuple[Any, ...] | None) -> str:
    if row is None:
        return "none"
    seconds, pid, application, state, query = row
    who = f"process {pid}" + (f" ({application})" if application else "")
    said = " ".join(str(masked(query or "")).split())
    shown = said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
    return f"{span_words(max(0.0, seconds))}, {who}, {state}: {shown}"
