"""When the night's work begins."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from retention import executions, terms
from retention.models import Execution, Policy
from retention.models.execution import ExecutionKind, ExecutionState


def latest(policy: Policy, now: datetime) -> tuple[date, datetime]:
    """The night that began last by now, or should have, and when that was.

    A night is named by its date in the policy's zone. An hour that the clock leaves out begins
    when the clock has passed it, one that comes twice at its first time.
    """
    zone = ZoneInfo(policy.zone)
    night = now.astimezone(zone).date()
    while (begins := _begins(policy, night, zone)) > now:
        night -= timedelta(days=1)
    return night, begins


def following(policy: Policy, now: datetime) -> datetime:
    """When the next one begins."""
    night, _ = latest(policy, now)
    return _begins(policy, night + timedelta(days=1), ZoneInfo(policy.zone))


def _begins(policy: Policy, night: date, zone: ZoneInfo) -> datetime:
    # By UTC: within one zone Python compares what the clock shows.
    return datetime.combine(night, time(policy.hour), zone).astimezone(ZoneInfo("UTC"))


def begin_due(now: datetime) -> Execution | None:
    """Begin the latest night if nobody has. Of several that were missed it is the only one: it
    does what these would have done."""
    policy = terms.current()
    if not policy.is_on:
        return None
    night, begins = latest(policy, now)
    # What is switched on or set to another hour in the day begins with the next night.
    since = [moment for moment in (policy.nights_from, policy.changed_at) if moment]
    if since and begins < max(since):
        return None
    nights = Execution.objects.filter(night__isnull=False)
    if nights.filter(night__gte=night).exists():
        return None
    if nights.filter(state=ExecutionState.RUNNING).exists():
        return None  # one that is still at it does the work of both
    try:
        with transaction.atomic():
            return executions.begin(
                ExecutionKind.ARCHIVE, by=executions.SCHEDULE, now=now, night=night
            )
    except IntegrityError:  # another beat was first
        return None
