"""When nights begin: the policy's hour in its zone. Pure.

A night is named by its date in that zone. An hour that the clock leaves out begins when the clock
has passed it, one that comes twice at its first time.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def latest(hour: int, zone: str, now: datetime) -> tuple[date, datetime]:
    """The night that began last by now, or should have, and when that was."""
    night = now.astimezone(ZoneInfo(zone)).date()
    while (begins := _begins(night, hour, zone)) > now:
        night -= timedelta(days=1)
    return night, begins


def following(hour: int, zone: str, now: datetime) -> datetime:
    """When the next one begins."""
    night, _ = latest(hour, zone, now)
    return _begins(night + timedelta(days=1), hour, zone)


def _begins(night: date, hour: int, zone: str) -> datetime:
    # By UTC: within one zone Python compares what the clock shows.
    return datetime.combine(night, time(hour), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
