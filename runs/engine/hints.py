"""Sends hints to Celery, within about a second whatever the broker does."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from kombu import pools

from runs.engine.trouble import Trouble
from runs.graph import USUAL_QUEUE

# Seconds to wait for the broker to connect, and for each of its answers.
PATIENCE = 0.4
# Seconds for which nothing is sent after the broker failed to take a hint.
PAUSE_AFTER_FAILURE = 2.0


class Hint(NamedTuple):
    """That a node is ready. The queue is "" where it is the usual one."""

    node_id: int
    queue: str


_trouble = Trouble(logging.getLogger(__name__), "hints wait for the broker")
_quiet_until = 0.0


def possible() -> bool:
    """Whether it makes sense to try: the broker did not fail a moment ago."""
    return time.monotonic() >= _quiet_until


def publish(hinted: Sequence[Hint]) -> bool:
    """Whether the broker took all of the hints."""
    global _quiet_until  # noqa: PLW0603 (what every thread of the process should know)
    from runs.engine.tasks import execute

    if not possible():
        return False
    try:
        with _producers().acquire(block=True, timeout=PATIENCE) as producer:
            for node_id, queue in hinted:
                execute.apply_async(
                    [node_id], producer=producer, retry=False, queue=queue or USUAL_QUEUE
                )
    except Exception as error:  # kombu raises whatever its transport does
        _quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        _trouble.met(error)
        return False
    _trouble.over()
    return True


def post(task: Any, argument: str) -> bool:
    """Send another task its message; whether the broker took it."""
    global _quiet_until  # noqa: PLW0603 (as above)
    if not possible():
        return False
    try:
        with _producers().acquire(block=True, timeout=PATIENCE) as producer:
            task.apply_async([argument], producer=producer, retry=False)
    except Exception as error:  # as above
        _quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        _trouble.met(error)
        return False
    _trouble.over()
    return True


@cache
def own_queues() -> frozenset[str]:
    """Those that this process takes hints from, as hints name them."""
    from runs.engine.tasks import execute

    taken = execute.app.amqp.queues.consume_from
    return frozenset("" if name == USUAL_QUEUE else name for name in taken)


@cache
def _producers() -> Any:
    """Celery's own producers wait too long: who publishes may be a request that has committed."""
    from runs.engine.tasks import execute

    connection = execute.app.connection_for_write()
    connection.transport_options = {
        **connection.transport_options,
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
    }
    return pools.producers[connection]
