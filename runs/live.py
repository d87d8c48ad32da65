"""Channels of the live streams, who may listen, and the bell that is rung after a commit.

A bell carries a run's newest event number, nothing of its content: whoever hears it reads the
log from where it stopped. A lost bell delays; it loses nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import redis
from django.conf import settings
from django_eventstream import eventstream
from django_eventstream.channelmanager import DefaultChannelManager
from django_eventstream.event import Event as StreamEvent
from django_eventstream.storage import StorageBase
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

RUN_PREFIX = "run-"
BELL = "bell"
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


def channel_of(run_id: uuid.UUID) -> str:
    return f"{RUN_PREFIX}{run_id}"


class RunChannels(DefaultChannelManager):
    """Who may listen to a run's channel: staff who may view runs."""

    def can_read_channel(self, user: Any, channel: str) -> bool:  # noqa: ARG002
        return may_listen(user)

    def is_channel_reliable(self, channel: str) -> bool:
        return channel.startswith(RUN_PREFIX)


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


class LogStorage(StorageBase):
    """django-eventstream's storage over our log: the recorder has written already."""

    def append_event(self, channel: str, event_type: str, data: str) -> StreamEvent:
        return StreamEvent(channel, event_type, data, id=json.loads(data)["seq"])


class _Broker(redis.Redis):
    """The client that `send_event` publishes with; `together` makes many publishes one trip."""

    def __init__(self) -> None:
        options: dict[str, Any] = settings.EVENTSTREAM_REDIS
        # The default retries for seconds, in the request that has just committed.
        super().__init__(**options, retry=Retry(NoBackoff(), 0))
        self._held = threading.local()

    @contextmanager
    def together(self) -> Iterator[None]:
        self._held.pipeline = pipeline = self.pipeline(transaction=False)
        try:
            yield
        finally:
            self._held.pipeline = None
        pipeline.execute()

    def publish(self, channel: Any, message: Any, **options: Any) -> Any:
        pipeline = getattr(self._held, "pipeline", None)
        if pipeline is None:
            return super().publish(channel, message, **options)
        return pipeline.publish(channel, message)


class _Ringer:
    """Publishes bells; while the broker is away it says so once and drops them."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._failing = False

    def ring(self, bells: Sequence[Bell]) -> None:
        if not bells or time.monotonic() < self._quiet_until:
            return
        try:
            with self._broker.together():
                for bell in bells:
                    eventstream.send_event(channel_of(bell.run_id), BELL, _content(bell))
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


def _content(bell: Bell) -> dict[str, Any]:
    return {
        "seq": bell.last_seq,
        "state": bell.state,
        "new": bell.new,
        "visible": bell.visible,
    }


def parse(message: bytes) -> Bell | None:
    """The bell in a message of REDIS_CHANNEL; None for whatever else was published there."""
    try:
        envelope = json.loads(message)
        channel, content = envelope["channel"], json.loads(envelope["data"])
        if envelope["event_type"] != BELL or not channel.startswith(RUN_PREFIX):
            return None
        return Bell(
            run_id=uuid.UUID(channel.removeprefix(RUN_PREFIX)),
            last_seq=int(content["seq"]),
            state=str(content["state"]),
            new=bool(content["new"]),
            visible=bool(content["visible"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


# django-eventstream makes its client at import, from the settings alone.
eventstream.redis_client = _broker = _Broker()
ring = _Ringer(_broker).ring
