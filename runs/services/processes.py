"""The portal's own processes, by their signs of life, and the queues that they take from."""

from __future__ import annotations

import time
from collections.abc import Iterable

from runs import heartbeat
from runs.graph import USUAL_QUEUE
from runs.services.broker import queues
from runs.services.finding import Finding, Kind, Status, span_words

# Seconds after which a silent worker is gone for good, where others take from its queues.
GONE = 900
# Seconds that the first node of a queue waits, and messages in it, from which it is degraded.
WAITS_TOO_LONG = 120.0
DEEP = 10_000


def findings(
    signs: Iterable[heartbeat.Sign],
    depths: dict[str, int],
    ready: dict[str, tuple[int, float]] | None,
) -> list[Finding]:
    """`ready` is None where the database did not answer."""
    signs = list(signs)
    alive = [sign for sign in signs if sign.age <= heartbeat.ALIVE]
    workers = [sign for sign in signs if sign.process.kind == "worker"]
    served = {queue for sign in alive for queue in sign.process.queues}
    return [
        *(_worker(sign) for sign in workers if not _is_gone(sign, served)),
        _beat([sign for sign in signs if sign.process.kind == "beat"]),
        _streams([sign for sign in alive if sign.process.kind == "streams"]),
        *_queues(served, depths, ready),
    ]


def _is_gone(sign: heartbeat.Sign, served: set[str]) -> bool:
    return sign.age > GONE and served.issuperset(sign.process.queues)


def _worker(sign: heartbeat.Sign) -> Finding:
    name, told = sign.process.name, sign.told
    taken = ", ".join(sign.process.queues)
    found = Finding(f"worker:{name}", Kind.WORKER, name, Status.UP)
    found.facts = [("Queues", taken), ("Last sign of life", f"{span_words(sign.age)} ago")]
    if sign.age > heartbeat.ALIVE:
        found.status = Status.DOWN
        found.words = f"Silent for {span_words(sign.age)}"
        found.act = (
            f"Look whether it still runs and at its log, and start it again. Until then another"
            f" worker has to take from {taken}; what it was at is given to others."
        )
        return found
    tasks = told.get("tasks", [])
    found.tasks = [{**task, "task": str(task["task"])} for task in tasks]
    processes = told.get("processes", 1)
    at = f"runs {len(tasks)} task{'s' * (len(tasks) != 1)}" if tasks else "idle"
    found.words = f"Takes from {taken}; {at}"
    found.facts.append(("Processes", str(processes)))
    if since := told.get("since"):
        found.facts.append(("Started", f"{span_words(max(0.0, time.time() - since))} ago"))
    return found


def _beat(signs: list[heartbeat.Sign]) -> Finding:
    found = Finding("beat", Kind.BEAT, "Beat", Status.UP)
    alive = [sign for sign in signs if sign.age <= heartbeat.ALIVE]
    if not alive:
        last = min((sign.age for sign in signs), default=None)
        found.status = Status.DOWN
        found.words = "Missing" if last is None else f"Silent for {span_words(last)}"
        found.act = (
            "Start celery -A config.celery beat. Without it nothing is scheduled, rescued or"
            " archived; nodes that are ready go on for a while."
        )
        return found
    found.words = f"Ticked {span_words(min(sign.age for sign in alive))} ago"
    found.facts = [(sign.process.name, f"{span_words(sign.age)} ago") for sign in alive]
    if len(alive) > 1:
        found.words += f"; {len(alive)} of them, of which one is enough"
    return found


def _streams(signs: list[heartbeat.Sign]) -> Finding:
    found = Finding("streams", Kind.STREAMS, "Live streams", Status.UP)
    clients = sum(int(sign.told.get("clients", 0)) for sign in signs)
    unsure = [sign for sign in signs if sign.told.get("sure") is False]
    found.words = f"{clients} open" if signs else "None is open"
    found.facts = [
        (sign.process.name, f"{sign.told.get('clients', 0)} open, told {span_words(sign.age)} ago")
        for sign in signs
    ]
    if unsure:
        found.status = Status.DEGRADED
        found.words = f"{clients} open; changes come some seconds late"
        found.act = "A process hears no bells from the broker and looks at the log instead."
    return found


def _queues(
    served: set[str], depths: dict[str, int], ready: dict[str, tuple[int, float]] | None
) -> list[Finding]:
    # Nodes name the usual queue by "".
    waiting = {queue or USUAL_QUEUE: told for queue, told in (ready or {}).items()}
    found = []
    for queue in sorted({*queues(), *depths, *waiting}):
        messages = depths.get(queue, 0)
        nodes, waited = waiting.get(queue, (0, 0.0))
        found.append(_queue(queue, queue in served, messages, nodes, waited))
    return found


def _queue(name: str, is_served: bool, messages: int, nodes: int, waited: float) -> Finding:
    found = Finding(f"queue:{name}", Kind.QUEUE, name, Status.UP)
    parts = [f"{messages:,} message{'s' * (messages != 1)}"]
    if nodes:
        parts.append(f"{nodes:,} node{'s' * (nodes != 1)} ready")
    found.words = ", ".join(parts) if messages or nodes else "Empty"
    found.facts = [("Messages in the broker", f"{messages:,}"), ("Nodes ready", f"{nodes:,}")]
    if nodes:
        found.facts.append(("First of them has waited", span_words(waited)))
    if not is_served:
        found.status = Status.DOWN
        found.words = f"No worker takes from it; {found.words[0].lower()}{found.words[1:]}"
        found.act = f"Start a worker with --queues {name}."
    elif nodes and waited > WAITS_TOO_LONG:
        found.status = Status.DEGRADED
        found.words += f"; the first for {span_words(waited)}"
        found.act = "Its workers are busy: start more of them, or give long nodes another queue."
    elif messages > DEEP:
        found.status = Status.DEGRADED
        found.act = "Messages come faster than workers take them: start more of them."
    return found
