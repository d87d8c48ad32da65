"""What is done to the runs of one step, by kind of operation."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from runs import lifecycle
from runs.actors import Actor
from runs.cold_reading import Inputs
from runs.lifecycle import Outcome
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind
from runs.stuck import rescue
from runs.stuck.finding import Finding

Act = Callable[..., Outcome]
# Runs of one step: it is a transaction, and must stay a short one.
CHUNK = {
    BulkKind.RETRY: 200,
    BulkKind.EXPORT: 1_000,
    BulkKind.HOLD: 500,
    BulkKind.RELEASE: 500,
    BulkKind.RESCUE: 100,
}
USUAL_CHUNK = 400
# Events that one step deletes, about; a run with more is a step of its own.
DELETED_EVENTS = 20_000
PERMISSIONS = {
    BulkKind.RETRY: "runs.retry_run",
    BulkKind.TERMINATE: "runs.terminate_run",
    BulkKind.DELETE: "runs.delete_run",
    BulkKind.EXPORT: "runs.export_run",
    BulkKind.HOLD: "runs.hold_run",
    BulkKind.RELEASE: "runs.hold_run",
    BulkKind.RESTORE: "runs.restore_run",
    BulkKind.RESCUE: "runs.retry_run",
}
# What is done to runs within a step's transaction; see `work.BESIDE` for the others.
_ACTS: dict[str, Act] = {
    BulkKind.RETRY: lifecycle.retry,
    BulkKind.TERMINATE: lifecycle.terminate,
    BulkKind.DELETE: partial(lifecycle.delete, together=lifecycle.BATCH),
    BulkKind.HOLD: lifecycle.hold,
    BulkKind.RELEASE: lifecycle.release,
    BulkKind.RESCUE: rescue.rescue,
}


def do(
    operation: BulkOperation,
    run_ids: Sequence[uuid.UUID],
    by: Actor,
    now: datetime,
    archived: Inputs | None = None,
    findings: Sequence[Finding] = (),
) -> Outcome:
    """Within the step's transaction. The operation's own entry in the audit stands for all.
    A retry needs what is `archived` of its runs, a rescue what was found of them."""
    act = _ACTS[operation.kind]
    if operation.kind == BulkKind.RETRY:
        again = lifecycle.retry_from if operation.options.get("from_failed") else act
        act = partial(again, archived=archived or Inputs())
    if operation.kind == BulkKind.RESCUE:
        act = partial(act, findings=[each for each in findings if each.run_id in run_ids])
    runs = Run.objects.filter(pk__in=run_ids)
    return act(runs, by=by, reason=operation.reason, now=now, audited=False)
