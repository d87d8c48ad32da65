"""Schedules whose time has come. Two who look at once start nothing twice: see `firing`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from django.db import transaction

from runs.context import stamp
from runs.engine.patience import is_passing
from runs.models import Trigger
from runs.models.trigger import FiringStatus
from runs.triggers import cron, firing
from runs.triggers.firing import Happening
from runs.triggers.rule import RuleError, Schedule, parse

logger = logging.getLogger(__name__)

BATCH = 100
# What is later than this was missed: the portal, or what ticks in it, was away.
GRACE = timedelta(seconds=90)
# Missed times that are caught up, or counted, in one tick.
CAUGHT_UP = 20
COUNTED = 10_000


def tick(now: datetime) -> int:
    """Fire what is due; gives how many schedules there were."""
    due = list(Trigger.objects.due(now)[:BATCH])
    for trigger in due:
        try:
            _fire_due(trigger, now)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("schedule %s cannot be kept", trigger)
            # It must not hold up the others for ever.
            Trigger.objects.filter(pk=trigger.pk, next_due_at=trigger.next_due_at).update(
                next_due_at=now + timedelta(minutes=5)
            )
    return len(due)


def take_up(now: datetime) -> None:
    """Give those a next time again whose rule passes the checks again, as when a time zone that
    had vanished is back. Nothing is caught up."""
    for trigger in Trigger.objects.stalled().order_by("pk")[:BATCH]:
        if due := next_due(trigger, now):
            # Unless somebody has switched it off, or on again, meanwhile.
            Trigger.objects.stalled().filter(pk=trigger.pk).update(next_due_at=due)


def next_due(trigger: Trigger, now: datetime) -> datetime | None:
    """When it fires next, by its rule; None where it is off or no schedule."""
    if not trigger.enabled:
        return None
    try:
        when = parse(trigger.kind, trigger.rule).when
    except RuleError:
        return None
    return cron.next_after(when.cron, when.zone, now) if isinstance(when, Schedule) else None


def _fire_due(trigger: Trigger, now: datetime) -> None:
    assert trigger.next_due_at is not None  # it is due
    try:
        when = parse(trigger.kind, trigger.rule).when
    except RuleError as error:
        firing.note(
            trigger,
            _key(trigger.next_due_at),
            FiringStatus.FAILED,
            f"its rule no longer passes the checks: {error}",
            now=now,
        )
        _move_on(trigger, None)
        return
    assert isinstance(when, Schedule)
    times = [trigger.next_due_at, *_more(when, trigger.next_due_at, now)]
    missed = [at for at in times if at < now - GRACE]
    if when.catch_up:
        chosen = times[:CAUGHT_UP]
    else:
        chosen = times[len(missed) :]
        _note_missed(trigger, missed, now)
    for at in chosen:
        payload = {"due_at": stamp(at), "fired_at": stamp(now)}
        firing.fire(trigger, Happening(_key(at), payload), now=now)
    last = chosen[-1] if chosen else times[-1]
    _move_on(trigger, cron.next_after(when.cron, when.zone, last))


def _more(when: Schedule, first: datetime, now: datetime) -> list[datetime]:
    later = cron.following(when.cron, when.zone, first)
    return list(takewhile(lambda at: at <= now, islice(later, COUNTED)))


def _note_missed(trigger: Trigger, missed: Sequence[datetime], now: datetime) -> None:
    if not missed:
        return
    span = f"{_written(missed[0])}"
    if len(missed) > 1:
        span += f" to {_written(missed[-1])}"
    firing.note(
        trigger,
        _key(missed[-1]),
        FiringStatus.SKIPPED,
        f"missed, as the portal was away or too busy: {span}",
        now=now,
        count=len(missed),
    )


def _move_on(trigger: Trigger, due: datetime | None) -> None:
    """Unless somebody has changed its times meanwhile, or moved it on."""
    with transaction.atomic():
        Trigger.objects.filter(pk=trigger.pk, next_due_at=trigger.next_due_at).update(
            next_due_at=due
        )


def _key(at: datetime) -> str:
    return f"due:{at.astimezone(UTC).isoformat()}"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
