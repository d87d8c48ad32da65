"""What operations left behind: each run has one outcome, and the tables agree with it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from runs.filters import RunFilter
from runs.models import BulkOperation, BulkOutcome, DeletedRun, Run
from tests.runs import invariants

MOST = 5


@dataclass(frozen=True)
class Meant:
    """The runs that fitted an operation's filter just before it was asked for."""

    runs: frozenset[uuid.UUID]
    at: datetime

    @classmethod
    def now(cls, wanted: RunFilter) -> Meant:
        now = timezone.now()
        found = wanted.apply(Run.objects.order_by(), now).values_list("pk", flat=True)
        return cls(frozenset(found), now)


# Each is a query for what breaks it.
RULES = {
    "every operation has ended": """
        SELECT id, state FROM bulk_operations WHERE state NOT IN ('finished', 'aborted')
    """,
    "an operation counts its outcomes": """
        SELECT o.id, o.visited || ' ' || count(u.run_id) FROM bulk_operations o
        LEFT JOIN bulk_outcomes u ON u.operation_id = o.id
        GROUP BY o.id HAVING count(u.run_id) <> visited
            OR count(*) FILTER (WHERE status = 'done') <> done
            OR count(*) FILTER (WHERE status = 'skipped') <> skipped
            OR count(*) FILTER (WHERE status = 'failed') <> failed
    """,
    "an outcome is of an operation": """
        SELECT run_id, operation_id::text FROM bulk_outcomes u
        WHERE NOT EXISTS (SELECT FROM bulk_operations o WHERE o.id = u.operation_id)
    """,
    "nothing failed": "SELECT run_id, reason FROM bulk_outcomes WHERE status = 'failed'",
    "a retried run has one new run an operation, linked to it": """
        SELECT u.run_id, u.new_run::text FROM bulk_outcomes u
        JOIN bulk_operations o ON o.id = u.operation_id
        LEFT JOIN jobs j ON j.id = u.new_run LEFT JOIN deleted_runs d ON d.run_id = u.new_run
        WHERE o.kind = 'retry' AND u.status = 'done'
            AND d.run_id IS NULL AND (j.retry_of_id IS DISTINCT FROM u.run_id)
    """,
    "a run that was made by a retry is one outcome's": """
        SELECT j.id, count(u.run_id)::text FROM jobs j
        LEFT JOIN bulk_outcomes u ON u.new_run = j.id
        WHERE j.retry_of_id IS NOT NULL GROUP BY j.id HAVING count(u.run_id) <> 1
    """,
    "a deleted run has a tombstone, and each tombstone an outcome": """
        SELECT coalesce(u.run_id, d.run_id), 'deleted' FROM (
            SELECT run_id FROM bulk_outcomes JOIN bulk_operations o ON o.id = operation_id
            WHERE o.kind = 'delete' AND status = 'done'
        ) u FULL JOIN deleted_runs d ON d.run_id = u.run_id
        WHERE u.run_id IS NULL OR d.run_id IS NULL
    """,
    "a deleted run is gone": "SELECT j.id, state FROM jobs j JOIN deleted_runs d ON run_id = id",
    "a terminated run is terminated, or deleted since": """
        SELECT u.run_id, j.state FROM bulk_outcomes u
        JOIN bulk_operations o ON o.id = u.operation_id
        LEFT JOIN jobs j ON j.id = u.run_id LEFT JOIN deleted_runs d ON d.run_id = u.run_id
        WHERE o.kind = 'terminate' AND u.status = 'done'
            AND d.run_id IS NULL AND j.state IS DISTINCT FROM 'terminated'
    """,
    "a run is terminated once": """
        SELECT run_id, count(*)::text FROM event_tracking
        WHERE kind = 'state_changed' AND data->>'to' = 'terminated'
        GROUP BY run_id HAVING count(*) <> 1
    """,
    "what was skipped says why": """
        SELECT run_id, status FROM bulk_outcomes WHERE status = 'skipped' AND reason = ''
    """,
    **{
        f"no orphans in {table}": f"""
            SELECT run_id, '{table}' FROM {table}
            WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = run_id) LIMIT 100
        """
        for table in ("event_tracking", "nodes", "attempts", "llm_calls", "ready_nodes", "leases")
    },
}
HOLDING = (
    "a log is numbered from 1 to its run's last number without a gap",
    "each state follows from the one before",
    "a run is in the state that its log says, since the number that it says",
    "a run counts its nodes",
    "nodes, attempts and model calls belong to a run",
)


def of_tables() -> list[str]:
    problems = []
    for rule, query in RULES.items():
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
        problems += [f"not so: {rule}: {row}" for row in rows[:MOST]]
    for rule, found in invariants.broken(*HOLDING).items():
        problems += [f"not so: {rule}: {each}" for each in found[:MOST]]
    return problems


def of_meant(meant: Mapping[uuid.UUID, Meant]) -> list[str]:
    """Each run that was meant has its outcome, unless another operation took it out of the filter:
    deleted it, or ended it. Others have none, unless they came between the look and the call."""
    problems = []
    deleted = set(DeletedRun.objects.values_list("run_id", flat=True))
    ended = set(Run.objects.finished().values_list("pk", flat=True))
    asked = set(BulkOperation.objects.values_list("pk", flat=True))
    problems += [f"{pk} was asked for, and is not there" for pk in sorted(meant.keys() - asked)]
    problems += [f"{pk} was not asked for" for pk in sorted(asked - meant.keys())]
    for operation in BulkOperation.objects.filter(pk__in=meant):
        visited = set(
            BulkOutcome.objects.filter(operation=operation).values_list("run_id", flat=True)
        )
        of = meant[operation.pk]
        missed = of.runs - visited - deleted
        if operation.kind == "terminate":
            missed -= ended
        problems += [f"{operation} left out {run_id}" for run_id in sorted(missed)[:MOST]]
        foreign = {run_id for run_id in visited - of.runs if not _since(run_id, of.at)}
        if operation.kind == "delete":
            # What another operation ended between the look and the call.
            foreign -= _ended_since(of.at)
        problems += [f"{operation} took {run_id} too" for run_id in sorted(foreign)[:MOST]]
    return problems


def _since(run_id: uuid.UUID, at: datetime) -> bool:
    """Its id tells when it was made."""
    return (run_id.int >> 80) / 1000 >= at.timestamp() - 0.001


def _ended_since(at: datetime) -> set[uuid.UUID]:
    """Also of runs that are gone: by what they were terminated with."""
    rows = BulkOutcome.objects.filter(
        operation__kind="terminate", status="done", operation__moved_at__gte=at
    )
    return set(rows.values_list("run_id", flat=True))
