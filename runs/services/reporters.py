"""What PostgreSQL tells of those who report runs, and of those who read the log."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from runs.services import database
from runs.services.finding import Finding, Kind, Status, age_words, span_words

# Seconds of silence from which a source with open runs is degraded.
SILENT = 1800.0
# Seconds from which a reader of the log is behind.
BEHIND = 60.0


def sources(told: database.Told, now: datetime) -> list[Finding]:
    return [_source(key, name, last, opened, now) for key, name, last, opened in told.sources]


def _source(key: int, name: str, last: datetime | None, opened: int, now: datetime) -> Finding:
    found = Finding(f"source:{key}", Kind.SOURCE, name, Status.UP)
    found.link = (
        "Its settings", reverse("admin:runs_source_change", args=[key]), "runs.view_source"
    )  # fmt: skip
    runs = f"{opened:,} open run{'s' * (opened != 1)}"
    if last is None:
        found.status = Status.UNKNOWN
        found.words = "Has not reported anything yet"
        found.act = "Sources says how it reports its runs."
        return found
    silent = (now - last).total_seconds()
    found.words = f"Last event {age_words(now - last)} ago, {runs}"
    found.facts = [("Last event", f"{age_words(now - last)} ago"), ("Open runs", f"{opened:,}")]
    if opened and silent > SILENT:
        found.status = Status.DEGRADED
        found.words = f"Silent for {span_words(silent)} with {runs}"
        found.act = "See whether it runs, and whether its token still works."
    return found


def outbox(told: database.Told) -> Finding:
    found = Finding("outbox", Kind.OUTBOX, "Change feed", Status.UP, "All readers are up to date")
    found.facts = [("Held back by a transaction", span_words(told.held_back))]
    behind = max(told.readers.values(), default=0.0)
    found.facts += [
        (f"Reader {reader}", f"{span_words(max(0.0, seconds))} behind")
        for reader, seconds in sorted(told.readers.items())
    ]
    if told.held_back > BEHIND:
        found.status = Status.DEGRADED
        found.words = f"Held back for {span_words(told.held_back)} by an open transaction"
        found.act = "Triggers and figures wait for it: see the oldest transaction of PostgreSQL."
    elif behind > BEHIND:
        found.status = Status.DEGRADED
        found.words = f"A reader is {span_words(behind)} behind"
        found.act = "Its worker is busy or missing: see the queues bulk and control."
    return found
