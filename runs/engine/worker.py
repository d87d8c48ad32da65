"""A worker's way through a node: read it, claim it, execute it, record what came of it."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billiard.common import terminate_handler_fired
from django.conf import settings
from django.db import Error
from structlog.contextvars import bound_contextvars

from runs import definitions, ids, paths, placeholders, recorder
from runs.engine import (
    dispatch,
    executors,
    gates,
    hints,
    reading,
    registry,
    steps,
    surroundings,
    unknown,
)
from runs.engine.apart import apart
from runs.engine.attendant import Attendant, Charge, attendant
from runs.engine.clock import clock
from runs.engine.context import Context
from runs.engine.errors import (
    InputInvalid,
    InputMissing,
    OutputInvalid,
    Permanent,
    ResultRefused,
    TryLater,
    describe,
)
from runs.engine.patience import is_passing, persist
from runs.engine.time_limit import within
from runs.graph import DefinitionError, Graph, NodeSpec
from runs.models import Attempt, WorkflowVersion
from runs.payload import PayloadError, bounded
from runs.recorder import Snapshot
from runs.rows import NewEvent, RunRow
from runs.secret_values import without_known
from runs.states import AttemptStatus

logger = logging.getLogger(__name__)

# Nodes one task executes, one after the other, before Celery gets a say again.
MAX_NODES_A_TASK = 50
MAX_SECONDS_A_TASK = 5.0
# Nodes that are read, whether or not they turn out to matter, when a node has ended.
MAX_NEAR = 16
# From what was said before the result, as it must be recorded, to the events.
Follow = Callable[[Snapshot, Sequence[NewEvent], datetime], list[NewEvent]]


@dataclass(frozen=True, slots=True)
class Job:
    """A ready node as read before it is claimed; what it reads no longer changes."""

    node_id: int
    run_id: uuid.UUID
    attempts: int
    graph: Graph
    spec: NodeSpec
    data: dict[str, Any]


def name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def work_off(node_id: int) -> int:
    """Execute this node, then whatever is ready, for a bounded while; gives how many."""
    ended = time.monotonic() + MAX_SECONDS_A_TASK
    clock.keep()
    count = 0
    todo = [node_id]
    while todo:
        count += execute(todo.pop())
        more = count < MAX_NODES_A_TASK and time.monotonic() < ended and not surroundings.spent()
        # What this process frees it may take itself: that spares a message.
        own = hints.own_queues() if more else frozenset()
        ready = dispatch.take(clock.now(), own=own)
        if mine := next((hint for hint in ready if hint.queue in own), None):
            ready.remove(mine)
            todo = [mine.node_id]
        dispatch.send(ready)
    return count


def execute(node_id: int) -> bool:
    """Whether the node was this worker's to execute."""
    node = _ready(node_id)
    if node is None:
        return False
    about = {"run_id": ids.encode("run", node.run_id), "workflow": node.workflow}
    with bound_contextvars(**about, node=node.key, attempt=node.attempts + 1):
        done = _execute_ready(node)
    if opened := gates.of_node(node):
        gates.release(opened)
    return done


def _execute_ready(node: reading.Ready) -> bool:
    if node.executor and registry.find(node.executor) is None:
        unknown.decline(node, name())
        return False
    try:
        job = _job(node)
    except Error:
        raise
    except Exception as error:
        _reject(node, error)
        return False
    inputs, problem = _inputs(job)
    if job.spec.kind == "human":
        return _ask(node, job, inputs, problem)
    context = _claim(node, job, inputs)
    if context is None:
        return False
    deadline = time.monotonic() + job.spec.timeout_seconds
    with _attended(attendant, Charge(node.id, context, deadline)):
        try:
            if problem is not None:
                raise problem
            result = _execute(executors.Work(job.spec, inputs, job.data, context))
            output = _storable(result.output)
        except BaseException as error:  # whatever an executor raises, also SystemExit
            if terminate_handler_fired():
                _give_back(job, context)
                raise
            _record_failure(job, context, error)
        else:
            _record_result(job, context, result, output)
    return True


