"""The list over the API with a token, alone and with several connections: ms from call to answer.

A store is loaded for it (``--runs``), or a portal's DATA_DIR is given that was loaded before:
``--store`` or STORE. One web process, as the one-command start has it, and for several connections
also two side by side; the callers are threads of this process on the same machine. Answers are not
compressed: a caller that is a program seldom asks for it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.bench.pages import Pages, figures, pages, sql_ms, web_process
from tests.bench.stage import stage

# Of the call that the portal is measured by.
GOALS = {"alone p50": 8, "8 connections p95": 60}
WORKFLOW = "document_intake"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=os.environ.get("STORE"))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    # What is measured is the answer, not the limit.
    os.environ |= {"API_TOKEN_RATE": "10000000", "API_USER_RATE": "10000000"}
    with stage(Path(options.store) if options.store else None) as folder:
        from django.core.management import call_command

        if not options.store:
            call_command("load_runs", "--runs", str(options.runs), stdout=sys.stderr)
        with pages(folder) as web, web_process(folder) as other:
            found = Bench(web, other, options.rounds, options.connections).run()
        print(json.dumps({"api": found}), flush=True)


class Bench:
    def __init__(self, web: Pages, other: int, rounds: int, connections: int) -> None:
        self.ports = [int(web.url.rpartition(":")[2]), other]
        self.rounds, self.connections = rounds, connections

    def run(self) -> dict[str, Any]:
        from runs.models import Run

        self.secret = _token()
        newest = Run.objects.newest_first()[0].created_at
        since = (newest - timedelta(days=30)).isoformat()
        calls = {
            "failed of a workflow in 30 days": {
                "state": "failed", "workflow": WORKFLOW, "created_after": since,
            },
            "failed": {"state": "failed"},
            "all": {},
        }  # fmt: skip
        found: dict[str, Any] = {"goals_ms": GOALS, "rounds": self.rounds}
        for name, query in calls.items():
            path = f"/api/runs/?{urlencode(query)}"
            found[name] = {
                "sql": _sql(query),
                "alone": self._alone(path),
                f"{self.connections} connections": self._together(path, self.ports[:1]),
                f"{self.connections} connections, 2 processes": self._together(path, self.ports),
            }
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
        return found

    def _alone(self, path: str) -> dict[str, float]:
        taken = self._asked(path, self.rounds, self.ports[0])
        return {**figures(taken), "kB": round(self.size / 1000, 1)}

    def _together(self, path: str, ports: list[int]) -> dict[str, float]:
        """Each connection asks again as soon as it was answered."""
        taken: list[float] = []

        def ask(port: int) -> None:
            taken.extend(self._asked(path, self.rounds, port))

        threads = [
            threading.Thread(target=ask, args=[ports[number % len(ports)]])
            for number in range(self.connections)
        ]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = len(taken) / (time.perf_counter() - begun)
        return {**figures(taken), "calls/s": round(rate, 1)}

    def _asked(self, path: str, rounds: int, port: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {self.secret}", "Accept": "application/json"}
        taken = []
        for round_ in range(rounds + 5):
            begun = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {body[:500]!r}")
            if round_ >= 5:  # warm
                taken.append(time.perf_counter() - begun)
        self.size = len(body)
        connection.close()
        return taken


def _token() -> str:
    from django.utils import timezone

    from runs import tokens
    from runs.models import User

    # Of the account that the stage's web process was started for; it goes with it.
    user = User.objects.get(username="bench")
    _, secret = tokens.make(
        user, name="bench", scopes=["view"], days=1, by=user.as_actor(), now=timezone.now()
    )
    return secret


def _sql(query: dict[str, str]) -> float:
    """What PostgreSQL takes for the page's one query."""
    from django.http import QueryDict
    from django.utils import timezone

    from runs.api.acts import listed_runs
    from runs.api.run_query import wanted_runs

    wanted = wanted_runs(QueryDict(urlencode(query)))
    runs = wanted.apply(listed_runs(), timezone.now()).newest_first()
    return sql_ms(runs[:51], 5)


if __name__ == "__main__":
    main()
