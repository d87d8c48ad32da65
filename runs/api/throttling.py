"""How many requests a minute: by one token, and by one person with all that they use."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from runs.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

MINUTE = 60
# Seconds for which nothing is counted after the broker did not answer.
PAUSE_AFTER_FAILURE = 2.0


class PerMinute(BaseThrottle):
    """Counts in whole minutes. The framework's own throttles keep the time of every request, and
    two requests at once lose one of them."""

    _wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        if not request.user.is_authenticated:
            return True
        most = self.limits(request)
        minute, passed = divmod(time.time(), MINUTE)
        self._wait = MINUTE - passed
        counts = counter.count([f"rate:{who}:{int(minute)}" for who in most])
        over = [count - most[who] for count, who in zip(counts, most, strict=False)]
        if 1 in over:
            who, via = request.user.public_id, getattr(request.user, "via", "")
            logger.warning("%s%s is held up until the minute ends", who, via and f" by token {via}")
        return all(count <= 0 for count in over)

    def limits(self, request: Request) -> dict[str, int]:
        """What is counted, and how much of it a minute may have."""
        most = {f"user:{request.user.pk}": settings.API_USER_RATE}
        if isinstance(request.auth, ApiToken):
            most[f"token:{request.auth.pk}"] = settings.API_TOKEN_RATE
        return most

    def wait(self) -> float:
        return self._wait


class ReportsPerMinute(PerMinute):
    """Of calls that report events, which are counted for themselves: whoever sends many must
    neither be held up by what its owner reads, nor hold that up."""

    def limits(self, request: Request) -> dict[str, int]:
        token = request.auth
        who = f"token:{token.pk}" if isinstance(token, ApiToken) else f"user:{request.user.pk}"
        return {f"ingest:{who}": settings.API_INGEST_RATE}


class CallsPerMinute(BaseThrottle):
    """Of calls to one webhook, from wherever they come."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002
        most = settings.WEBHOOK_RATE
        minute, passed = divmod(time.time(), MINUTE)
        self._wait = MINUTE - passed
        count = sum(counter.count([f"rate:hook:{view.trigger.pk}:{int(minute)}"]))
        if count == most + 1:
            view.over_its_rate(most)
        return count <= most

    def wait(self) -> float:
        return self._wait


class Counter:
    """Counts in the broker. While that is away it counts nothing, and everybody passes."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None
        self._making = threading.Lock()
        self._quiet_until = 0.0

    def count(self, keys: Sequence[str]) -> list[int]:
        """How often each key was counted in its minute, this time included; [] when unknown."""
        if time.monotonic() < self._quiet_until:
            return []
        try:
            pipeline = self._connected().pipeline(transaction=False)
            for key in keys:
                pipeline.incr(key)
                pipeline.expire(key, 2 * MINUTE)
            return pipeline.execute()[::2]
        except (redis.RedisError, OSError) as error:
            self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
            logger.warning("requests pass uncounted for now: %s", error)
            return []

    def _connected(self) -> redis.Redis:
        # One for all: a second that is dropped again closes the connection that it gave away.
        with self._making:
            if self._client is None:
                options: dict[str, Any] = settings.EVENTSTREAM_REDIS
                # The default retries for seconds, and requests would wait for it.
                self._client = redis.Redis(**options, retry=Retry(NoBackoff(), 0))
            return self._client


counter = Counter()
