"""The channel of the live streams, who may listen, and the bells that are rung after a commit.

A bell carries a run's newest event number, nothing of its content: whoever hears it reads the
log from where it stopped. A lost bell delays; it loses nothing. All bells of a commit go in one
message: publishing costs more than all else that a small event needs.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import redis
from django.conf import settings
from django_eventstream import eventstream
from django_eventstream.channelmanager import DefaultChannelManager
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL = "runs"
BELLS = "bells"
# Bells in one message at most.
PEAL = 1_000
# What a bell says instead of a state of a run that was deleted.
DELETED = "deleted"
# What django-eventstream publishes on; every channel's messages go through it.
REDIS_CHANNEL = "events_channel"
# Seconds for which nothing is published after the broker failed to take a bell.
PAUSE_AFTER_FAILURE = 2.0


@dataclass(frozen=True, slots=True)
class Bell:
    run_id: uuid.UUID
    last_seq: int
    state: str
    # A run that was not there before; a change that a list of runs shows.
    new: bool
    visible: bool


def deletion_of(run_id: uuid.UUID, last_seq: int) -> Bell:
    """It is newer than all that was told of the run."""
    return Bell(run_id, last_seq + 1, DELETED, new=False, visible=True)


class RunChannels(DefaultChannelManager):
    """Who may listen: staff who may view runs. What is published is stored nowhere else."""

    def can_read_channel(self, user: Any, channel: str) -> bool:  # noqa: ARG002
        return may_listen(user)

    def is_channel_reliable(self, channel: str) -> bool:  # noqa: ARG002
        return False


def may_listen(user: Any) -> bool:
    return bool(user and user.is_active and user.is_staff and user.has_perm("runs.view_run"))


class LoggedEvent(Protocol):
    """A row of the log, however it was read."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def attempt(self) -> int | None: ...
    @property
    def actor(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def data(self) -> Any: ...


def public_event(event: LoggedEvent) -> dict[str, Any]:
    """An event as streams and APIs show it."""
    at = event.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return {
        "seq": event.seq,
        "kind": event.kind,
        "node": event.node,
        "attempt": event.attempt,
        "actor": event.actor,
        "at": at.removesuffix("+00:00") + "Z",
        "data": event.data,
    }


def _broker() -> redis.Redis:
    """The client that `send_event` publishes with."""
    options: dict[str, Any] = settings.EVENTSTREAM_REDIS
    # The default retries for seconds, in the request that has just committed.
    return redis.Redis(**options, retry=Retry(NoBackoff(), 0))


class _Ringer:
    """Publishes bells; while the broker is away it says so once and drops them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._failing = False

    def ring(self, bells: Sequence[Bell]) -> None:
        if not bells or time.monotonic() < self._quiet_until:
            return
        try:
            for begin in range(0, len(bells), PEAL):
                content = [_written(bell) for bell in bells[begin : begin + PEAL]]
                eventstream.send_event(CHANNEL, BELLS, content)
        except Exception as error:  # whatever the broker does, the commit stands
            self._failed(error)
        else:
            self._succeeded()

    def _failed(self, error: Exception) -> None:
        self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        with self._lock:
            news, self._failing = not self._failing, True
        if news:
            logger.warning("live updates are delayed: %s", error)

    def _succeeded(self) -> None:
        if not self._failing:
            return
        with self._lock:
            news, self._failing = self._failing, False
        if news:
            logger.info("live updates go on")


def _written(bell: Bell) -> list[Any]:
    return [bell.run_id.hex, bell.last_seq, bell.state, bell.new, bell.visible]


def parse(message: bytes) -> list[Bell]:
    """The bells in a message of REDIS_CHANNEL; none in whatever else was published there."""
    try:
        envelope = json.loads(message)
        if (envelope["channel"], envelope["event_type"]) != (CHANNEL, BELLS):
            return []
        return [
            Bell(uuid.UUID(run_id), int(seq), str(state), new=bool(new), visible=bool(visible))
            for run_id, seq, state, new, visible in json.loads(envelope["data"])
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


# django-eventstream makes its client at import, from the settings alone.
eventstream.redis_client = _broker()
ring = _Ringer().ring
