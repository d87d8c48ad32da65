"""What ingest and the list of runs lose while a million events are archived beside them.

Rounds of ingest (as bench_ingest: two web processes, four connections, batches of 100) and of the
list's page run quiet, and then while a process archives runs with twenty events each into a
SeaweedFS on the same machine, to the end. Figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench import bench_ingest, failed_runs
from tests.bench.bench_stream import cookie
from tests.bench.pages import Pages, figures
from tests.bench.stage import stage
from tests.runs.streams.servers import Web
from tests.seaweed import Seaweed

RUNS, ROUNDS, SECONDS = 50_000, 5, 4.0
SHAPES = ("hot", "over_100")
GOALS = {"ingest": "at least 0.8 of quiet", "list p95": "under twice its quiet value"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runs-bench-s3-") as place:
        server = Seaweed(Path(place))
        os.environ |= server.new_bucket().environment()
        try:
            with stage() as folder:
                found = _run(folder, options.runs)
        finally:
            server.close()
    print(json.dumps({"purge": {**found, "goals": GOALS}}), flush=True)


def _run(folder: Path, runs: int) -> dict[str, Any]:
    from django.conf import settings

    from runs.models import Workflow

    version = Workflow.objects.publish("bench_purge", failed_runs.DEFINITION)
    failed_runs.make(version, runs)
    token = bench_ingest.make_token()
    webs = []
    for number in range(2):
        at = folder / f"web{number}"
        (at / "logs").mkdir(parents=True)
        webs.append(Web(at, settings.REDIS_URL, application="config.asgi:application"))
    ports = [web.port for web in webs]
    clients = bench_ingest.CONNECTIONS
    context = multiprocessing.get_context("spawn")
    try:
        bench_ingest.prepare(ports[0], token)
        name, _, value = cookie().partition("=")

        def lists() -> list[float]:
            # The server ends a connection that rests for the time of a round.
            pages = Pages(ports[0], (name, value))
            return [pages.get("/admin/runs/run/")[0] for _ in range(40)]

        with ProcessPoolExecutor(
            clients, context, bench_ingest.setup_client, (context.Barrier(clients),)
        ) as pool:
            begin = time.time_ns() // 1_000_000

            def ingest(shape: str) -> float:
                nonlocal begin
                begin += 1
                send = bench_ingest.send_client
                return bench_ingest.rate(pool, send, shape, begin, SECONDS, ports, token)

            ingest("hot")  # warm up
            quiet = _measured(ingest, lists, lambda done: done < ROUNDS)
            return {"runs": runs, **_beside(quiet, ingest, lists)}
    finally:
        for web in webs:
            web.stop()


Round = dict[str, list[float]]
Ingest = Callable[[str], float]
Lists = Callable[[], list[float]]


def _beside(
    quiet: Round, ingest: Callable[[str], float], lists: Callable[[], list[float]]
) -> dict[str, Any]:
    begun = time.monotonic()
    archiver = subprocess.Popen([sys.executable, "-m", "tests.bench.archiver", "bench_purge"])
    try:
        # A round that the archive did not last for tells nothing: it is left out.
        busy = _measured(ingest, lists, lambda _: archiver.poll() is None)
    finally:
        archiver.kill()
        archiver.wait()
    seconds = time.monotonic() - begun
    found: dict[str, Any] = {"archive_and_rounds_seconds": round(seconds), "rounds": {}}
    for name in SHAPES:
        before, beside = statistics.median(quiet[name]), statistics.median(busy[name][:-1])
        found["rounds"][name] = {
            "quiet_events_per_s": round(before),
            "beside_events_per_s": round(beside),
            "ratio": round(beside / before, 3),
        }
    found["list"] = {"quiet": figures(quiet["list"]), "beside": figures(busy["list"])}
    return found


def _measured(
    ingest: Callable[[str], float], lists: Callable[[], list[float]], go_on: Callable[[int], bool]
) -> Round:
    found: Round = {"list": [], **{shape: [] for shape in SHAPES}}
    done = 0
    while go_on(done):
        for shape in SHAPES:
            found[shape].append(ingest(shape))
        found["list"] += lists()
        done += 1
    return found


if __name__ == "__main__":
    main()
