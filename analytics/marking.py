"""What people say of a failure group: that they know of it, or that it is resolved."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from analytics.models import FailureGroup
from analytics.models.failures import Mark
from runs.actors import Actor
from runs.models import AuditEntry

NOTE_LENGTH = 500
_ACTIONS = {Mark.KNOWN: "mark as known", Mark.RESOLVED: "mark as resolved", Mark.NEW: "unmark"}


def mark(group_id: int, to: Mark, *, by: Actor, note: str, now: datetime) -> FailureGroup | None:
    """None where there is no such group. A run that fails so later opens what was resolved."""
    note = note.replace("\0", "").strip()[:NOTE_LENGTH]
    with transaction.atomic():
        # The upkeep writes these rows too.
        group = FailureGroup.objects.select_for_update().filter(pk=group_id).first()
        if group is None:
            return None
        group.mark, group.note = to, note
        group.marked_at, group.marked_by = (None, "") if to == Mark.NEW else (now, by.name)
        group.reopened_at = None
        group.save(update_fields=["mark", "note", "marked_at", "marked_by", "reopened_at"])
        AuditEntry.objects.note(by, _ACTIONS[to], ("failure group", group.public_id), note)
    return group
