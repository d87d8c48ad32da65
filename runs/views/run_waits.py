"""Why queued nodes of a run are not begun, where it is more than a busy worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from runs import heartbeat
from runs.engine import gates
from runs.graph import USUAL_QUEUE
from runs.models import ReadyNode, Run
from runs.states import RunState

# A node that waits for less has a worker that is on its way.
SOON = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Waits:
    # The first of them, in a sentence, and what is to be done.
    title: str = ""
    text: str = ""
    # By node, in a few words.
    by_node: Mapping[str, str] | None = None


def waits_of(run: Run, now: datetime) -> Waits:
    if run.is_final or run.is_elsewhere:
        return Waits()
    ready = list(ReadyNode.objects.filter(run=run.pk).order_by("node").select_related("node"))
    if not ready:
        return Waits()
    if run.state == RunState.CREATED and run.workflow.is_paused:
        by = f"by {run.workflow.paused_by}" if run.workflow.paused_by else ""
        why = f"{by}: {run.workflow.pause_reason}" if run.workflow.pause_reason else f"{by}."
        words = "the workflow is paused"
        return Waits(
            f"It starts when {run.workflow.slug} is resumed.",
            f"The workflow was paused {why}",
            {each.node.key: words for each in ready},
        )
    alive = _queues_with_workers(ready, now)
    found = {each.node.key: said for each in ready if (said := _why(run, each, alive))}
    if not found:
        return Waits()
    key, first = next(iter(found.items()))
    more = f" and {len(found) - 1} more nodes wait" if len(found) > 1 else " waits"
    return Waits(f"{key}{more}: {first}.", _what_to_do(first), found)


def _why(run: Run, ready: ReadyNode, alive: frozenset[str] | None) -> str:
    if ready.held and ready.gate.startswith(gates.WORKFLOW):
        most = run.workflow.max_active
        runs = f"{most} active run{'' if most == 1 else 's'}" if most else "active runs"
        return f"the limit of {runs} of {run.workflow.slug} is reached"
    if ready.held:
        return f"the limit of the executor {ready.node.executor} is reached"
    if ready.declined_at is not None:
        return f"no worker so far knows the executor {ready.node.executor}"
    queue = ready.queue or USUAL_QUEUE
    if alive is not None and queue not in alive:
        return f"no worker takes from the queue {queue}"
    return ""


def _what_to_do(why: str) -> str:
    if why.startswith("no worker takes"):
        queue = why.rpartition(" ")[2]
        return f"Start one: celery -A config.celery worker -Q {queue}"
    if why.startswith("no worker so far"):
        return "Install the app that registers it for the workers, and restart them."
    return "It begins, in its order, as soon as a place is free."


def _queues_with_workers(ready: list[ReadyNode], now: datetime) -> frozenset[str] | None:
    """None where it is not worth a question, or nobody can tell."""
    if all(each.held or now - each.ready_at < SOON for each in ready):
        return None
    try:
        ages = heartbeat.ages()
    except redis.RedisError:
        return None
    return frozenset(
        queue
        for process, age in ages.items()
        if process.kind == "worker" and age <= heartbeat.ALIVE
        for queue in process.queues
    )
