"""What a Celery worker of the portal does besides its tasks."""

import os
from contextlib import suppress
from signal import SIGKILL
from typing import Any

import redis
from celery import Celery, bootsteps
from celery.signals import celeryd_after_setup, worker_process_init

from config.embedded.processes import die_with_parent
from runs import heartbeat


class Heartbeat(bootsteps.StartStopStep):
    """Gives a sign of life from the loop that takes messages: when that hangs, the signs end."""

    requires = {"celery.worker.consumer:Tasks"}

    def start(self, parent: Any) -> None:
        queues = sorted(parent.app.amqp.queues.consume_from)
        self._self = heartbeat.Process("worker", parent.hostname, tuple(queues))
        self._give()
        self._timer = parent.timer.call_repeatedly(heartbeat.EVERY, self._give)

    def stop(self, parent: Any) -> None:
        parent.timer.cancel(self._timer)
        with suppress(redis.RedisError):  # it will be missed soon enough
            heartbeat.forget(self._self)

    shutdown = stop

    def _give(self) -> None:
        with suppress(redis.RedisError):  # silence is what tells of it
            heartbeat.give(self._self)


def _end_with_worker(**_: Any) -> None:
    """A pool process of a killed worker would go on with a task that is given to another."""
    die_with_parent(SIGKILL)


def _take_from_all_queues(instance: Any, **_: Any) -> None:
    """The one worker of the one-command start: there is no other for a queue of its own."""
    from runs.engine import registry

    if os.environ.get("WORKER_ALL_QUEUES") == "1":
        for queue in sorted(registry.queues()):
            instance.app.amqp.queues.select_add(queue)


def install(app: Celery) -> None:
    celeryd_after_setup.connect(_take_from_all_queues, weak=False)
    app.steps["consumer"].add(Heartbeat)
    worker_process_init.connect(_end_with_worker, weak=False)
