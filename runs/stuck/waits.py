"""Why nodes that are ready are not begun, where it is more than a busy worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runs.engine import gates, registry
from runs.graph import USUAL_QUEUE
from runs.services.finding import age_words
from runs.stuck import limits
from runs.stuck.finding import Fact, Finding, Rescue, StuckKind
from runs.stuck.rows import Waiting
from runs.stuck.world import Served, World

# A node that waits for less has a worker that is on its way.
SOON = timedelta(seconds=10)
# Offers after which one at least was not taken up.
UNHEEDED = 2


@dataclass(frozen=True, slots=True)
class Wait:
    """A cause, in words that follow “… waits:”, and what is to be done."""

    kind: StuckKind
    words: str
    act: str
    # From when on that is a finding.
    patience: timedelta
    rescue: Rescue = Rescue.NONE
    command: str = ""
    since: datetime | None = None


def why(row: Waiting, world: World) -> Wait | None:
    """None where it is its turn, or a worker is on its way."""
    queue = row.queue or USUAL_QUEUE
    if row.held and row.gate.startswith(gates.WORKFLOW):
        return _held_by_workflow(row)
    if row.held:
        most = world.executor_limits.get(row.executor) or registry.limit_of(row.executor)
        of = f"{most} nodes in flight " if most else ""
        return Wait(
            StuckKind.LIMIT, f"the limit of {of}of the executor {row.executor} is reached",
            "It begins, in its order, as soon as a place is free. See what holds the places, or"
            " raise the limit.", limits.held(),
        )  # fmt: skip
    if row.declined_at is not None:
        return Wait(
            StuckKind.QUEUE, f"no worker so far knows the executor {row.executor}",
            "Install the app that registers it for the workers (EXTRA_APPS), restart them, and"
            " offer the node again.", limits.queue(), Rescue.HINT, since=row.declined_at,
        )  # fmt: skip
    if row.ready_at > world.now or world.served is None:
        return None
    served = world.served.get(queue, Served())
    if not served.workers:
        start = f"celery -A config.celery worker -Q {queue}"
        return Wait(
            StuckKind.QUEUE, f"no worker takes from the queue {queue}",
            f"Start a worker for {queue}, or have one that runs take from it too.",
            limits.queue(), command=start,
        )  # fmt: skip
    # It was offered once at least, and nobody came; or nobody is there who offers it.
    is_unheeded = row.hints >= UNHEEDED or (not row.hints and world.has_beat is False)
    if served.is_idle and is_unheeded and world.now - row.ready_at > limits.queue():
        return Wait(
            StuckKind.QUEUE, f"no worker has taken it, though there are idle ones for {queue}",
            "Its messages got lost, or its workers hang: offer it again, and look at their logs if"
            " it stays.", limits.queue(), Rescue.HINT,
        )  # fmt: skip
    return None


def judge(row: Waiting, world: World) -> Finding | None:
    found = why(row, world)
    if found is None:
        return None
    since = found.since or row.since
    if world.now - since < found.patience:
        return None
    facts = [
        Fact("Node", f"{row.node} · {row.executor or row.kind}"),
        Fact("Ready since", at=row.since),
        Fact("Queue", world.queue_words(row.queue)),
        Fact("Offered", f"{row.hints} time{'s' * (row.hints != 1)}", row.hint_due),
        Fact("Run’s last event", f"number {row.last_seq}"),
    ]
    if row.held:
        facts[3] = Fact("Held by", row.gate.partition(":")[0] + " limit")
    if found.kind == StuckKind.PAUSED:
        facts[3] = Fact("Paused", f"by {row.paused_by}: {row.pause_reason}", row.paused_at)
    if row.attempts:
        facts.append(Fact("Attempts before", str(row.attempts)))
    return Finding(
        row.run_id, row.workflow_id, row.node, found.kind, since,
        f"{row.node} has waited for {age_words(world.now - since)}: {found.words}.",
        found.act, found.rescue, facts, command=found.command,
    )  # fmt: skip


def _held_by_workflow(row: Waiting) -> Wait:
    if row.paused_at is not None:
        by = f" by {row.paused_by}" if row.paused_by else ""
        reason = f": {row.pause_reason.rstrip(' .')}" if row.pause_reason else ""
        return Wait(
            StuckKind.PAUSED, f"the workflow {row.slug} is paused",
            f"It was paused{by}{reason}. Its queued runs start when it is resumed.", limits.held(),
            Rescue.RESUME, since=max(row.paused_at, row.since),
        )  # fmt: skip
    most = row.max_active
    runs = f"{most} active run{'' if most == 1 else 's'}" if most else "active runs"
    return Wait(
        StuckKind.LIMIT, f"the limit of {runs} of {row.slug} is reached",
        "It begins, in its order, as soon as a place is free. See whether the active ones get on,"
        " or raise the limit.", limits.held(),
    )  # fmt: skip
