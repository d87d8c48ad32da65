"""What a Celery worker of the portal does besides its tasks."""

import os
import resource
import socket
import time
from contextlib import suppress
from signal import SIGKILL, Signals
from typing import Any

import redis
from billiard.pool import EX_OK, EX_RECYCLE
from celery import Celery, bootsteps
from celery.signals import celeryd_after_setup, task_prerun, worker_process_init
from celery.worker import state
from django.conf import settings
from django.db import close_old_connections
from kombu.transport.redis import QoS

from config.embedded.processes import die_with_parent
from runs import heartbeat
from runs.engine.obituary import tell_of_end

# Tasks after which a process opens another connection: what grows in one is given back.
REUSED = 5_000
# Tasks that a sign of life tells of.
MOST_TOLD = 20
# Its processes that are named.
MOST_MEMBERS = 200


class Heartbeat(bootsteps.StartStopStep):
    """Gives a sign of life from the loop that takes messages: when that hangs, the signs end."""

    requires = {"celery.worker.consumer:Tasks"}

    def start(self, parent: Any) -> None:
        queues = sorted(parent.app.amqp.queues.consume_from)
        self._self = heartbeat.Process("worker", parent.hostname, tuple(queues))
        self._since = time.time()
        self._give(parent.pool)
        self._timer = parent.timer.call_repeatedly(heartbeat.EVERY, self._give, (parent.pool,))

    def stop(self, parent: Any) -> None:
        parent.timer.cancel(self._timer)
        with suppress(redis.RedisError):  # it will be missed soon enough
            heartbeat.forget(self._self)

    shutdown = stop

    def _give(self, pool: Any) -> None:
        told = {
            "since": self._since,
            "processes": getattr(pool, "num_processes", 1),
            "members": _members(pool),
            "tasks": [_told(request) for request in list(state.active_requests)[:MOST_TOLD]],
        }
        with suppress(redis.RedisError):  # silence is what tells of it
            heartbeat.give(self._self, told)


def _members(pool: Any) -> list[str]:
    """Its processes, as leases name them."""
    own = getattr(getattr(pool, "_pool", None), "_pool", None) or []
    pids = [process.pid for process in own] or [os.getpid()]
    return [f"{socket.gethostname()}-{pid}" for pid in pids[:MOST_MEMBERS]]


def _told(request: Any) -> dict[str, Any]:
    """What a worker is at; of a hint, the node too."""
    node = request.args[0] if request.name == "runs.execute" and request.args else None
    return {"task": request.name, "since": request.time_start, "node": node}


class Obituary(bootsteps.StartStopStep):
    """Tells of a process of the pool that died: what it was at need not wait for its lease."""

    requires = {"celery.worker.consumer:Tasks"}

    def start(self, parent: Any) -> None:
        # The pool gets its handlers when the loop begins.
        parent.timer.call_after(1.0, self._watch, (parent.pool,))

    def _watch(self, of_consumer: Any) -> None:
        pool: Any = getattr(of_consumer, "_pool", None)
        told = getattr(pool, "on_process_down", None)
        if told is None or getattr(told, "tells", False):
            return

        def on_process_down(process: Any) -> None:
            told(process)
            if process.exitcode not in (EX_OK, EX_RECYCLE, None):
                tell_of_end(f"{socket.gethostname()}-{process.pid}", _how(process.exitcode))

        on_process_down.tells = True  # type: ignore[attr-defined]
        pool.on_process_down = on_process_down


def _how(code: int) -> str:
    if code >= 0:
        return f"ended by itself, with exit code {code}"
    name = Signals(-code).name if -code in set(Signals) else f"signal {-code}"
    return f"was ended by {name}"


def _restore_unacked(self: Any, client: Any = None) -> Any:
    """What kombu does with messages that were not acknowledged when the broker went away. The
    connection may be closed by then, by which it falls; and the worker with it. The pulse sends
    hints again that nobody heeded."""
    try:
        return _kombus_restore(self, client)
    except AttributeError:
        if self.channel.connection.client is not None:
            raise
        return []


_kombus_restore: Any = QoS.restore_unacked


def _limit_memory(**_: Any) -> None:
    """What a node asks for beyond is a MemoryError of its own, and no end of the machine's."""
    if settings.WORKER_MEMORY_MB:
        most = settings.WORKER_MEMORY_MB * 1_048_576
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _end_with_worker(**_: Any) -> None:
    """A pool process of a killed worker would go on with a task that is given to another."""
    die_with_parent(SIGKILL)


def _take_from_all_queues(instance: Any, **_: Any) -> None:
    """The one worker of the one-command start: there is no other for a queue of its own."""
    from runs.engine import registry

    if os.environ.get("WORKER_ALL_QUEUES") == "1":
        for queue in sorted(registry.queues()):
            instance.app.amqp.queues.select_add(queue)


def _look_at_connection(**_: Any) -> None:
    """Before each task: one that broke is opened anew, a good one is kept."""
    close_old_connections()


def install(app: Celery) -> None:
    # A new connection costs PostgreSQL more than the work of a node: nothing is cached or planned
    # on it. Celery would close it after each task, and before.
    app.conf["CELERY_DB_REUSE_MAX"] = REUSED
    QoS.restore_unacked = _restore_unacked  # type: ignore[method-assign]
    task_prerun.connect(_look_at_connection, weak=False)
    celeryd_after_setup.connect(_take_from_all_queues, weak=False)
    app.steps["consumer"].add(Heartbeat)
    app.steps["consumer"].add(Obituary)
    worker_process_init.connect(_limit_memory, weak=False)
    worker_process_init.connect(_end_with_worker, weak=False)
