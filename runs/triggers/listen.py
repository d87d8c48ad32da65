"""Triggers that wait for runs: they read the log, across all runs and without a gap.

A batch is read, acted on and only then passed: after a crash in between it is read again, and
what was started already is known by the firings' keys.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import DatabaseError, connection, transaction

from runs import conditions, ids, outbox, paths
from runs.engine.patience import is_passing
from runs.models import Event, Run, Trigger
from runs.models.trigger import FiringStatus, Source
from runs.outbox import Line
from runs.states import Kind
from runs.triggers import firing, payloads
from runs.triggers.firing import Happening
from runs.triggers.rule import Rule, RuleError, RunEnd, RunEvent, parse

logger = logging.getLogger(__name__)

READER = "triggers"
BATCH = 500
# And so many events, but for one line: a commit may have told ten thousand.
BATCH_EVENTS = 2_000
# Of those that listen so many are looked at, the oldest first.
MAX_TRIGGERS = 1_000
SECONDS = 10.0
# What did not fit its condition is noted once for so long.
NOTED_EVERY = 60
_FOUND = """
SELECT event.run_id, event.seq, event.kind, event.node, event.data->>'to', event.recorded_at,
    workflow.slug
FROM jsonb_to_recordset(%s) AS line (run_id uuid, first_seq int, last_seq int)
JOIN event_tracking AS event ON event.run_id = line.run_id
    AND event.seq BETWEEN line.first_seq AND line.last_seq
JOIN jobs ON jobs.id = event.run_id
JOIN workflows AS workflow ON workflow.id = jobs.workflow_id
WHERE event.kind = ANY(%s)
ORDER BY event.recorded_at, event.run_id, event.seq
"""


class Found(NamedTuple):
    run_id: uuid.UUID
    seq: int
    kind: str
    node: str
    # The state that it brought, where it brought one.
    state: str | None
    recorded_at: datetime
    workflow: str


@dataclass(frozen=True, slots=True)
class Listener:
    trigger: Trigger
    rule: Rule

    def hears(self, found: Found) -> bool:
        """Whether this is what it waits for, its condition aside."""
        when = self.rule.when
        if found.recorded_at < self.trigger.enabled_at:
            return False
        if isinstance(when, RunEnd):
            is_it = found.kind == Kind.STATE_CHANGED and found.state in when.states
        elif isinstance(when, RunEvent):
            is_it = found.kind in when.kinds and when.node in ("", found.node)
        else:
            return False
        return is_it and when.workflow in ("", found.workflow)


def tick(now: datetime, seconds: float = SECONDS) -> int:
    """Act on what was recorded since the last time; gives how many lines were read."""
    listeners = _listeners()
    end, total = time.monotonic() + seconds, 0
    while True:
        with transaction.atomic():
            read = outbox.read(READER, BATCH)
        lines = _within(read)
        total += len(lines)
        if lines:
            if listeners:
                _act_on(lines, listeners, now)
            with transaction.atomic():
                outbox.advance(READER, lines[-1], now)
        if (len(read) < BATCH and len(lines) == len(read)) or time.monotonic() >= end:
            return total


def _within(lines: list[Line]) -> list[Line]:
    """The first of them, with no more events than are held in memory together."""
    events = 0
    for place, line in enumerate(lines):
        events += line.last_seq - line.first_seq + 1
        if place and events > BATCH_EVENTS:
            return lines[:place]
    return lines


def _listeners() -> list[Listener]:
    found = []
    triggers = list(Trigger.objects.listening().order_by("pk")[: MAX_TRIGGERS + 1])
    if len(triggers) > MAX_TRIGGERS:
        logger.error("only the oldest %d triggers that wait for runs are heard", MAX_TRIGGERS)
    for trigger in triggers[:MAX_TRIGGERS]:
        try:
            found.append(Listener(trigger, parse(trigger.kind, trigger.rule)))
        except RuleError:  # its page says so
            continue
    return found


def _act_on(lines: Sequence[Line], listeners: Sequence[Listener], now: datetime) -> None:
    heard = [
        (found, listener)
        for found in _events(lines, listeners)
        for listener in listeners
        if listener.hears(found)
    ]
    runs = {
        run.pk: run
        for run in Run.objects.filter(pk__in={found.run_id for found, _ in heard}).select_related(
            "workflow", "version"
        )
    }
    passed: defaultdict[int, Counter[uuid.UUID]] = defaultdict(Counter)
    by_id = {listener.trigger.pk: listener for listener in listeners}
    for found, listener in heard:
        run = runs.get(found.run_id)
        if run is None:  # deleted meanwhile
            continue
        try:
            if not _fire(found, listener, run, now):
                passed[listener.trigger.pk][run.pk] += 1
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("trigger %s cannot act on %s", listener.trigger, run.public_id)
            _note_failed(listener.trigger, found, error, now)
    for trigger_id, counts in passed.items():
        _note_passed(by_id[trigger_id].trigger, counts, now)


def _events(lines: Sequence[Line], listeners: Iterable[Listener]) -> list[Found]:
    kinds: set[str] = set()
    for listener in listeners:
        when = listener.rule.when
        kinds.update(when.kinds if isinstance(when, RunEvent) else [Kind.STATE_CHANGED])
    spans = json.dumps(
        [
            {"run_id": str(line.run_id), "first_seq": line.first_seq, "last_seq": line.last_seq}
            for line in lines
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(_FOUND, [spans, sorted(kinds)])
        return [Found(*row) for row in cursor.fetchall()]


def _fire(found: Found, listener: Listener, run: Run, now: datetime) -> bool:
    """Whether the condition held, so that there is a firing to be seen."""
    mentioned = listener.rule.paths()
    if listener.trigger.source == Source.RUN_END:
        payload = payloads.of_run(run, mentioned)
    else:
        event = Event.objects.filter(run=run.pk, seq=found.seq).first()
        if event is None:
            return True
        payload = payloads.of_event(run, event, mentioned)
    condition = listener.rule.condition
    # Looked at here, before anything is written: most events of a busy workflow may not fit.
    if condition and not conditions.holds(condition, partial(paths.resolve, context=payload)):
        return False
    firing.fire(listener.trigger, Happening(_key(found), payload, cause=run.pk), now=now)
    return True


def _note_failed(trigger: Trigger, found: Found, error: Exception, now: datetime) -> None:
    """Where its page shows it; unless the trigger itself is gone."""
    with suppress(DatabaseError), transaction.atomic():
        firing.note(
            trigger,
            _key(found),
            FiringStatus.FAILED,
            f"{type(error).__name__}: {error}",
            now=now,
            cause=found.run_id,
        )


def _key(found: Found) -> str:
    return f"event:{ids.encode('run', found.run_id)}:{found.seq}"


def _note_passed(trigger: Trigger, counts: Counter[uuid.UUID], now: datetime) -> None:
    """One row a minute, however many there were."""
    total = sum(counts.values())
    latest = next(reversed(counts))
    firing.note(
        trigger,
        f"passed:{int(now.timestamp()) // NOTED_EVERY}",
        FiringStatus.SKIPPED,
        "its condition did not hold",
        now=now,
        count=total,
        cause=latest,
    )
