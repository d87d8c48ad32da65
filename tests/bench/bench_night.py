"""A store with runs of mixed ages goes through a night on SeaweedFS, then a check and a sweep.

By default 200,000 made-up runs of the last year, all with events. A real worker does the work; the
night is begun by the schedule. Then some archived runs are restored, and compared with what their
rows were. With ``--portal`` a whole portal is left running on the store afterwards, to look at.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from config.embedded import portal
from config.embedded.network import free_port
from config.embedded.processes import Child, stop
from tests.bench.stage import stage
from tests.seaweed import Seaweed

RUNS, RESTORED, CHECKED = 200_000, 2_000, 20_000
GOALS = {"archive": "300 runs/s", "restore": "300 runs/s"}
_LIVE = """
SELECT logs, count(*) FROM jobs GROUP BY 1 ORDER BY 1
"""
_EVENTS = "SELECT count(*), pg_total_relation_size('event_tracking') FROM event_tracking"
_ROWS = """
SELECT md5(string_agg(event_tracking::text, '' ORDER BY run_id, seq)) FROM event_tracking
WHERE run_id = ANY(%s)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--portal", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runs-bench-s3-") as place:
        server = Seaweed(Path(place))
        os.environ |= server.new_bucket().environment()
        try:
            with stage(options.store) as folder:
                found = _night(folder, options.runs)
                print(json.dumps({"night": {**found, "goals": GOALS}}), flush=True)
                if options.portal:
                    _stay(folder)
        finally:
            server.close()


def _night(folder: Path, runs: int) -> dict[str, Any]:
    from django.core.management import call_command

    from retention.models import Policy
    from runs.models import Archive, Event, Run

    call_command("load_runs", runs=runs, events_for=runs, verbosity=0)
    some = list(
        Run.objects.filter(state="completed", completed_at__isnull=False)
        .order_by("completed_at", "id")
        .values_list("id", flat=True)[: min(RESTORED, runs // 20)]
    )
    before = _digest(some)
    found: dict[str, Any] = {"before": _figures()}
    # The hour that has just begun, of a policy as it is installed.
    Policy.objects.update_or_create(pk=1, defaults={"hour": time.gmtime().tm_hour})
    Policy.objects.update(nights_from=None, changed_at=None)
    with _workers(folder):
        for kind in ("archive", "check", "sweep"):
            found[kind] = _executed(kind)
        assert not Event.objects.filter(run__in=some).exists()
        found["restore"] = _restored(some)
    assert _digest(some) == before, "what was restored is not what it was"
    found["after"] = _figures()
    found["objects"] = Archive.objects.count()
    return found


def _executed(kind: str) -> dict[str, Any]:
    """The night is begun by the schedule; the others as by hand."""
    from django.utils import timezone

    from retention import executions, tasks
    from retention.models import Execution

    if kind == "archive":
        deadline = time.monotonic() + 30
        while not Execution.objects.filter(kind=kind).exists():
            assert time.monotonic() < deadline, "no night has begun"
            time.sleep(0.2)
        row = Execution.objects.get(kind=kind)
    else:
        asked = {"most": CHECKED} if kind == "check" else {}
        row = executions.begin(
            kind, by=executions.SCHEDULE, now=timezone.now(), reason="bench", options=asked
        )
        tasks.begin(row)
    while row.is_running:
        time.sleep(0.2)
        row.refresh_from_db()
    assert row.ended_at is not None
    seconds = (row.ended_at - row.created_at).total_seconds()
    names = ("state", "seen", "archived", "verified", "errors", "events", "unpacked_bytes", "bytes")
    figures = {name: getattr(row, name) for name in names if getattr(row, name)}
    return {**figures, "seconds": round(seconds, 1), "a_second": round(row.seen / seconds)}


def _restored(run_ids: list[UUID]) -> dict[str, Any]:
    """By the operation that an operator begins."""
    from django.db import transaction
    from django.utils import timezone

    from runs.actors import Actor
    from runs.bulk import operations, tasks

    by = Actor(name="bench", ref_type="user", ref_id="user_bench")
    begun = time.monotonic()
    with transaction.atomic():
        operation = operations.make(
            "restore", by=by, now=timezone.now(), chosen=run_ids, reason="bench"
        )
        tasks.begin(operation)
    while operation.is_open:
        time.sleep(0.02)
        operation.refresh_from_db(fields=["state", "done"])
    seconds = time.monotonic() - begun
    return {
        "runs": operation.done,
        "seconds": round(seconds, 1),
        "a_second": round(operation.done / seconds),
    }


def _digest(run_ids: list[UUID]) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [run_ids])
        return str(cursor.fetchone()[0])


def _figures() -> dict[str, Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_LIVE)
        logs = dict(cursor.fetchall())
        cursor.execute(
            "SELECT count(*), pg_total_relation_size('event_tracking') FROM event_tracking"
        )
        events, size = cursor.fetchone()
    return {"logs": logs, "events": events, "events_table_mb": round(size / 1e6)}


@contextmanager
def _workers(folder: Path) -> Iterator[None]:
    """What of a portal carries nights out."""
    (folder / "logs").mkdir(exist_ok=True)
    env = dict(os.environ)
    children = [
        Child(command)
        for command in (portal.bulk(folder, env), portal.control(folder, env),
                        portal.beat(folder, env))
    ]  # fmt: skip
    for child in children:
        child.start()
    try:
        yield
    finally:
        stop(children, grace=5)


def _stay(folder: Path) -> None:
    from runs.models import User

    User.objects.filter(username="admin").delete()
    User.objects.create_superuser("admin", password="operator-1")
    port = free_port()
    with _workers(folder):
        web = Child(portal.web(folder, dict(os.environ), port))
        web.start()
        print(f"http://127.0.0.1:{port}/ admin operator-1, until Enter or the end", flush=True)
        try:
            time.sleep(600)
        finally:
            stop([web], grace=5)


if __name__ == "__main__":
    main()
