"""Takes nodes from workers that fell silent, and refuses runs that waited too long."""

from __future__ import annotations

import uuid
from datetime import datetime

from runs import recorder
from runs.definitions import graph_of
from runs.engine import steps
from runs.models import Lease, Run
from runs.recorder import Snapshot
from runs.rows import NewEvent
from runs.states import RunState

BATCH = 200


def expired_leases(now: datetime) -> int:
    """End attempts whose lease ended; gives how many runs were touched."""
    run_ids = list(
        Lease.objects.filter(expires_at__lt=now)
        .order_by("expires_at")
        .values_list("run_id", flat=True)[:BATCH]
    )
    if not run_ids:
        return 0
    expired: dict[uuid.UUID, list[tuple[str, int, str]]] = {}

    def decide(found: Snapshot) -> list[NewEvent]:
        if not expired:
            # Asked again with the runs locked: a lease may just have been renewed.
            rows = Lease.objects.filter(run_id__in=run_ids, expires_at__lt=now)
            for run_id, key, attempt, worker in rows.values_list(
                "run_id", "node__key", "attempt", "worker"
            ):
                expired.setdefault(run_id, []).append((key, attempt, worker))
            expired.setdefault(found.run.id, [])
        graph = graph_of(found.run.version_id)
        # One at a time: the second loss of a run is judged after the first is recorded.
        for key, attempt, worker in expired.get(found.run.id, [])[:1]:
            return steps.lose(found, graph, key, attempt, worker, now)
        return []

    return len(recorder.transact(run_ids, decide, now=now))


def missed_deadlines(now: datetime) -> int:
    """Fail queued runs whose start deadline passed."""
    late = Run.objects.filter(state=RunState.CREATED, start_deadline__lt=now)
    run_ids = list(late.order_by("start_deadline").values_list("id", flat=True)[:BATCH])
    error = {
        "node": "",
        "kind": "StartDeadline",
        "message": "no worker took up the run before its start deadline",
    }
    return len(recorder.transact(run_ids, lambda found: steps.refuse(found, error), now=now))
