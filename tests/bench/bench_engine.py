"""Milliseconds a node, by the shape of its workflow, and what a long queue costs the broker.

No-op executors, two processes, all that happens persisted. Beside the milliseconds that pass stand
those that processors worked for it, by program: on two that have nothing else to do it takes half
of that. Words after the command choose some of the measurements: chain, diamond, hundred, parallel,
queue.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from config.embedded.processes import die_with_parent
from tests.bench import cpu
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


class Shape(NamedTuple):
    nodes: Nodes
    runs: int
    rounds: int = ROUNDS


SHAPES: dict[str, dict[str, Shape]] = {
    "chain": {"5 in a row": Shape(chain(5), 150)},
    "diamond": {"1, 3, 1": Shape(fan(3), 150)},
    # Ten thousand nodes: a minute and more.
    "hundred": {"100 runs of 100": Shape(fan(98), 100, rounds=1)},
    # As many nodes each time, so that what a larger run costs more is seen.
    "parallel": {
        "10 side by side": Shape(fan(10), 80),
        "100 side by side": Shape(fan(100), 10),
        "1,000 side by side": Shape(fan(998), 1),
    },
}


class Cost(NamedTuple):
    """Milliseconds a node: by the clock, and of processors."""

    wall: float
    cpu: Counter[str]


@contextmanager
def celery(log: Path, *arguments: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config.celery", *arguments],
            stdout=file, stderr=file, env=os.environ, start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 (no threads)
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def measured(shape: Shape, log: Path) -> Cost:
    """From the first claim to the last end: without the workers' start."""
    from runs import lifecycle
    from runs.models import Attempt, Event, Run, Workflow

    version = Workflow.objects.publish(f"bench{len(shape.nodes)}", {"nodes": shape.nodes})
    # All runs are there before the workers: these are busy from the start.
    for number in range(shape.runs):
        lifecycle.start(version, {"number": number}, trigger="api", by=actor())
    first = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    attempt = Attempt.objects.order_by("-id").values_list("id", flat=True).first() or 0
    worker = ("worker", "-c", "2", "-Q", "runs", "-n", "bench@%h", "--without-gossip")
    with celery(log, *worker, "--without-mingle"):
        while not Attempt.objects.filter(id__gt=attempt).exists():
            time.sleep(0.01)
        before = cpu.used()
        while Run.objects.open().exists():
            time.sleep(0.1)
        used = cpu.used()
    steps = Event.objects.filter(id__gt=first).order_by("id")
    times = steps.values_list("recorded_at", flat=True)
    seconds = (times.last() - times.first()).total_seconds()
    count = shape.runs * len(shape.nodes)
    each = {name: 1000 * (used[name] - before[name]) / count for name in used}
    return Cost(1000 * seconds / count, Counter(each))


def of_shapes(name: str, folder: Path) -> dict[str, Any]:
    found = {}
    for title, shape in SHAPES[name].items():
        rounds = [measured(shape, folder / "worker.log") for _ in range(shape.rounds)]
        of_programs = {
            program: round(statistics.median(each.cpu[program] for each in rounds), 2)
            for program in sorted(rounds[0].cpu)
        }
        found[title] = {
            "nodes": shape.runs * len(shape.nodes),
            "rounds_ms_per_node": [round(each.wall, 2) for each in rounds],
            "median_ms_per_node": round(statistics.median(each.wall for each in rounds), 2),
            "median_cpu_ms_per_node": round(
                statistics.median(each.cpu.total() for each in rounds), 2
            ),
            "cpu_ms_per_node_by_program": of_programs,
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
    # Ended from outside, it ends what it started, as it does after an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
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
