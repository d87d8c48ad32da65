"""Runs a second that one process archives and restores, and how much of a processor each takes.

The objects lie in a bucket of a SeaweedFS of its own on the same machine, or in a folder
(``--folder``). Every log is read back before its events go, and compared when it comes back.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from tests.bench import failed_runs
from tests.bench.stage import stage
from tests.seaweed import Seaweed

GOALS = {"archive": "300 runs/s", "restore": "300 runs/s"}
RUNS, TOGETHER, ROUNDS = 2_000, 100, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--folder", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runs-bench-s3-") as place:
        server = None if options.folder else Seaweed(Path(place))
        if server:
            os.environ |= server.new_bucket().environment()
        try:
            with stage():
                found = _run(options)
        finally:
            if server:
                server.close()
    told = {"where": "folder" if options.folder else "SeaweedFS", **found, "goals": GOALS}
    print(json.dumps({"archive": told}), flush=True)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    from django.db import transaction
    from django.utils import timezone

    from runs import archiving, restoring
    from runs.models import Event, Workflow

    version = Workflow.objects.publish("bench_archive", failed_runs.DEFINITION)
    run_ids = failed_runs.make(version, options.runs)

    def archive(some: list[UUID]) -> None:
        result = archiving.archive(some, threads=options.threads)
        assert len(result.archived) == len(some), result

    def restore(some: list[UUID]) -> None:
        now = timezone.now()
        fetched = restoring.fetch(some, threads=options.threads)
        with transaction.atomic():
            outcome = restoring.finish(fetched, some, until=now + timedelta(days=1), now=now)
        assert len(outcome.done) == len(some), outcome

    figures: dict[str, list[tuple[float, float]]] = {"archive": [], "restore": [], "again": []}
    for _ in range(options.rounds):
        # The second time the objects are there already, and are only read.
        figures["archive" if not figures["archive"] else "again"].append(_timed(archive, run_ids))
        assert not Event.objects.exists()
        figures["restore"].append(_timed(restore, run_ids))
        assert Event.objects.count() == 20 * len(run_ids)
    return {
        name: {
            "runs_per_second": round(median(runs for runs, _ in each)),
            "cpu_ms_a_run": round(median(cpu for _, cpu in each), 2),
        }
        for name, each in figures.items()
    }


def _timed(act: Callable[[list[UUID]], None], run_ids: list[UUID]) -> tuple[float, float]:
    """Runs a second, and milliseconds of this process's own work a run."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    for first in range(0, len(run_ids), TOGETHER):
        act(run_ids[first : first + TOGETHER])
    seconds = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - own.ru_utime + after.ru_stime - own.ru_stime
    return len(run_ids) / seconds, cpu / len(run_ids) * 1000


if __name__ == "__main__":
    main()
