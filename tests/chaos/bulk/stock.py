"""The runs that operations are done to: some failed, some queued, some that completed."""

from __future__ import annotations

import random

from django.utils import timezone

from runs import ids, recorder
from runs.models import Workflow, WorkflowVersion
from runs.rows import NewEvent
from runs.states import Kind, RunState

WORKFLOWS = ("ocr", "mail", "ledger")
KEYS = ("first", "second")
BATCH = 500


def versions() -> list[WorkflowVersion]:
    nodes = [
        {"id": key, "kind": "executor", "executor": "probe.noop", "needs": list(KEYS[:place])}
        for place, key in enumerate(KEYS)
    ]
    return [Workflow.objects.publish(slug, {"nodes": nodes}) for slug in WORKFLOWS]


def fill(count: int, dice: random.Random) -> None:
    of = versions()
    for begin in range(0, count, BATCH):
        new = [_new(dice, of) for _ in range(min(BATCH, count - begin))]
        recorder.create(new, now=timezone.now())


def _new(dice: random.Random, of: list[WorkflowVersion]) -> recorder.NewRun:
    version = dice.choice(of)
    state = dice.choice([RunState.FAILED, RunState.FAILED, RunState.CREATED, RunState.COMPLETED])
    data = {"input": {"n": dice.random()}, "trigger": "api"}
    return recorder.NewRun(
        id=ids.new_id(),
        workflow_id=version.workflow_id,
        version_id=version.pk,
        trigger="api",
        triggered_by="stock",
        ref_type="",
        ref_id="",
        events=[
            NewEvent(Kind.RUN_CREATED, actor="stock", data=data),
            *_story(state),
        ],
        nodes=[(key, "executor", "probe.noop") for key in KEYS],
    )  # fmt: skip


def _story(state: RunState) -> list[NewEvent]:
    queued = NewEvent(Kind.NODE_QUEUED, node=KEYS[0])
    if state == RunState.CREATED:
        return [queued]
    started = {"worker": "stock", "input": {}, "timeout_seconds": 5}
    events = [
        queued,
        NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"}),
        NewEvent(Kind.NODE_STARTED, node=KEYS[0], attempt=1, data=started),
        NewEvent(Kind.LOG, node=KEYS[0], attempt=1, data={"level": "info", "message": "begun"}),
    ]
    if state == RunState.FAILED:
        error = {"kind": "ValueError", "message": "no total", "trace": ""}
        ended = {"from": "active", "to": "failed", "reason": "first failed"}
        return [
            *events,
            NewEvent(Kind.NODE_FAILED, node=KEYS[0], attempt=1, data={"error": error}),
            NewEvent(Kind.NODE_SKIPPED, node=KEYS[1], data={"reason": "first failed"}),
            NewEvent(Kind.STATE_CHANGED, data={**ended, "error": {"node": "first", **error}}),
        ]
    done = {"output": {"ok": True}}
    return [
        *events,
        NewEvent(Kind.NODE_COMPLETED, node=KEYS[0], attempt=1, data=done),
        NewEvent(Kind.NODE_QUEUED, node=KEYS[1]),
        NewEvent(Kind.NODE_STARTED, node=KEYS[1], attempt=1, data=started),
        NewEvent(Kind.NODE_COMPLETED, node=KEYS[1], attempt=1, data=done),
        NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": "completed"}),
    ]
