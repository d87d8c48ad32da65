"""What must hold of logs in the database and objects in storage, whatever happened to both."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection

from runs import coldstore, objects
from runs.archive_names import PREFIX
from runs.models import Archive, DoomedObject
from runs.objects import Missing
from tests.chaos.archive import stock

# Each finds runs of which it must not find any.
_RULES = {
    "{} runs are live, and have an object": """
        SELECT id FROM jobs WHERE logs = 'live'
            AND EXISTS (SELECT FROM archives WHERE run_id = jobs.id)""",
    "{} runs are not live, and have no object": """
        SELECT id FROM jobs WHERE logs <> 'live'
            AND NOT EXISTS (SELECT FROM archives WHERE run_id = jobs.id)""",
    "{} runs that are live or restored do not have all events in the database": """
        SELECT id FROM jobs WHERE logs IN ('live', 'restored') AND last_seq <> (
            SELECT count(*) FROM event_tracking WHERE run_id = jobs.id)""",
    "{} runs that are archived have events in the database that the object has too": """
        SELECT id FROM jobs JOIN archives ON run_id = id WHERE logs IN ('archived', 'partly')
            AND EXISTS (SELECT FROM event_tracking AS event
                WHERE event.run_id = jobs.id AND seq <= archives.last_seq)""",
    "{} runs that are archived have events that are in the object no more than in the database": """
        SELECT id FROM jobs JOIN archives ON run_id = id
        WHERE jobs.last_seq - archives.last_seq <> (
            SELECT count(*) FROM event_tracking AS event
            WHERE event.run_id = jobs.id AND seq > archives.last_seq)""",
    "{} runs are archived, and have events that came later": """
        SELECT id FROM jobs JOIN archives ON run_id = id
        WHERE logs = 'archived' AND jobs.last_seq <> archives.last_seq""",
    "{} runs are still being archived or restored": """
        SELECT id FROM jobs WHERE logs IN ('archiving', 'restoring')""",
    "{} objects are named for runs that there are no more": """
        SELECT run_id FROM archives WHERE NOT EXISTS (SELECT FROM jobs WHERE id = run_id)""",
    "{} events are of runs that there are no more": """
        SELECT run_id FROM event_tracking WHERE NOT EXISTS (SELECT FROM jobs WHERE id = run_id)""",
}


@dataclass
class Ledger:
    """What the logs are to be: of each run the rows that it began with, and what came late."""

    rows: dict[uuid.UUID, list[str]] = field(default_factory=dict)
    late: dict[uuid.UUID, list[str]] = field(default_factory=dict)
    deleted: set[uuid.UUID] = field(default_factory=set)

    def of(self, run_ids: Iterable[uuid.UUID]) -> None:
        self.rows |= stock.rows(run_ids)


def of_tables() -> list[str]:
    """What the tables themselves show."""
    found = []
    with connection.cursor() as cursor:
        for told, rule in _RULES.items():
            cursor.execute(f"SELECT count(*) FROM ({rule}) AS wrong")
            if count := cursor.fetchone()[0]:
                found.append(told.format(f"{count:,}"))
    return found


def of_storage() -> list[str]:
    """Objects and the rows that name them, both ways; each object is read."""
    there = {name for name, _ in objects.names(PREFIX)}
    named = dict(Archive.objects.values_list("name", "sha256"))
    doomed = set(DoomedObject.objects.filter(name__startswith=PREFIX).values_list("pk", flat=True))
    found = [f"nobody names the object {name}" for name in sorted(there - named.keys() - doomed)]
    found += [f"the object {name} is named and doomed" for name in sorted(named.keys() & doomed)]
    for name, sha256 in sorted(named.items()):
        try:
            if coldstore.check(objects.read(name)).sha256 != sha256:
                found.append(f"the object {name} is another one than was put there")
        except (Missing, coldstore.Damaged) as error:
            found.append(f"the object {name} is not whole: {error}")
    return found


def of_logs(ledger: Ledger) -> list[str]:
    """Whether the logs, when all are restored, are what they were."""
    found = []
    kept = [run_id for run_id in ledger.rows if run_id not in ledger.deleted]
    now = stock.rows(kept)
    late = stock.messages(kept)
    for run_id in kept:
        before = ledger.rows[run_id]
        if now.get(run_id, [])[: len(before)] != before:
            found.append(f"the log of {run_id} is not what it was")
        elif late.get(run_id, [])[len(before) :] != ledger.late.get(run_id, []):
            found.append(f"what came late for {run_id} is not what was told")
    return found + [
        f"{run_id} was deleted, and has a log" for run_id in stock.rows(sorted(ledger.deleted))
    ]


def figures() -> Mapping[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT logs, count(*) FROM jobs GROUP BY 1 ORDER BY 1")
        return dict(cursor.fetchall())
