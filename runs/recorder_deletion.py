"""Taking runs out of the database with all that belongs to them; a tombstone of each stays."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from runs import doomed
from runs.models import DeletedRun, Run
from runs.states import FINAL_STATES

# In id order, as all who lock runs. For deletion even who only refers to a run must wait.
_LOCK = "SELECT id FROM jobs WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_PURGE = "SELECT set_config('runs.purge', %s, true)"
_OF_NODES = "node_id IN (SELECT id FROM nodes WHERE run_id = ANY(%s))"
_ARCHIVES = "DELETE FROM archives WHERE run_id = ANY(%s) RETURNING name"
# Lines of the outbox stay: they are pruned when all who read them have passed them.
_DELETE = (
    f"DELETE FROM ready_nodes WHERE {_OF_NODES}",
    f"DELETE FROM leases WHERE {_OF_NODES}",
    f"DELETE FROM decisions WHERE {_OF_NODES}",
    f"DELETE FROM attempts WHERE {_OF_NODES}",
    "DELETE FROM nodes WHERE run_id = ANY(%s)",
    "DELETE FROM llm_calls WHERE run_id = ANY(%s)",
    "DELETE FROM event_tracking WHERE run_id = ANY(%s)",
    "DELETE FROM jobs WHERE id = ANY(%s)",
)


def lock(run_ids: Sequence[uuid.UUID]) -> list[Run]:
    """Those of the runs that there are, locked against everybody."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [sorted(run_ids)])
        found = [run_id for (run_id,) in cursor.fetchall()]
    return list(Run.objects.filter(pk__in=found).order_by("id"))


def delete(runs: Sequence[Run], *, by: str, reason: str, now: datetime) -> None:
    """Final, locked runs. Call it within the transaction that locked them."""
    assert all(run.state in FINAL_STATES for run in runs)
    run_ids = [run.pk for run in runs]
    DeletedRun.objects.bulk_create(
        DeletedRun(
            run_id=run.pk,
            source_id=getattr(run, "source_id", None),
            external_id=getattr(run, "external_id", "") or None,
            deleted_at=now,
            deleted_by=by,
            reason=reason,
        )
        for run in runs
    )
    with connection.cursor() as cursor:
        cursor.execute(_ARCHIVES, [run_ids])
        # Their objects go after the rows that name them.
        doomed.doom([name for (name,) in cursor.fetchall()], "its run was deleted", now=now)
        cursor.execute(_PURGE, ["on"])
        for statement in _DELETE:
            cursor.execute(statement, [run_ids])
        # What else this transaction does is no purge.
        cursor.execute(_PURGE, ["off"])