def _ready(node_id: int) -> reading.Ready | None:
    found = reading.ready(node_id, clock.now())
    if found is not None and not found.is_due:
        # An old hint, or a clock behind the sender's: it is sent again in time.
        dispatch.withdraw([node_id])
        return None
    return found


def _job(node: reading.Ready) -> Job:
    graph = definitions.graph_of(node.version_id)
    spec = graph.nodes[node.key]
    data = reading.payloads(node.run_id, spec.reads())
    return Job(node.id, node.run_id, node.attempts, graph, spec, data)


def _reject(node: reading.Ready, error: Exception) -> None:
    """Fail the run of a node that cannot be prepared."""
    if isinstance(error, DefinitionError):
        number = WorkflowVersion.objects.values_list("number", flat=True).get(pk=node.version_id)
        problem: dict[str, Any] = definitions.error_of(error, number)
    else:
        problem = describe(error)
    now = clock.now()
    recorder.transact(
        [node.run_id], lambda found: steps.reject(found, node.key, problem, now), now=now
    )


def _inputs(job: Job) -> tuple[dict[str, Any], Exception | None]:
    """The node's inputs, or what is wrong with them: that fails the attempt, once claimed."""
    try:
        inputs = paths.fill(job.spec.input, job.data)
        return bounded(inputs, settings.ENGINE_PAYLOAD_BYTES, "the node's input"), None
    except LookupError as error:
        return {}, InputMissing(str(error.args[0]))
    except PayloadError as error:
        return {}, InputInvalid(str(error))
    except Exception as error:
        return {}, error


def _claim(node: reading.Ready, job: Job, inputs: dict[str, Any]) -> Context | None:
    """The attempt, or None where another worker or the run's end was first."""
    worker, now = name(), clock.now()
    own = recorder.Part([job.spec.id])
    in_doubt = False
    # The attempt of an earlier try whose commit was not answered.
    begun: list[Attempt] = []

    def decide(found: Snapshot) -> list[NewEvent]:
        if in_doubt:
            begun[:] = Attempt.objects.filter(
                node=job.node_id, number=job.attempts + 1, worker=worker, started_at=now,
                status=AttemptStatus.RUNNING,
            )  # fmt: skip
        events = steps.claim(found, job.spec.id, job.attempts, worker, inputs, job.spec)
        return events if events and gates.admit(found, node) else []

    def claim() -> recorder.Recorded | None:
        done = recorder.transact([job.run_id], decide, now=now, nodes=own)
        return done.get(job.run_id)

    def doubt() -> None:
        nonlocal in_doubt
        in_doubt = True

    recorded = persist(claim, "a claim waits for the database", doubt)
    if recorded is None and not begun:
        return None
    since = recorded.changes.begun[0].input_seq if recorded else begun[0].input_seq
    return Context(job.run_id, job.spec.id, job.attempts + 1, since)


def _ask(node: reading.Ready, job: Job, inputs: dict[str, Any], problem: Exception | None) -> bool:
    """Put a human node's question; nothing is executed until it is answered."""
    if problem is not None:
        _reject(node, problem)
        return True
    try:
        words = {
            name: placeholders.as_text(
                placeholders.filled(job.spec.settings[name], lambda key, _: inputs[key])
            )
            for name in ("title", "instructions")
        }
        bounded(words, settings.ENGINE_PAYLOAD_BYTES, "what is asked")
    except Exception as error:  # nobody could answer, and no other worker would do better
        _reject(node, error)
        return True
    words["title"] = words["title"] or job.spec.id
    now = clock.now()

    def ask(found: Snapshot) -> list[NewEvent]:
        events = steps.ask(found, job.spec, job.attempts, inputs, words, now)
        return events if events and gates.admit(found, node) else []

    persist(
        lambda: recorder.transact(
            [job.run_id],
            ask,
            now=now,
            nodes=recorder.Part([job.spec.id]),
        ),
        "a question waits for the database",
    )
    return True


