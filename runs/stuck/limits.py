"""From when on a run is stuck, as the operator set it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

# Findings of one cause that are looked at and kept, the oldest first: more say no more.
MOST = 10_000
# The pulse takes a lease that ended away within two seconds: after so long nobody does.
UNRESCUED = timedelta(seconds=15)
# Nothing is decided in less, however fast people usually are.
PERSON_FLOOR = timedelta(hours=1)
# A run that others report, and of which nothing usual is known.
UNKNOWN_RUN = timedelta(days=1)
# Attempts that failed for want of an answer, one after the other.
UNANSWERED = 3


def factor() -> int:
    return int(settings.STUCK_FACTOR)


def floor() -> timedelta:
    return timedelta(seconds=settings.STUCK_FLOOR_SECONDS)


def queue() -> timedelta:
    return timedelta(seconds=settings.STUCK_QUEUE_SECONDS)


def held() -> timedelta:
    return timedelta(seconds=settings.STUCK_HELD_SECONDS)


def person() -> timedelta:
    return timedelta(seconds=settings.STUCK_PERSON_SECONDS)


def source() -> timedelta:
    return timedelta(seconds=settings.STUCK_SOURCE_SECONDS)


def lock() -> timedelta:
    return timedelta(seconds=settings.STUCK_LOCK_SECONDS)


def lost() -> int:
    return int(settings.STUCK_LOST)
