"""A worker's way through a node: read it, claim it, execute it, record what came of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from runs import paths, recorder
from runs.definitions import graph_of
from runs.engine import dispatch, executors, reading, steps
from runs.engine.attendant import Attendant, Charge, attendant
from runs.engine.context import Context
from runs.engine.errors import InputMissing, NodeTimeout, OutputInvalid, Permanent, describe
from runs.graph import Graph, NodeSpec
from runs.payload import PayloadError, bounded
from runs.rows import NewEvent

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Nodes one task executes, one after the other, before Celery gets a say again.
MAX_NODES_A_TASK = 50
MAX_SECONDS_A_TASK = 5.0
# How long a result is held in memory while the database is away.
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Job:
    """A ready node as read before it is claimed; what it reads no longer changes."""

    node_id: int
    run_id: uuid.UUID
    graph: Graph
    spec: NodeSpec
    data: dict[str, Any]


def name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def work_off(node_id: int) -> int:
    """Execute this node, then whatever is ready, for a bounded while; gives how many."""
    ended = time.monotonic() + MAX_SECONDS_A_TASK
    count = 0
    todo = [node_id]
    while todo:
        count += execute(todo.pop())
        more = count < MAX_NODES_A_TASK and time.monotonic() < ended
        # What this process frees it may take itself: that spares a message.
        ready = dispatch.take(timezone.now(), least=1 if more else 0)
        if more and ready:
            todo = [ready.pop(0)]
        dispatch.send(ready)
    return count


def execute(node_id: int) -> bool:
    """Whether the node was this worker's to execute."""
    job = _read(node_id)
    if job is None:
        return False
    inputs, problem = _inputs(job)
    attempt = _claim(job, inputs)
    if attempt is None:
        return False
    context = Context(job.run_id, job.spec.id, attempt)
    deadline = time.monotonic() + job.spec.timeout_seconds
    with _attended(attendant, Charge(node_id, context, deadline)):
        try:
            if problem is not None:
                raise problem
            with _time_limit(job.spec.timeout_seconds):
                result = executors.run(executors.Work(job.spec, inputs, job.data, context))
            output = _storable(result.output)
        except Exception as error:
            _record_failure(job, context, error)
        else:
            _record_result(job, context, result, output)
    return True


def _read(node_id: int) -> Job | None:
    found = reading.ready(node_id, timezone.now())
    if found is None:
        return None
    graph = graph_of(found.version_id)
    spec = graph.nodes[found.key]
    data = reading.payloads(found.run_id, spec.reads())
    return Job(node_id, found.run_id, graph, spec, data)


def _inputs(job: Job) -> tuple[dict[str, Any], Exception | None]:
    """The node's inputs, or what is wrong with them: that fails the attempt, once claimed."""
    try:
        inputs = paths.fill(job.spec.input, job.data)
        return bounded(inputs, settings.ENGINE_PAYLOAD_BYTES, "the node's input"), None
    except LookupError as error:
        return {}, InputMissing(str(error.args[0]))
    except PayloadError as error:
        return {}, Permanent(str(error))


def _claim(job: Job, inputs: dict[str, Any]) -> int | None:
    """The attempt's number, or None where another worker or the run's end was first."""
    worker = name()
    done = recorder.transact(
        [job.run_id],
        lambda found: steps.claim(found, job.spec.id, worker, inputs, job.spec),
        now=timezone.now(),
    )
    recorded = done.get(job.run_id)
    return recorded.changes.begun[0].number if recorded else None


@contextmanager
def _attended(by: Attendant, charge: Charge) -> Iterator[None]:
    by.attend(charge)
    try:
        yield
    finally:
        by.leave()


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise NodeTimeout in the block once `seconds` have passed.

    By the alarm signal, which only a main thread can take; elsewhere the lease is the limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise NodeTimeout(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _storable(output: Any) -> Any:
    try:
        return bounded(output, settings.ENGINE_PAYLOAD_BYTES, "the output")
    except PayloadError as error:
        raise OutputInvalid(str(error)) from error


def _record_result(job: Job, context: Context, result: executors.Result, output: Any) -> None:
    said = context.drain()

    def decide(found: recorder.Snapshot) -> list[NewEvent]:
        return steps.complete(
            found, job.graph, job.spec.id, context.attempt, output,
            before=said, path=result.path, selected=result.selected,
        )  # fmt: skip

    _persist(lambda: recorder.transact([job.run_id], decide, now=timezone.now()))


def _record_failure(job: Job, context: Context, error: Exception) -> None:
    said = context.drain()
    description = describe(error)
    permanent = isinstance(error, Permanent)

    def decide(found: recorder.Snapshot) -> list[NewEvent]:
        return steps.fail(
            found, job.graph, job.spec.id, context.attempt, description, timezone.now(),
            before=said, permanent=permanent,
        )  # fmt: skip

    _persist(lambda: recorder.transact([job.run_id], decide, now=timezone.now()))


def _persist(act: Callable[[], T]) -> T:
    """Do `act`, again and again while the database is away, for a bounded while."""
    ended = time.monotonic() + PATIENCE_SECONDS
    pause = 0.2
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > ended:
                raise
            logger.warning("a result waits for the database: %s", error)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
