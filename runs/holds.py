"""Why a run is under legal hold: said when it was held, and kept where that was audited."""

from __future__ import annotations

from datetime import timedelta

from runs.models import AuditEntry, BulkOperation, Run
from runs.models.bulk import BulkKind, BulkOutcome, OutcomeStatus

# The audit's clock is the database's, the hold's that of the process that set it.
SAME = timedelta(minutes=5)
# Operations, the newest before the hold, among which the one that set it is looked for.
MOST_OPERATIONS = 200


def why(run: Run) -> str:
    """ "" where it is not held, or nothing is known of the reason."""
    if run.held_at is None:
        return ""
    near = AuditEntry.objects.filter(
        target_type="run", target_id=run.public_id, action="hold", actor=run.held_by,
        at__range=(run.held_at - SAME, run.held_at + SAME),
    ).order_by("-at", "-id")  # fmt: skip
    said = near.values_list("reason", flat=True).first()
    return said or _of_many(run)


def _of_many(run: Run) -> str:
    """Of the operation that held it together with others."""
    before = BulkOperation.objects.filter(created_at__lte=run.held_at).newest_first()
    rows = before.values_list("id", "kind", "actor", "reason")[:MOST_OPERATIONS]
    reasons = {
        found: reason
        for found, kind, actor, reason in rows
        if kind == BulkKind.HOLD and actor == run.held_by
    }
    did = BulkOutcome.objects.filter(
        operation__in=reasons, run=run.pk, status=OutcomeStatus.DONE
    ).values_list("operation_id", flat=True)
    newest = sorted(did[:MOST_OPERATIONS], reverse=True)[:1]
    return reasons[newest[0]] if newest else ""
