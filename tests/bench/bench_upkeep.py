"""What ingest loses while the rollups of the analysis are kept up to date beside it.

Rounds of ingest (as bench_ingest: two web processes, four connections, batches of 100) alternate:
with nothing beside them, and with a process that counts as the portal's beat has it done. What a
round without left to be counted is counted before the next one. Figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.bench import bench_ingest
from tests.bench.stage import stage
from tests.runs.streams.servers import Web

GOAL = "at least 0.9 of ingest without"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", default=",".join(bench_ingest.SHAPES))
    options = parser.parse_args()
    with stage() as folder:
        print(json.dumps({"upkeep": {**_run(folder, options), "goal": GOAL}}), flush=True)


def _run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    from django.conf import settings

    token = bench_ingest.make_token()
    webs = []
    for number in range(2):
        place = folder / f"web{number}"
        (place / "logs").mkdir(parents=True)
        webs.append(Web(place, settings.REDIS_URL, application="config.asgi:application"))
    ports = [web.port for web in webs]
    context = multiprocessing.get_context("spawn")
    wanted, ended = context.Event(), context.Event()
    keeper = context.Process(target=keep_up, args=(wanted, ended), daemon=True)
    keeper.start()
    clients = bench_ingest.CONNECTIONS
    try:
        bench_ingest.prepare(ports[0], token)
        with ProcessPoolExecutor(
            clients, context, bench_ingest.setup_client, (context.Barrier(clients),)
        ) as pool:
            begin = time.time_ns() // 1_000_000

            def ingest(shape: str) -> float:
                nonlocal begin
                begin += 1
                send, seconds = bench_ingest.send_client, options.seconds
                return bench_ingest.rate(pool, send, shape, begin, seconds, ports, token)

            ingest("hot")  # warm up
            return {
                shape: _compared(lambda shape=shape: ingest(shape), wanted, options.rounds)  # type: ignore[misc]
                for shape in options.shapes.split(",")
            }
    finally:
        ended.set()
        keeper.join(30)
        for web in webs:
            web.stop()


def _compared(ingest: Callable[[], float], wanted: Event, rounds: int) -> dict[str, Any]:
    pairs = []
    for _ in range(rounds):
        without = ingest()
        _catch_up()
        wanted.set()
        beside = ingest()
        wanted.clear()
        pairs.append((without, beside))
    return {
        "without_events_per_s": round(statistics.median(without for without, _ in pairs)),
        "beside_events_per_s": round(statistics.median(beside for _, beside in pairs)),
        "ratio": round(statistics.median(beside / without for without, beside in pairs), 3),
    }


def _catch_up() -> None:
    from datetime import timedelta

    from django.utils import timezone

    from analytics import upkeep

    while upkeep.hear(timezone.now()):
        pass
    while upkeep.count_next(timezone.now(), by=timezone.now() + timedelta(days=1)):
        pass


def keep_up(wanted: Event, ended: Event) -> None:
    """What beat and a worker do: a tick every five seconds, while it is wanted."""
    import django

    django.setup()
    from django.conf import settings
    from django.utils import timezone

    from analytics import upkeep

    every = settings.CELERY_BEAT_SCHEDULE["analysis"]["schedule"]
    while not ended.wait(every):
        if wanted.is_set():
            upkeep.tick(timezone.now())


if __name__ == "__main__":
    main()
