"""Event committed → read by another process on an open stream.

``python -m tests.bench.bench_stream`` prints one JSON object a round: spread over as many runs
as there are streams, and all on one run. Everything runs on this machine: PostgreSQL, Valkey,
one web process, one writer, one process that reads all streams.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from typing import Any

from tests import servers

servers.start()

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from runs import ids, recorder  # noqa: E402
from runs.models import Event, User, Workflow  # noqa: E402
from runs.rows import NewEvent  # noqa: E402
from runs.states import Kind  # noqa: E402
from tests.runs.streams.servers import Web, database_url  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--per-commit", type=int, default=1)
    parser.add_argument("--rounds", default="spread,one", help="spread, one, or both")
    options = parser.parse_args()
    old = setup_databases(verbosity=0, interactive=False)
    web = Web(servers.temporary_folder(), settings.REDIS_URL, application="config.asgi:application")
    try:
        for name in options.rounds.split(","):
            print(json.dumps(bench(web, name, options)), flush=True)
    finally:
        web.stop()
        teardown_databases(old, verbosity=0)


def bench(web: Web, name: str, options: argparse.Namespace) -> dict[str, Any]:
    runs = make_runs(options.streams if name == "spread" else 1)
    listened = [runs[i % len(runs)] for i in range(options.streams)]
    clients = start(
        "stream_clients",
        {"port": web.port, "cookie": cookie(), "runs": [ids.encode("run", r) for r in listened]},
    )
    assert clients.stdout.readline() == "open\n"
    time.sleep(6)  # calls to look again that follow the start of a web process are over
    before = web.cpu_seconds()
    writer = start(
        "stream_writer",
        {
            "runs": [str(run) for run in runs],
            "rate": options.rate,
            "seconds": options.seconds,
            "per_commit": options.per_commit,
        },
    )
    written = json.loads(writer.communicate()[0])
    used = web.cpu_seconds() - before
    time.sleep(1)
    read = json.loads(clients.communicate()[0])
    return {
        "round": name,
        "streams": options.streams,
        "runs": len(runs),
        "rate": options.rate,
        "seconds": round(written["took"], 1),
        "per_commit": options.per_commit,
        **judge(listened, written["committed"], read),
        "writer_late_ms": round(written["late"] * 1000, 1),
        "web_cpu": round(used / written["took"], 2),
        "web_mb": round(web.resident_bytes() / 1e6, 1),
        "fsync": connection_setting("fsync"),
    }


def judge(listened: list[Any], committed: dict[str, Any], read: list[Any]) -> dict[str, Any]:
    """Latencies, and each client's numbers against the table."""
    latencies: list[float] = []
    lost = doubled = 0
    for run, got in zip(listened, read, strict=True):
        times = {int(seq): at for seq, at in committed.get(str(run), {}).items()}
        stored = set(
            Event.objects.filter(run=run, seq__in=list(times)).values_list("seq", flat=True)
        )
        assert stored == set(times)
        seen: set[int] = set()
        for at, first, last in got["heaps"]:
            for seq in range(first, last + 1):
                doubled += seq in seen
                seen.add(seq)
                if seq in times:
                    latencies.append(at - times[seq])
        lost += len(stored - seen) + len(got["jumps"])
    latencies.sort()

    def at(share: float) -> float:
        return round(latencies[math.ceil(share * len(latencies)) - 1] * 1000, 1)

    figures = {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1)}
    return {"deliveries": len(latencies), **figures, "lost": lost, "doubled": doubled}


def make_runs(count: int) -> list[Any]:
    version = Workflow.objects.publish(
        "bench", {"nodes": [{"id": "first", "kind": "executor", "executor": "probe.noop"}]}
    )
    new = [
        recorder.NewRun(
            id=ids.new_id(),
            workflow_id=version.workflow_id,
            version_id=version.pk,
            trigger="manual",
            triggered_by="bench",
            ref_type="user",
            ref_id="bench",
            events=[NewEvent(Kind.RUN_CREATED, actor="bench", data={"input": {}})],
            nodes=[("first", "executor", "probe.noop")],
        )
        for _ in range(count)
    ]
    recorder.create(new, now=timezone.now())
    return [run.id for run in new]


def cookie() -> str:
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def start(module: str, given: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", json.dumps(given)],
        env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def connection_setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return cursor.fetchone()[0]


if __name__ == "__main__":
    main()
