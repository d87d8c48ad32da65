"""The load: events that are reported, runs that are started, lists that are read, files that are
exported, streams that are followed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.bench.bench_ingest import event, mixed, whole_run
from tests.production.client import Client, Door, Listener, Series

SENDERS, READERS = 2, 2
HOT_RUNS = 12
BATCH = 50
LISTS = (
    "/api/runs/?limit=50", "/api/runs/?state=failed&limit=50",
    "/api/runs/?workflow=chain&created=24h", "/api/runs/counts/?created=24h",
)  # fmt: skip
# Executed on two queues; kinds that need no server of their own.
SLUGS = ("chain", "fan", "branching", "retrying", "failing", "apart")


class Load:
    def __init__(self, door: Door, token: str, *, events: int, runs: float) -> None:
        """So many events and runs a second."""
        self._door, self._token = door, token
        self._events, self._runs = events, runs
        self.ingest, self.lists, self.starts = Series(), Series(), Series()
        self.streams, self.exports = Series(), Series()
        # Ids of all events that were answered as stored or known; of runs, and what made them.
        self.sent: set[str] = set()
        self.started: dict[str, str] = {}
        self.trouble: list[str] = []
        self.listeners: list[Listener] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        client = self._client(self.ingest)
        created = [
            event(f"hot-{n}-0", f"hot-{n}", "run_created", {}, workflow="bench", input={"n": n})
            for n in range(HOT_RUNS)
        ]
        for each in created:
            del each["node"], each["attempt"]
        self._report(client, created)
        found = client.ask("GET", f"/api/runs/?workflow=bench&limit={HOT_RUNS}")
        self.hot = [run["id"] for run in found["results"]]
        for run in self.hot:
            for _ in range(2):
                listener = Listener(self._door, self._token, run, self.streams)
                listener.start()
                self.listeners.append(listener)
        for n in range(SENDERS):
            self._start(lambda n=n: self._send(n))
        for n in range(READERS):
            self._start(lambda n=n: self._read(n))
        self._start(self._begin_runs)
        self._start(self._export)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self.trouble.append(f"{thread.name} is never answered")
        client = self._client(self.ingest)
        ended = [event(f"hot-{n}-end", f"hot-{n}", "run_completed", {}) for n in range(HOT_RUNS)]
        for each in ended:
            del each["node"], each["attempt"]
        self._report(client, ended)

    # -- What is done ------------------------------------------------------------------------

    def _send(self, sender: int) -> None:
        client, pause = self._client(self.ingest), BATCH * SENDERS / self._events
        for number, batch in enumerate(_batches(sender)):
            begun = time.monotonic()
            self._report(client, batch)
            # Some batches come twice, as from a sender that lost the answer.
            if number % 20 == 7:
                self._report(client, batch)
            if self._over.wait(max(0.0, begun + pause - time.monotonic())):
                return

    def _report(self, client: Client, batch: list[dict[str, Any]]) -> None:
        answer = client.ask("POST", "/api/events", batch, count=len(batch))
        if answer["refused"] or answer["stored"] + answer["duplicates"] != len(batch):
            raise AssertionError(f"events were refused: {str(answer)[:300]}")
        self.sent |= {each["event_id"] for each in batch}

    def _begin_runs(self) -> None:
        client, dice, n = self._client(self.starts), random.Random(7), 0
        while not self._over.is_set():
            begun, n = time.monotonic(), n + 1
            slug = dice.choice(SLUGS)
            run = client.ask(
                "POST", f"/api/workflows/{slug}/runs/", {"input": {"n": n}},
                Idempotency_Key=f"production {n}",
            )  # fmt: skip
            self.started[run["id"]] = slug
            self._over.wait(max(0.0, begun + 1 / self._runs - time.monotonic()))

    def _read(self, reader: int) -> None:
        client, n = self._client(self.lists), reader
        while not self._over.wait(0.1):
            n += 1
            answer = client.ask("GET", LISTS[n % len(LISTS)])
            if "results" in answer and not isinstance(answer["results"], list):
                raise AssertionError("a list that is none")

    def _export(self) -> None:
        """Files in storage, one after the other; each must come to its end and be read."""
        client, n = self._client(self.exports), 0
        while not self._over.wait(3):
            n += 1
            begun = client.ask(
                "POST", "/api/bulk/",
                {"kind": "export", "filter": {"workflow": "chain", "created": "1h"},
                 "options": {"format": "ndjson", "with_logs": True}},
                Idempotency_Key=f"export {n}",
            )  # fmt: skip
            address = f"/api/bulk/{begun['id']}/"
            while (now := client.ask("GET", address))["state"] not in ("finished", "aborted"):
                if now["state"] == "failed":
                    raise AssertionError(f"an export failed: {now}")
                time.sleep(0.5)
            if client.ask("GET", f"{address}download/")[-1:] != b"\n":
                raise AssertionError("an export that broke off")

    def _client(self, series: Series) -> Client:
        return Client(self._door, self._token, series)

    def _start(self, act: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                act()
            except Exception as error:
                self.trouble.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=guarded, daemon=True)
        self._threads.append(thread)
        thread.start()


def _batches(sender: int) -> Iterator[list[dict[str, Any]]]:
    """Whole runs, and lines of the hot ones."""
    number = 0
    while True:
        number += 1
        name = f"{sender}-{number:06}"
        lines = [
            event(f"{name}-{place}", f"hot-{(number + place) % HOT_RUNS}", *mixed(place))
            for place in range(BATCH - 20)
        ]
        yield [*lines, *whole_run(f"{name}-a"), *whole_run(f"{name}-b")]


def wait_for_listeners(listeners: list[Listener], last: dict[str, int], seconds: float) -> None:
    for listener in listeners:
        listener.until = last[listener.run_id]
    end = time.monotonic() + seconds
    for listener in listeners:
        with suppress(RuntimeError):
            listener.join(max(0.0, end - time.monotonic()))
