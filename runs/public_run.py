"""A run as all APIs and exports show it, as one plain dict: lists of runs are made of these."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from runs import ids
from runs.context import milliseconds, stamp
from runs.definitions import VersionName
from runs.models import Archive, Run
from runs.states import LogState, RunState


class RunLine(NamedTuple):
    """What is read of a run here; `draining` is counted, and two are the archive's."""

    id: uuid.UUID
    version_id: int
    state: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    trigger: str
    triggered_by: str
    ref_type: str
    ref_id: str
    retry_of_id: uuid.UUID | None
    first_id: uuid.UUID | None
    cost: Decimal
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    nodes_total: int
    nodes_done: int
    current_node: str
    error_node: str
    error_kind: str
    error_message: str
    ended_by: str
    reason: str
    last_seq: int
    held_at: datetime | None
    logs: str
    archived_at: datetime | None
    expires_at: datetime | None
    draining: int


def public_run(run: Run | RunLine, name: VersionName, now: datetime, pages: str) -> dict[str, Any]:
    """A RunLine, or a Run, best read with its archive. `pages` is the address that a run's page
    begins with."""
    public_id = ids.encode("run", run.id)
    archive = _archive_of(run)
    return {
        "id": public_id,
        "job_id": f"job{public_id[3:]}",
        "workflow_id": name.workflow,
        "workflow_version": name.number,
        "state": run.state,
        "created_at": stamp(run.created_at),
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "duration_ms": milliseconds(run.started_at, run.completed_at or now),
        "trigger": run.trigger,
        "triggered_by": run.triggered_by,
        "ref_type": run.ref_type,
        "ref_id": run.ref_id,
        "retry_of": ids.encode("run", run.retry_of_id) if run.retry_of_id else None,
        "first_run": ids.encode("run", run.first_id) if run.first_id else None,
        "cost": f"{run.cost:.10f}",
        "tokens": {
            "input": run.input_tokens,
            "output": run.output_tokens,
            "cached": run.cached_tokens,
        },
        "nodes": {"total": run.nodes_total, "done": run.nodes_done},
        "current_node": run.current_node,
        "error": _error(run),
        "ended_by": run.ended_by,
        "reason": run.reason,
        "last_seq": run.last_seq,
        "held": run.held_at is not None,
        # Not “logs”: exports have the events under that name.
        "log_state": run.logs,
        "archived_at": stamp(archive.archived_at) if archive else None,
        "restored_until": (
            stamp(archive.expires_at) if archive and run.logs == LogState.RESTORED else None
        ),
        "draining": getattr(run, "draining", 0),
        "url": f"{pages}{public_id}/",
    }


def _archive_of(run: Run | RunLine) -> Archive | RunLine | None:
    """What says when it was archived; None where it never was."""
    if run.logs == LogState.LIVE:
        return None
    return run if isinstance(run, RunLine) else getattr(run, "archive", None)


def _error(run: Run | RunLine) -> dict[str, str] | None:
    if run.state != RunState.FAILED:
        return None
    return {"node": run.error_node, "kind": run.error_kind, "message": run.error_message}
