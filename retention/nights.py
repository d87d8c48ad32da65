"""Beginning the night's work when its time has come."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from retention import executions, hours, terms
from retention.models import Execution
from retention.models.execution import ExecutionKind, ExecutionState


def begin_due(now: datetime) -> Execution | None:
    """Begin the latest night if nobody has. Of several that were missed it is the only one: what
    was due in these is due in it."""
    policy = terms.current()
    if not policy.is_on:
        return None
    night, begins = hours.latest(policy.hour, policy.zone, now)
    if policy.nights_from and begins < policy.nights_from:
        return None
    nights = Execution.objects.filter(night__isnull=False)
    if nights.filter(night__gte=night).exists():
        return None
    if nights.filter(state=ExecutionState.RUNNING).exists():
        return None  # one that is still at it ends first; then this one begins, be it in the day
    try:
        with transaction.atomic():
            return executions.begin(
                ExecutionKind.ARCHIVE, by=executions.SCHEDULE, now=now, night=night, due=begins
            )
    except IntegrityError:  # another beat was first
        return None
