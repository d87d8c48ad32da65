"""Waiting for a database that is away, and telling that from one that refuses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

from runs.engine.trouble import Trouble

logger = logging.getLogger(__name__)
T = TypeVar("T")

# How long what is to be stored is held in memory while the database is away.
PATIENCE_SECONDS = 120.0
# Classes of SQLSTATE: connection, transaction state (a standby that takes no writes yet),
# deadlock, lack of resources, locks, operator's intervention, input and output.
_PASSING = frozenset({"08", "25", "40", "53", "55", "57", "58"})


def is_passing(error: BaseException) -> bool:
    """Whether the same may be stored when it is tried again later."""
    if not isinstance(error, Error):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:  # the connection broke
        return isinstance(error, OperationalError | InterfaceError)
    return state[:2] in _PASSING


def persist(act: Callable[[], T], what: str, on_failure: Callable[[], None] = lambda: None) -> T:
    """Do `act`, again and again while the database is away, for a bounded while.

    The answer to a commit may be lost, so `act` must recognise what it did before.
    """
    trouble = Trouble(logger, what)
    ended = time.monotonic() + PATIENCE_SECONDS
    pause = 0.2
    while True:
        try:
            done = act()
        except Exception as error:
            on_failure()
            if not is_passing(error) or time.monotonic() > ended:
                raise
            trouble.met(error)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            trouble.over()
            return done
