"""The process's one subscription to the broker: it hears the bells of all runs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runs.live import REDIS_CHANNEL, Bell, parse

logger = logging.getLogger(__name__)

# After as many seconds of silence the broker is asked whether it is there, and as many later
# it is taken for lost: a connection that died without a word would be waited on for ever.
SILENCE = 5.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
# Seconds for which those who ring may still hold their bells back after the broker's return.
SETTLE = 5.0


class Subscription:
    """Calls `heard` for each bell and `connected` whenever bells before may have been missed."""

    def __init__(self, heard: Callable[[Bell], None], connected: Callable[[], None]) -> None:
        self._heard, self._connected = heard, connected
        self._listening = False
        self._since = 0.0
        self._failing = False

    @property
    def is_sure(self) -> bool:
        """Whether every bell that was rung in the last seconds has been heard."""
        now = asyncio.get_running_loop().time()
        return self._listening and now - self._since >= SETTLE

    async def run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                if not self._failing:
                    logger.warning("live updates are slow, the broker is lost: %s", error)
                    self._failing = True
            if self._listening:
                self._listening, pause = False, FIRST_PAUSE
            # Not all processes at once.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _listen(self) -> None:
        """Hear bells until the connection breaks."""
        options: dict[str, Any] = {**settings.EVENTSTREAM_REDIS, "socket_timeout": SILENCE}
        async with (
            # The client's own reconnecting would hide that bells were missed.
            Redis(**options, retry=Retry(NoBackoff(), 0)) as client,
            aclosing(client.pubsub()) as pubsub,
        ):
            await pubsub.subscribe(REDIS_CHANNEL)
            asked = False
            while True:
                message = await pubsub.get_message(timeout=SILENCE)
                if message is not None:
                    self._take(message)
                elif asked:
                    raise TimeoutError("it does not answer")
                else:
                    await pubsub.ping()
                asked = message is None

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            for bell in parse(message["data"]):
                self._heard(bell)
        elif message["type"] == "subscribe":
            self._listening, self._since = True, asyncio.get_running_loop().time()
            if self._failing:
                logger.info("live updates go on")
                self._failing = False
            self._connected()
