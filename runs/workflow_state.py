"""Acts on workflows that concern their runs: pause, resume, limit. Each is audited."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from runs.actors import Actor
from runs.engine import dispatch, gates
from runs.models import AuditEntry, Workflow

# As many as a person may mean; the column holds more.
MOST_ACTIVE = 100_000


def pause(workflow: Workflow, *, by: Actor, reason: str, now: datetime) -> bool:
    """Let its queued runs wait, and those that are started from now on; active ones go on.

    Whether it was not paused before.
    """
    with transaction.atomic():
        done = Workflow.objects.filter(pk=workflow.pk, paused_at=None).update(
            paused_at=now, paused_by=by.name, pause_reason=reason[:500]
        )
        if done:
            AuditEntry.objects.note(by, "pause", ("workflow", workflow.slug), reason)
    return bool(done)


def resume(workflow: Workflow, *, by: Actor, reason: str = "") -> bool:
    """Let its queued runs start, in their order. Whether it was paused before."""
    with transaction.atomic():
        paused = Workflow.objects.filter(pk=workflow.pk, paused_at__isnull=False)
        done = paused.update(paused_at=None, paused_by="", pause_reason="")
        if done:
            AuditEntry.objects.note(by, "resume", ("workflow", workflow.slug), reason)
            dispatch.wake([gates.of_workflow(workflow.pk)])
    return bool(done)


def limit(workflow: Workflow, most: int | None, *, by: Actor, reason: str = "") -> bool:
    """How many of its runs may be active at once; None: any number. More that are active already
    go on. Whether that is new."""
    with transaction.atomic():
        before = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk).max_active
        if before == most:
            return False
        Workflow.objects.filter(pk=workflow.pk).update(max_active=most)
        change = f"{before or 'no limit'} → {most or 'no limit'}"
        said = f"{change}: {reason}" if reason else change
        AuditEntry.objects.note(by, "limit", ("workflow", workflow.slug), said)
        dispatch.wake([gates.of_workflow(workflow.pk)])
    return True
