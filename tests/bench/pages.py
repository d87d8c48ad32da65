"""A web process as in production, and a signed-in client that times what it answers."""

from __future__ import annotations

import http.client
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.embedded import portal
from config.embedded.network import free_port
from config.embedded.processes import Child, stop, wait_until

USERNAME = "bench"


class Pages:
    """Requests one after the other on one kept connection, compressed as browsers ask for."""

    def __init__(self, port: int, cookie: tuple[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.cookie = cookie
        # Seconds that each timed request took.
        self.taken: list[float] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[float, bytes]:
        """Seconds until the whole answer was there, and the answer as it came."""
        given = {
            "Cookie": "=".join(self.cookie),
            "Accept-Encoding": "gzip",
            **(headers or {}),
        }
        begun = time.perf_counter()
        self._connection.request("GET", path, headers=given)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - begun
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for {path}: {answer.headers['Location']}")
        return took, body

    def timed(
        self, path: str, rounds: int, headers: Mapping[str, str] | None = None
    ) -> dict[str, float]:
        for _ in range(2):
            self.get(path, headers)
        answers = [self.get(path, headers) for _ in range(rounds)]
        taken = [took for took, _ in answers]
        self.taken += taken
        return {**figures(taken), "kB": round(len(answers[0][1]) / 1000, 1)}


def figures(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile in ms."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"p50": round(1000 * statistics.median(ordered), 1), "p95": round(1000 * p95, 1)}


@contextmanager
def pages(folder: Path) -> Iterator[Pages]:
    """The web process on the stage's database, with an account of its own."""
    from django.conf import settings
    from django.test import Client

    from runs.models import User

    User.objects.filter(username=USERNAME).delete()
    user = User.objects.create_superuser(USERNAME)
    client = Client()
    client.force_login(user)
    try:
        with web_process(folder) as port:
            name = settings.SESSION_COOKIE_NAME
            yield Pages(port, (name, client.cookies[name].value))
    finally:
        user.delete()


@contextmanager
def web_process(folder: Path) -> Iterator[int]:
    """A web process that answers: its port."""
    port = free_port()
    child = Child(portal.web(folder, dict(os.environ), port))
    child.start()
    try:
        if not wait_until(lambda: child.ended() is not None or _answers(port), 30):
            raise RuntimeError("the web process does not answer")
        yield port
    finally:
        stop([child], grace=5)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/admin/login/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def sql_ms(runs: Any, rounds: int) -> float:
    """The median time that PostgreSQL takes to plan and execute a query."""
    from django.core.exceptions import EmptyResultSet
    from django.db import connection

    try:
        sql, params = runs.query.sql_with_params()
    except EmptyResultSet:  # known to be none without asking
        return 0.0
    taken = []
    with connection.cursor() as cursor:
        for _ in range(rounds):
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY, FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0][0]
            taken.append(plan["Planning Time"] + plan["Execution Time"])
    return round(statistics.median(taken), 2)
