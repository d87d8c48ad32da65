"""Milliseconds a node: chains of five no-op executors, all events persisted, two processes."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.stage import stage

NODES = 5
RUNS = 150
ROUNDS = 5
GOAL_MS = 12


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


def main() -> None:
    with stage() as folder:
        from runs import lifecycle
        from runs.actors import Actor
        from runs.models import Event, Run, Workflow
        from tests.runs.conftest import executor_node

        keys = [f"n{number}" for number in range(NODES)]
        nodes = [
            executor_node(key, needs=[keys[place - 1]] if place else [])
            for place, key in enumerate(keys)
        ]
        version = Workflow.objects.publish("chain", {"nodes": nodes})
        by = Actor("bench", "user", "bench")

        def until_done() -> None:
            while Run.objects.open().exists():
                time.sleep(0.01)

        def start(count: int) -> None:
            for number in range(count):
                lifecycle.start(version, {"number": number}, trigger="api", by=by)

        worker = ("worker", "-c", "2", "-Q", "runs", "-n", "bench@%h", "--without-gossip")
        pulse = ("worker", "-P", "solo", "-Q", "control", "-n", "control@%h", "--without-gossip")
        beat = ("beat", "--pidfile=")
        rounds = []
        with celery(folder / "control.log", *pulse), celery(folder / "beat.log", *beat):
            for _ in range(ROUNDS):
                # All runs are there before the workers: they are saturated from the start.
                start(RUNS)
                first = Event.objects.order_by("-id").values_list("id", flat=True)[0]
                with celery(folder / "worker.log", *worker, "--without-mingle"):
                    until_done()
                steps = Event.objects.filter(id__gt=first).order_by("id")
                times = steps.values_list("recorded_at", flat=True)
                # From the first claim to the last end: without the worker's own start.
                seconds = (times.last() - times.first()).total_seconds()
                rounds.append(1000 * seconds / (RUNS * NODES))
        figures = {
            "nodes": RUNS * NODES,
            "rounds_ms_per_node": [round(value, 2) for value in rounds],
            "median_ms_per_node": round(statistics.median(rounds), 2),
            "goal_ms_per_node": GOAL_MS,
        }
        print(json.dumps({"engine": figures}), flush=True)


if __name__ == "__main__":
    main()
