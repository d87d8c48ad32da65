"""Cron expressions of five fields, in a time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MAX_CHARACTERS = 200


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """The names of the zones there are, in order."""
    return tuple(sorted(available_timezones()))


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(zones())


def complaint(expression: Any) -> str:
    """What is wrong with an expression; "" where nothing is."""
    if not isinstance(expression, str) or len(expression) > MAX_CHARACTERS:
        return "is a text of five fields: minute, hour, day of the month, month, day of the week"
    if len(expression.split()) != 5:
        return "needs five fields: minute, hour, day of the month, month, day of the week"
    try:
        first = next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        return f"is no cron expression: {error}"
    return "" if first else "never comes"


def zone_complaint(zone: Any) -> str:
    if not isinstance(zone, str) or zone not in _known():
        return "is a time zone such as Europe/Berlin or UTC"
    return ""


def following(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The times after `after`, in UTC.

    A time that a clock change leaves out comes once it is over; one that comes twice, once.
    """
    for at in CronSim(expression, after.astimezone(ZoneInfo(zone))):
        yield at.astimezone(UTC)


def next_after(expression: str, zone: str, after: datetime) -> datetime | None:
    return next(following(expression, zone, after), None)


def upcoming(expression: str, zone: str, after: datetime, count: int = 5) -> list[datetime]:
    """The next times, as the zone's clocks show them."""
    times = islice(following(expression, zone, after), count)
    return [at.astimezone(ZoneInfo(zone)) for at in times]


def words(expression: str) -> str:
    """What it says in English; "" where that cannot be told."""
    try:
        return str(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)).explain())
    except (CronSimError, NotImplementedError, AttributeError):
        return ""
