"""The runs that the soak is about, and what their logs are."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from runs import ids, recorder
from runs.models import Workflow
from runs.rows import NewEvent
from runs.states import Kind

_ROWS = """
SELECT run_id, array_agg(md5(event_tracking::text) ORDER BY seq) FROM event_tracking
WHERE run_id = ANY(%s) GROUP BY run_id
"""
_MESSAGES = """
SELECT run_id, array_agg(coalesce(data->>'message', '') ORDER BY seq) FROM event_tracking
WHERE run_id = ANY(%s) GROUP BY run_id
"""


def fill(count: int, dice: random.Random) -> list[uuid.UUID]:
    """Runs that have ended, most with about twenty events, some with thousands."""
    node = {"id": "first", "kind": "executor", "executor": "probe.noop"}
    version = Workflow.objects.publish("archived", {"nodes": [node]})
    made = []
    for begin in range(0, count, 200):
        new = [_new(version, dice) for _ in range(min(200, count - begin))]
        recorder.create(new, now=timezone.now())
        made += [each.id for each in new]
    return made


def _new(version, dice: random.Random) -> recorder.NewRun:
    # A long one is purged, and comes back, in several transactions.
    lines = dice.randint(10_500, 11_000) if dice.random() < 0.004 else dice.randint(5, 30)
    return recorder.NewRun(
        id=ids.new_id(), workflow_id=version.workflow_id, version_id=version.pk,
        trigger="api", triggered_by="soak", ref_type="", ref_id="",
        nodes=[("first", "executor", "probe.noop")],
        events=[
            NewEvent(Kind.RUN_CREATED, actor="soak", data={"input": {"n": dice.random()}}),
            NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"}),
            *(log(f"line {number} {dice.random()}") for number in range(lines)),
            NewEvent(Kind.NODE_SKIPPED, node="first", data={"reason": "ended"}),
            NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": "completed"}),
        ],
    )  # fmt: skip


def log(message: str) -> NewEvent:
    return NewEvent(Kind.LOG, data={"level": "info", "message": message})


def rows(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """A digest of every row of the runs' events that is in the database, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [list(run_ids)])
        return dict(cursor.fetchall())


def messages(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_MESSAGES, [list(run_ids)])
        return dict(cursor.fetchall())
