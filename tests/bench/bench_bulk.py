"""Runs a second of bulk operations, beside plain SQL that does the same to as many runs.

A store is made for it (``--runs``), or a portal's DATA_DIR is given that was loaded before:
``--store`` or STORE. Runs of its own are made for it beside those, queued or failed, with events;
a real worker works each operation off, and constraints and triggers are on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import failed_runs
from tests.bench.stage import stage

GOALS = {"retry": "1,500 runs/s", "terminate": "2,000 runs/s", "delete": "10,000 in 4 s"}
RUNS = 10_000
# What the portal's acts write at least, as plain statements to as many runs.
PLAIN = {
    "retry": """
        INSERT INTO bench_jobs SELECT gen_random_uuid(), id, now(), 'created' FROM jobs
        WHERE workflow_id = %(workflow)s AND state = 'failed';
        INSERT INTO bench_events SELECT id, 1, now(), '{"input": {"n": 1}}' FROM bench_jobs;
        INSERT INTO bench_events SELECT id, 2, now(), '{}' FROM bench_jobs;
    """,
    "terminate": """
        UPDATE bench_jobs SET state = 'terminated';
        INSERT INTO bench_events SELECT id, 3, now(), '{}' FROM bench_jobs;
        INSERT INTO bench_events SELECT id, 4, now(), '{}' FROM bench_jobs;
    """,
    "delete": """
        DELETE FROM bench_events;
        DELETE FROM bench_jobs;
    """,
}
_TABLES = """
DROP TABLE IF EXISTS bench_events, bench_jobs;
CREATE TABLE bench_jobs (id uuid PRIMARY KEY, retry_of uuid, created_at timestamptz, state text);
CREATE INDEX ON bench_jobs (created_at, id);
CREATE TABLE bench_events (run_id uuid REFERENCES bench_jobs, seq int, at timestamptz, data jsonb,
    PRIMARY KEY (run_id, seq));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    with stage(Path(options.store) if options.store else None) as folder, worker(folder):
        found = Bench(options.runs).run()
        print(json.dumps({"bulk": {**found, "goals": GOALS}}), flush=True)


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "-P", "solo"]
    command += ["-Q", "bulk", "-n", "bench@%h", "--without-gossip", "--without-mingle"]
    with (folder / "bench-worker.log").open("wb") as log:
        process = subprocess.Popen([*command, "-l", "warning"], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


class Bench:
    def __init__(self, runs: int) -> None:
        self._runs = runs

    def run(self) -> dict[str, Any]:
        from django.db import connection

        from runs.filters import RunFilter
        from runs.models import Workflow

        slug = f"bench_bulk_{int(time.time())}"
        self._version = Workflow.objects.publish(slug, failed_runs.DEFINITION)
        with connection.cursor() as cursor:
            cursor.execute(_TABLES)
        of = RunFilter(workflow=slug)
        failed_runs.make(self._version, self._runs)
        found = {
            "retry": self._operate("retry", of.with_(state="failed")),
            "terminate": self._operate("terminate", of.with_(state="queued")),
        }
        # Ten thousand with twenty events each: the failed ones.
        found["delete"] = self._operate("delete", of.with_(state="failed"))
        found["delete terminated"] = self._operate("delete", of)
        return found

    def _operate(self, kind: str, wanted: Any) -> dict[str, Any]:
        from django.db import transaction
        from django.utils import timezone

        from runs.actors import Actor
        from runs.bulk import operations, tasks

        by = Actor(name="bench", ref_type="user", ref_id="user_bench")
        begun = time.monotonic()
        with transaction.atomic():
            operation = operations.make(
                kind, by=by, now=timezone.now(), wanted=wanted, reason="bench"
            )
            tasks.begin(operation)
        while operation.is_open:
            time.sleep(0.02)
            operation.refresh_from_db(fields=["state", "visited", "done"])
        seconds = time.monotonic() - begun
        found: dict[str, Any] = {
            "runs": operation.done,
            "seconds": round(seconds, 2),
            "runs_per_second": round(operation.done / seconds),
        }
        if kind in PLAIN:
            plain = self._plain(kind)
            found |= {"plain_sql_seconds": round(plain, 2), "ratio": round(plain / seconds, 3)}
        return found

    def _plain(self, kind: str) -> float:
        from django.db import connection

        begun = time.monotonic()
        with connection.cursor() as cursor:
            for statement in PLAIN[kind].split(";"):
                if statement.strip():
                    given = {"workflow": self._version.workflow_id}
                    cursor.execute(statement, given if "%(" in statement else None)
        return time.monotonic() - begun


if __name__ == "__main__":
    main()
