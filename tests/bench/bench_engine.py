"""Milliseconds a node, by the shape of its workflow, and what a long queue costs the broker.

No-op executors, two processes, all that happens persisted. Words after the command choose some of
the measurements: chain, diamond, hundred, parallel, queue.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.stage import stage

GOAL_MS = 8
ROUNDS = 3
QUEUED = 100_000
BATCH = 500

Nodes = list[dict[str, Any]]


def act(key: str, *needs: str) -> dict[str, Any]:
    return {"id": key, "kind": "executor", "executor": "probe.noop", "needs": list(needs)}


def chain(length: int) -> Nodes:
    return [act(f"n{n}", *([f"n{n - 1}"] if n else [])) for n in range(length)]


def fan(width: int) -> Nodes:
    sides = [f"s{n}" for n in range(width)]
    return [act("first"), *(act(side, "first") for side in sides), act("last", *sides)]


# The nodes of a run, and how many runs there are of it, by name.
SHAPES: dict[str, dict[str, tuple[Nodes, int]]] = {
    "chain": {"5 in a row": (chain(5), 150)},
    "diamond": {"1, 3, 1": (fan(3), 150)},
    "hundred": {"100 runs of 100": (fan(98), 100)},
    "parallel": {
        "10 side by side": (fan(10), 10),
        "100 side by side": (fan(100), 2),
        "1,000 side by side": (fan(998), 1),
    },
}


@contextmanager
def celery(log: Path, *arguments: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config.celery", *arguments],
            stdout=file, stderr=file, env=os.environ, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def measured(nodes: Nodes, runs: int, log: Path) -> float:
    """Milliseconds a node, from the first claim to the last end: without the workers' start."""
    from runs import lifecycle
    from runs.models import Event, Run, Workflow

    version = Workflow.objects.publish(f"bench{len(nodes)}", {"nodes": nodes})
    # All runs are there before the workers: these are busy from the start.
    for number in range(runs):
        lifecycle.start(version, {"number": number}, trigger="api", by=actor())
    first = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    worker = ("worker", "-c", "2", "-Q", "runs", "-n", "bench@%h", "--without-gossip")
    with celery(log, *worker, "--without-mingle"):
        while Run.objects.open().exists():
            time.sleep(0.02)
    steps = Event.objects.filter(id__gt=first).order_by("id")
    times = steps.values_list("recorded_at", flat=True)
    seconds = (times.last() - times.first()).total_seconds()
    return 1000 * seconds / (runs * len(nodes))


def of_shapes(name: str, folder: Path) -> dict[str, Any]:
    found = {}
    for shape, (nodes, runs) in SHAPES[name].items():
        rounds = [measured(nodes, runs, folder / "worker.log") for _ in range(ROUNDS)]
        found[shape] = {
            "nodes": runs * len(nodes),
            "rounds_ms_per_node": [round(value, 2) for value in rounds],
            "median_ms_per_node": round(statistics.median(rounds), 2),
        }
    return {**found, "goal_ms_per_node": GOAL_MS}


def of_queue() -> dict[str, Any]:
    """Runs that wait for workers which are not there."""
    import redis
    from django.conf import settings
    from django.db import transaction
    from django.utils import timezone

    from runs import lifecycle, recorder
    from runs.engine import dispatch
    from runs.models import Run, Workflow

    broker = redis.Redis.from_url(settings.REDIS_URL)

    def in_broker() -> dict[str, int]:
        return {
            "bytes": broker.info("memory")["used_memory"],
            "messages": broker.llen(settings.CELERY_TASK_DEFAULT_QUEUE),
        }

    version = Workflow.objects.publish("queue", {"nodes": chain(5)})
    begun = time.monotonic()
    for number in range(BATCH):
        lifecycle.start(version, {"number": number}, trigger="api", by=actor())
    one_by_one = BATCH / (time.monotonic() - begun)
    before = in_broker()
    begun = time.monotonic()
    for first in range(0, QUEUED, BATCH):
        now = timezone.now()
        new = [
            lifecycle._new_run(
                version, {"number": first + n}, trigger="api", by=actor(), ref=("", ""), now=now
            )
            for n in range(BATCH)
        ]
        with transaction.atomic():
            recorder.create(new, now=now)
            dispatch.wake()
    seconds = time.monotonic() - begun
    return {
        "queued": Run.objects.open().count(),
        "runs_per_second_in_batches": round(QUEUED / seconds),
        "runs_per_second_one_by_one": round(one_by_one),
        "broker_before": before,
        "broker_after": in_broker(),
    }


def actor() -> Any:
    from runs.actors import Actor

    return Actor("bench", "user", "bench")


def main(chosen: list[str]) -> None:
    """A line for each measurement, as soon as it is done."""
    pulse = ("worker", "-P", "solo", "-Q", "control", "-n", "control@%h", "--without-gossip")
    with stage() as folder:
        with celery(folder / "control.log", *pulse), celery(folder / "beat.log", *BEAT):
            for name in SHAPES:
                if name in chosen:
                    print(json.dumps({f"engine {name}": of_shapes(name, folder)}), flush=True)
        # Last, and with nobody who would work it off.
        if "queue" in chosen:
            print(json.dumps({"engine queue": of_queue()}), flush=True)


BEAT = ("beat", "--pidfile=")
MEASUREMENTS: list[str] = [*SHAPES, "queue"]

if __name__ == "__main__":
    main(sys.argv[1:] or MEASUREMENTS)
