"""Failed runs with twenty events each, as many as are wanted: what bulk and archive work on."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

LOG_LINES = 13
DEFINITION = {
    "nodes": [
        {"id": key, "kind": "executor", "executor": "probe.noop"} for key in ("first", "second")
    ]
}
_ERROR = {"node": "first", "kind": "ValueError", "message": "no total"}


def make(version: Any, count: int, ended: datetime | None = None) -> list[UUID]:
    """Through the recorder; they ended just now, or at that time."""
    from runs import recorder

    now = ended or timezone.now()
    made: list[UUID] = []
    for begin in range(0, count, 500):
        new = [_new(version) for _ in range(min(500, count - begin))]
        recorder.create(new, now=now + timedelta(milliseconds=begin))
        made += [each.id for each in new]
    return made


def _new(version: Any) -> Any:
    from runs import ids, recorder
    from runs.rows import NewEvent
    from runs.states import Kind

    lines = [
        NewEvent(Kind.LOG, node="first", data={"level": "info", "message": f"line {n}"})
        for n in range(LOG_LINES)
    ]
    created = {"input": {"document": "17.pdf"}, "trigger": "api"}
    ended = {"from": "active", "to": "failed", "reason": "first failed", "error": _ERROR}
    return recorder.NewRun(
        id=ids.new_id(), workflow_id=version.workflow_id, version_id=version.pk,
        trigger="api", triggered_by="bench", ref_type="", ref_id="",
        nodes=[("first", "executor", "probe.noop"), ("second", "executor", "probe.noop")],
        events=[
            NewEvent(Kind.RUN_CREATED, actor="bench", data=created),
            NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"}),
            NewEvent(Kind.NODE_STARTED, node="first", attempt=1,
                     data={"worker": "w", "input": {}, "timeout_seconds": 5}),
            *lines,
            NewEvent(Kind.NODE_FAILED, node="first", attempt=1,
                     data={"error": {**_ERROR, "trace": ""}}),
            NewEvent(Kind.NODE_SKIPPED, node="second", data={"reason": "first failed"}),
            NewEvent(Kind.COST_UPDATE, node="first", data={"cost": "0"}),
            NewEvent(Kind.STATE_CHANGED, data=ended),
        ],
    )  # fmt: skip
