"""A limit on how long an executor may work."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from runs.engine.context import Context
from runs.engine.errors import NodeTimeout, timeout_message

T = TypeVar("T")

# An executor that swallows the exception gets it again so often.
REPEAT_SECONDS = 0.5


def within(seconds: float, context: Context, act: Callable[[], T]) -> T:
    """What `act` gives; NodeTimeout is raised in it once `seconds` have passed.

    By the alarm signal, which only a main thread can take; elsewhere the lease is the limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return act()
    over = late = False

    def ring(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal late
        # A transaction of ours that is torn leaves a connection nobody can use: it rings again.
        if not over and not context.is_storing_here:
            late = True
            raise NodeTimeout(timeout_message(seconds))

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
        try:
            result = act()
        finally:
            over = True  # no call comes before this, so no alarm can ring in the clearing up
        if late:
            raise NodeTimeout(timeout_message(seconds))
        return result
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