@contextmanager
def _attended(by: Attendant, charge: Charge) -> Iterator[None]:
    by.attend(charge)
    try:
        yield
    finally:
        by.leave()


def _execute(work: executors.Work) -> executors.Result:
    if work.spec.kind != "executor":
        return within(work.spec.timeout_seconds, work.context, lambda: executors.run(work))
    # It may do whatever a process can.
    with surroundings.kept(work.context.remark), apart():
        return within(work.spec.timeout_seconds, work.context, lambda: _run_here(work))


def _run_here(work: executors.Work) -> executors.Result:
    """A process that the executor forked off, and that comes back here, goes no further: it would
    take itself for this worker."""
    pid = os.getpid()
    try:
        return executors.run(work)
    finally:
        if os.getpid() != pid:
            os._exit(0)


def _storable(output: Any) -> Any:
    try:
        return without_known(bounded(output, settings.ENGINE_PAYLOAD_BYTES, "the output"))
    except PayloadError as error:
        raise OutputInvalid(str(error)) from error


def _record_result(job: Job, context: Context, result: executors.Result, output: Any) -> None:
    def follow(found: Snapshot, said: Sequence[NewEvent], at: datetime) -> list[NewEvent]:
        return steps.complete(
            found, job.graph, job.spec.id, context.attempt, output,
            before=said, at=at, path=result.path, selected=result.selected,
        )  # fmt: skip

    _conclude(job, context, follow)


def _record_failure(job: Job, context: Context, error: BaseException) -> None:
    _conclude(job, context, _failure(job, context, error))


def _failure(job: Job, context: Context, error: BaseException) -> Follow:
    description = describe(error)

    def follow(found: Snapshot, said: Sequence[NewEvent], at: datetime) -> list[NewEvent]:
        return steps.fail(
            found, job.spec, context.attempt, description, clock.now(),
            before=said, at=at, permanent=isinstance(error, Permanent),
            retry_after=error.retry_after if isinstance(error, TryLater) else None,
        )  # fmt: skip

    return follow


def _conclude(job: Job, context: Context, follow: Follow) -> None:
    """Record the attempt's end, after what it said; if that is refused, record the refusal."""
    said, at = context.drain()
    try:
        _record(job, context, follow, said, at)
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("%s: the end of %s was refused", context.run_id, context.node)
        # First the result alone is left out, then what was said too.
        refusal = ResultRefused(f"the result could not be recorded: {describe(error)['message']}")
        try:
            _record(job, context, _failure(job, context, refusal), said, at)
        except Exception as second:
            if is_passing(second):
                raise
            refusal = ResultRefused(
                f"what the node told, {len(said)} lines and model calls, could not be recorded:"
                f" {describe(second)['message']}"
            )
            _record(job, context, _failure(job, context, refusal), [], at)


def _record(
    job: Job, context: Context, follow: Follow, said: Sequence[NewEvent], at: datetime
) -> None:
    def decide(found: Snapshot) -> list[NewEvent]:
        if context.has_ended(at):
            return []
        return follow(found, context.unstored(said), at)

    frontier = job.graph.frontier

    def look(run: RunRow) -> recorder.Part:
        around = frontier.around(job.spec.id, run.nodes_done + 1)
        return recorder.Part(around, under_way=True)

    # Where few nodes are near, all of these with the run itself: that spares a trip.
    near = frontier.near(job.spec.id, MAX_NEAR)
    nodes = look if near is None else recorder.Part(near, under_way=True)
    persist(
        lambda: recorder.transact([job.run_id], decide, now=clock.now(), nodes=nodes),
        "a result waits for the database",
        context.doubt,
    )


def _give_back(job: Job, context: Context) -> None:
    """This process is being ended: let another one begin the node anew, without waiting."""
    now = clock.now()
    with suppress(Exception):  # else the lease ends by itself
        context.flush()
        recorder.transact(
            [job.run_id],
            lambda found: steps.lose(found, job.spec, context.attempt, name(), now, "was stopped"),
            now=now,
        )
