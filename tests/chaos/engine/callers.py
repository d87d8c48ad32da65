"""Who uses the portal meanwhile, by its API: starts runs, answers what waits, ends some.

An answer that is lost is asked for again, until there is one: each act must be done once.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from tests.chaos.engine import shapes
from tests.chaos.processes import Counter as Shared

# What can be met while something is away.
PASSING = (429, 500, 502, 503, 504)
TERMINATED_SHARE = 0.04


class Refused(Exception):  # noqa: N818
    """The portal gave an answer that no mishap explains."""


class Api:
    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self.counts: Counter[str] = Counter()

    def ask(
        self, method: str, path: str, body: Any = None, accept: Sequence[int] = (), **headers: str
    ) -> tuple[int, Any]:
        """Its answer, however often it has to be asked."""
        while True:
            try:
                status, answer = self._once(method, path, body, headers)
            except (OSError, http.client.HTTPException, ValueError):
                self.counts["unanswered"] += 1
            else:
                if status < 300 or status in accept:
                    return status, answer
                if status not in PASSING:
                    raise Refused(f"{method} {path} was answered {status}: {answer}")
                self.counts[f"answered {status}"] += 1
            time.sleep(0.3)

    def _once(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        try:
            content = None if body is None else json.dumps(body)
            given = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            }
            connection.request(method, path, content, given)
            answer = connection.getresponse()
            text = answer.read()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                if answer.status < 300:
                    raise
                return answer.status, text[:300].decode(errors="replace")
        finally:
            connection.close()


class Callers:
    def __init__(self, api: Api, seed: str, runs: int, seconds: float, started: Shared) -> None:
        self._api, self._runs, self._seconds = api, runs, seconds
        self._dice, self._dice_of_answers = random.Random(seed), random.Random(seed + "answers")
        self._started = started
        self.runs: dict[str, int] = {}
        # (run, node) → what was answered, and taken.
        self.answers: dict[str, str] = {}
        self.terminated: list[str] = []
        self.trouble: list[str] = []
        self._done = threading.Event()

    def guarded(self, act: Callable[[], None]) -> Callable[[], None]:
        def guard() -> None:
            try:
                act()
            except Exception as error:
                self.trouble.append(f"{type(error).__name__}: {error}")

        return guard

    def start(self) -> None:
        dice, begun = self._dice, time.monotonic()
        doomed: list[str] = []
        for n in range(1, self._runs + 1):
            slug, data = shapes.pick(dice), {"n": n, "fields": {"total": n}}
            _, run = self._api.ask(
                "POST", f"/api/workflows/{slug}/runs/", {"input": data}, Idempotency_Key=f"run {n}"
            )
            self.runs[run["id"]] = n
            self._started.value += 1
            if dice.random() < TERMINATED_SHARE:
                doomed.append(run["id"])
            elif doomed:
                self._terminate(doomed.pop())
            time.sleep(max(0.0, begun + self._seconds * n / self._runs - time.monotonic()))

    def _terminate(self, run: str) -> None:
        status, _ = self._api.ask("POST", f"/api/runs/{run}/terminate/", {}, accept=[409])
        if status < 300:
            self.terminated.append(run)

    def decide(self) -> None:
        dice = self._dice_of_answers
        while not self._done.is_set():
            _, page = self._api.ask("GET", "/api/decisions/?show=open")
            for asked in page["results"]:
                act = dice.choice(["approved", "approved", "rejected", "corrected"])
                body: dict[str, Any] = {"act": act}
                if act == "corrected":
                    body["value"] = {"total": 99}
                key = f"{asked['run']}/{asked['node']}"
                status, _ = self._api.ask("POST", f"/api/decisions/{key}/", body, accept=[409])
                # The answer to an earlier try may have been lost: then it was taken, and says 409.
                self.answers.setdefault(key, act if status < 300 else "")
            self._done.wait(0.5)

    def end(self) -> None:
        self._done.set()


def call(
    pipe: Connection, seed: str, port: int, token: str, runs: int, seconds: float, started: Shared
) -> None:
    """Says when all runs are started; decides until it is told that all is over, then says what
    it did."""
    api = Api(port, token)
    callers = Callers(api, seed, runs, seconds, started)
    starter = threading.Thread(target=callers.guarded(callers.start), daemon=True)
    decider = threading.Thread(target=callers.guarded(callers.decide), daemon=True)
    starter.start()
    decider.start()
    starter.join()
    pipe.send("started")
    pipe.recv()
    callers.end()
    decider.join(30)
    pipe.send(
        {
            "runs": callers.runs,
            "answers": callers.answers,
            "terminated": callers.terminated,
            "trouble": callers.trouble,
            "counts": dict(api.counts),
        }
    )
