"""Few threads with a database connection each, and patience while the database is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

from runs.connections import keep_own_connection

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Readers:
    """Runs functions that read the database in `threads` threads of their own."""

    def __init__(self, threads: int) -> None:
        # Beside the pool, which may be all in use and after the database was away tries again only
        # after about as long as that took.
        self._pool = ThreadPoolExecutor(
            threads, "streams", partial(keep_own_connection, checked=False)
        )
        self._failing = False
        # What was asked for and is not being read yet.
        self._asked: dict[tuple[Callable[..., Any], Hashable], asyncio.Task[Any]] = {}

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` gives, however often it must be asked until the database answers."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            try:
                found = await loop.run_in_executor(
                    self._pool, lambda: _on_connection(lambda: function(*args, **kwargs))
                )
            except (OperationalError, InterfaceError) as error:
                if not self._failing:
                    logger.warning("streams wait for the database: %s", error)
                    self._failing = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if self._failing:
                    logger.info("streams read the database again")
                    self._failing = False
                return found

    async def share(self, function: Callable[[K], T], of: K) -> T:
        """The same, read once for all who ask it before it is begun: when a web process starts,
        the clients of the one before come all together."""
        key = function, of

        def begin() -> T:
            self._asked.pop(key, None)  # who asks from now on wants to know it as it then is
            return function(of)

        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(self.read(begin))
        return await asyncio.shield(asked)


def _on_connection(function: Callable[[], T]) -> T:
    try:
        return function()
    except (OperationalError, InterfaceError):
        connection.close()  # most often it is broken, and a new one costs little
        raise
    finally:
        connection.close_if_unusable_or_obsolete()
