"""The scheduler that Celery beat runs."""

import os
import socket
import time
from contextlib import suppress
from typing import Any

import redis
from django_celery_beat.schedulers import DatabaseScheduler

from runs import heartbeat


class Scheduler(DatabaseScheduler):
    """Gives a sign of life as it ticks: when it hangs, the signs end."""

    _next_sign = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        pause: float = super().tick(*args, **kwargs)
        if time.monotonic() >= self._next_sign:
            self._next_sign = time.monotonic() + heartbeat.EVERY
            with suppress(redis.RedisError):  # silence is what tells of it
                heartbeat.give(self._self)
        return min(pause, heartbeat.EVERY)

    def close(self) -> None:
        with suppress(redis.RedisError):  # it will be missed soon enough
            heartbeat.forget(self._self)
        super().close()

    @property
    def _self(self) -> heartbeat.Process:
        return heartbeat.Process("beat", f"{os.getpid()}@{socket.gethostname()}")
