"""What is in the tables against what the clients were answered and what the streams gave."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import Error, connection

from tests.chaos import judging as of_streams
from tests.chaos.engine import judging as of_engine
from tests.production.load import Load
from tests.runs import invariants

MOST = 5
# Of the engine's rules, those for runs that it executes; what is reported has its own ways.
_REPORTED = {
    "an attempt is an event that it began, and the other way round",
    "a node has the attempts that it counts, and their failures",
    "an attempt ended once, as its events say",
    "a completed node was completed once, and no other was",
    "every node has ended",
    "every attempt has ended",
    # The load's reports are of another time than they are sent, and of nodes that never began.
    "a run's version is one of its workflow",
    "a run of a version has that version's nodes",
    "a node's status is what its last event left it in",
    "nothing goes on in a run that has ended",
}


def wait_for_the_end(seconds: float) -> list[str]:
    end = time.monotonic() + seconds
    left: list[Any] = []
    while time.monotonic() < end:
        try:
            left = _rows(
                "SELECT j.id::text, slug, state::text FROM jobs j JOIN workflows w"
                " ON w.id = j.workflow_id WHERE completed_at IS NULL LIMIT 5"
            )
        except Error:
            connection.close()
        else:
            if not left:
                return []
        time.sleep(0.5)
    return [f"{run} of {slug} is {state} still" for run, slug, state in left]


def last_numbers(public_ids: Sequence[str]) -> dict[str, int]:
    from runs import ids

    keys = {ids.decode("run", each): each for each in public_ids}
    found = _rows("SELECT id, last_seq FROM jobs WHERE id = ANY(%s)", list(keys))
    return {keys[run]: last for run, last in found}


def of_everything(load: Load) -> list[str]:
    return [
        *of_reported(load.sent),
        *of_started(load.started),
        *of_tables(),
        *of_listeners(load),
    ]


def of_reported(sent: set[str]) -> list[str]:
    """Each event that was answered as taken stands once, and no other does."""
    rows = _rows(
        "SELECT sender_id, count(*) FROM event_tracking WHERE sender_id IS NOT NULL GROUP BY 1"
    )
    stored = dict(rows)
    found = [f"event {each} is not there" for each in sorted(sent - stored.keys())[:MOST]]
    found += [f"event {each} is there {n} times" for each, n in rows if n != 1][:MOST]
    return found + [f"event {each} was never answered" for each in stored.keys() - sent][:MOST]


def of_started(started: dict[str, str]) -> list[str]:
    from runs import ids

    rows = _rows(
        "SELECT j.id, slug FROM jobs j JOIN workflows w ON w.id = j.workflow_id"
        " WHERE j.source_id IS NULL"
    )
    stored = {ids.encode("run", run): slug for run, slug in rows}
    wrong = [run for run in started.keys() | stored.keys() if started.get(run) != stored.get(run)]
    return [f"{run}: started as {started.get(run)}, is {stored.get(run)}" for run in wrong[:MOST]]


def of_tables() -> list[str]:
    rules = {name: invariants.INVARIANTS[name] for name in of_engine.HOLDING} | of_engine.RULES
    found = []
    with connection.cursor() as cursor:
        for name, query in rules.items():
            executed = "JOIN jobs ON jobs.id = f.run AND jobs.source_id IS NULL"
            cursor.execute(
                f"SELECT f.* FROM ({query}) AS f(run) {executed if name in _REPORTED else ''}"
                f" LIMIT {MOST}"
            )
            found += [f"not so: {name}: {row}" for row in cursor.fetchall()]
    return found


def of_listeners(load: Load) -> list[str]:
    logs = of_streams.stored_logs()
    found = of_streams.of_logs(logs)
    for n, listener in enumerate(load.listeners):
        name = f"listener {n} of {listener.run_id}"
        found += of_streams.of_client(name, listener.received, logs[listener.run_id])
    return found


def of_logs(folder: Path) -> list[str]:
    """Every line that the portal's processes wrote is one JSON object."""
    found = []
    for log in sorted(folder.glob("portal-*.log")):
        for line in log.read_text(errors="replace").splitlines():
            try:
                assert json.loads(line)["level"]
            except (ValueError, KeyError, TypeError):
                found.append(f"{log.name}: no JSON: {line[:200]}")
    return found[:MOST]


def figures(load: Load, seconds: float) -> str:
    (row,) = _rows(
        "SELECT count(*) FILTER (WHERE source_id IS NULL), count(*), (SELECT count(*) FROM"
        " event_tracking), (SELECT count(*) FROM attempts WHERE status = 'lost') FROM jobs"
    )
    executed, runs, events, lost = row
    return (
        f"{executed:,} runs executed ({executed / seconds:.1f}/s), {runs:,} in all,"
        f" {events:,} events in the tables ({events / seconds:,.0f}/s),"
        f" {lost} attempts lost and made again"
    )


def _rows(query: str, *given: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(given))
        return cursor.fetchall()
