"""Event committed → read by another process on an open stream.

One line of JSON a round. The events are spread over as many runs as there are streams ("spread"),
or all on one run ("one"), or on some runs that many watch, so that each stream gets `--per-stream`
events a second ("watched": with `--streams 1000`, 10,000 deliveries a second).

Everything runs on this machine: PostgreSQL, Valkey, one web process, one writer, one process that
reads all streams. Latencies are in ms and begin at the commit, before its bell.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.stage import stage
from tests.bench.stream_scene import cookie, make_runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--per-commit", type=int, default=5, help="events a commit")
    parser.add_argument("--rounds", default="spread,one,watched")
    parser.add_argument("--runs", type=int, default=20, help="that are watched")
    parser.add_argument("--per-stream", type=float, default=10, help="events a second, watched")
    options = parser.parse_args()
    # One account has them all.
    os.environ["STREAMS_PER_ACCOUNT"] = str(options.streams + 10)
    with stage() as folder:
        # A round's web process is its own: what one leaves behind would flatter the next.
        for name in options.rounds.split(","):
            print(json.dumps(bench(folder, name, options)), flush=True)


def bench(folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    from django.conf import settings

    from runs import ids
    from tests.runs.streams.servers import Web

    count = {"spread": options.streams, "one": 1, "watched": options.runs}[name]
    runs = make_runs(count)
    listened = [runs[i % len(runs)] for i in range(options.streams)]
    load = os.getloadavg()[0]
    web = Web(folder, settings.REDIS_URL, application="config.asgi:application")
    try:
        public = [ids.encode("run", run) for run in listened]
        shown = cookie()
        with web.open(f"/api/sse-logs/{public[0]}", headers={"Cookie": shown}) as first:
            assert first.status == 200
        memory = {"web_mb_without": megabytes(web)}
        begun = time.monotonic()
        clients = start("clients", {"port": web.port, "cookie": shown, "runs": public})
        assert clients.stdout.readline() == "open\n"
        opening = time.monotonic() - begun
        memory["web_mb_open"] = megabytes(web)
        time.sleep(6)  # the looks at the log that follow a web process's start are over
        before = web.cpu_seconds()
        pace = {k: getattr(options, k) for k in ("rate", "seconds", "per_commit")}
        if name == "watched":
            pace["rate"] = options.per_stream * options.runs
        writer = start("writer", {"runs": [str(run) for run in runs], **pace})
        written = json.loads(writer.communicate()[0])
        used = web.cpu_seconds() - before
        time.sleep(1)
        read = json.loads(clients.communicate()[0])
        return {
            "bench": "stream",
            "round": name,
            "streams": options.streams,
            "runs": len(runs),
            **pace,
            "events_per_s": round(sum(map(len, written["committed"].values())) / written["took"]),
            **judge(listened, written["committed"], read),
            "opening_s": round(opening, 1),
            "web_cpu": round(used / written["took"], 2),
            **memory,
            "web_mb_after": megabytes(web),
            "writer_late_s": round(written["late"], 2),
            "load_before": round(load, 1),
        }
    finally:
        web.end()


def megabytes(web: Any) -> int:
    return round(web.resident_bytes() / 1e6)


def judge(listened: list[Any], committed: dict[str, Any], read: list[Any]) -> dict[str, Any]:
    """Latencies, and each client's numbers against the table."""
    from runs.models import Event

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


def start(module: str, given: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.stream_{module}", json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
