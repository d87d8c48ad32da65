"""Asks all parts at once, and says how each is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from runs.services import backends, broker, database, processes, reporters, storage
from runs.services.asking import Questions, Silent
from runs.services.finding import Finding, Kind

# Seconds for the portal's own servers, and then for what PostgreSQL names: together little, since
# it is done between two pulses of the engine.
SECONDS = 1.5
MORE_SECONDS = 2.0
OF_BROKER = frozenset({Kind.WORKER, Kind.BEAT, Kind.STREAMS, Kind.QUEUE})
OF_DATABASE = frozenset({Kind.OUTBOX, Kind.SOURCE, Kind.BACKEND, Kind.ARCHIVE})
# What apps above this one tell of.
OF_EXTRA = frozenset({Kind.ARCHIVE})
UNKNOWN_WORDS = {
    **dict.fromkeys(OF_BROKER, "Nobody can tell while the broker does not answer"),
    **dict.fromkeys(OF_DATABASE, "Nobody can tell while PostgreSQL does not answer"),
    **dict.fromkeys(OF_EXTRA, "PostgreSQL did not tell in time"),
}


@dataclass(slots=True)
class Seen:
    at: datetime
    findings: list[Finding] = field(default_factory=list)
    # Of these nothing could be found out: what is known of them is as it was.
    unknown: frozenset[Kind] = frozenset()
    database: database.Told | None = None
    broker: broker.Told | None = None


def look(now: datetime) -> Seen:
    """Takes a few seconds at most, and raises nothing: what does not answer is down."""
    seen = Seen(now)
    servers: Questions[object] = Questions(SECONDS)
    servers.ask({"database": database.look, "broker": broker.look, "storage": storage.look})
    of_database = servers.answer("database")
    if isinstance(of_database, database.Told):
        seen.database = of_database
        more = _put(of_database)
        seen.findings += [of_database.finding, reporters.outbox(of_database)]
        seen.findings += reporters.sources(of_database, now)
        _hear(of_database, more, seen)
    else:
        seen.findings.append(database.down(_error(of_database)))
        seen.unknown |= OF_DATABASE
    of_broker = servers.answer("broker")
    if isinstance(of_broker, broker.Told):
        seen.broker = of_broker
        seen.findings.append(of_broker.finding)
        ready = seen.database.ready if seen.database else None
        seen.findings += processes.findings(of_broker.signs, of_broker.depths, ready)
    else:
        seen.findings.append(broker.down(_error(of_broker)))
        seen.unknown |= OF_BROKER
    of_storage = servers.answer("storage")
    if isinstance(of_storage, Finding):
        seen.findings.append(of_storage)
    else:
        seen.findings.append(storage.down(_error(of_storage)))
    return seen


def _put(told: database.Told) -> Questions[Finding | None]:
    """The questions to those whom PostgreSQL names, and to what apps above this one bring."""
    more: Questions[Finding | None] = Questions(MORE_SECONDS)
    asked = [backends.Backend(*row) for row in told.backends]
    more.ask({each.question: each.look for each in asked})
    more.ask({path: import_string(path) for path in settings.SERVICE_PROBES})
    return more


def _hear(told: database.Told, more: Questions[Finding | None], seen: Seen) -> None:
    for row in told.backends:
        each = backends.Backend(*row)
        answer = more.answer(each.question)
        seen.findings.append(answer if isinstance(answer, Finding) else each.silent())
    for path in settings.SERVICE_PROBES:
        answer = more.answer(path)
        if isinstance(answer, Finding):
            seen.findings.append(answer)
        else:
            seen.unknown |= OF_EXTRA


def _error(answer: object) -> Exception:
    return answer if isinstance(answer, Exception) else Silent()
