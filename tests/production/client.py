"""Who uses the portal meanwhile, from outside: by https and nginx where it is there. Each asks
again until it is answered, and keeps when it was answered and what it met instead."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.chaos.listeners import digest
from tests.production.machine import HOST, Machine

# What can be met while something is restarted.
PASSING = (429, 500, 502, 503, 504)
PAUSE = 0.15
PATIENCE = 20.0


class Refused(Exception):  # noqa: N818
    """An answer that no restart explains."""


class Door:
    """The way in: nginx with TLS, else the processes' own ports in turn."""

    def __init__(self, at: Machine) -> None:
        self._tls: ssl.SSLContext | None = None
        self.webs = [at.port(8001), at.port(8002)]
        self.streams = [at.port(8101)]
        if at.has_nginx:
            certificate: Path = at.path("/etc/ssl/portal/portal.crt")
            self._tls = ssl.create_default_context(cafile=certificate)
            self._tls.check_hostname = False
            self.webs = self.streams = [at.port(443)]
        self._turn = 0

    def connect(self, *, to_streams: bool = False) -> http.client.HTTPConnection:
        ports = self.streams if to_streams else self.webs
        self._turn += 1
        port = ports[self._turn % len(ports)]
        if self._tls is None:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=self._tls)

    @property
    def headers(self) -> dict[str, str]:
        return {"Host": HOST} if self._tls else {"Host": HOST, "X-Forwarded-Proto": "https"}


class Series:
    """When something succeeded, how long it took, and what went wrong on the way."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.took: list[float] = []
        self.counts: list[int] = []
        self.errors: Counter[str] = Counter()

    def add(self, took: float = 0.0, count: int = 1) -> None:
        self.at.append(time.monotonic())
        self.took.append(took)
        self.counts.append(count)

    def longest_gap(self, begin: float, end: float) -> float:
        within = sorted(at for at in self.at if begin <= at <= end)
        marks = [begin, *within, end]
        return max(b - a for a, b in pairwise(marks))

    def share(self, part: float) -> float:
        """Of a hundred, so many took no longer."""
        took = sorted(self.took)
        return took[min(len(took) - 1, int(len(took) * part))] if took else 0.0


class Client:
    """One connection at a time, kept as long as it holds."""

    def __init__(self, door: Door, token: str, series: Series) -> None:
        self._door, self._token, self.series = door, token, series
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, count: int = 1, **headers: str) -> Any:
        """Its answer, however often it has to be asked. What counts is the last try's time."""
        content = None if body is None else json.dumps(body).encode()
        while True:
            begun = time.monotonic()
            try:
                status, answer = self._once(method, path, content, headers)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.series.errors[type(error).__name__] += 1
                self._connection = None
            else:
                if status < 300:
                    self.series.add(time.monotonic() - begun, count)
                    return answer
                if status not in PASSING:
                    raise Refused(f"{method} {path} was answered {status}: {str(answer)[:300]}")
                self.series.errors[str(status)] += 1
            time.sleep(PAUSE)

    def _once(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        if self._connection is None:
            self._connection = self._door.connect()
        given = {
            **self._door.headers,
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self._connection.request(method, path, content, given)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            return answer.status, text.decode(errors="replace")
        kind = answer.headers.get("Content-Type", "")
        return answer.status, json.loads(text) if "json" in kind and "nd" not in kind else text


class Listener(threading.Thread):
    """Follows one run's stream to its end, coming back whatever happens."""

    def __init__(self, door: Door, token: str, run: str, series: Series) -> None:
        super().__init__(daemon=True)
        self.run_id, self.series = run, series
        self.received: list[tuple[int | None, str]] = []
        self.until: int | None = None
        self.cut = 0
        self._door, self._token = door, token

    @property
    def last(self) -> int:
        return next((n for n, _ in reversed(self.received) if n is not None), 0)

    @property
    def is_done(self) -> bool:
        return self.until is not None and self.last >= self.until

    def run(self) -> None:
        while not self.is_done:
            try:
                self._listen()
            except (OSError, http.client.HTTPException, ValueError):
                self.cut += 1
            time.sleep(PAUSE)

    def _listen(self) -> None:
        connection = self._door.connect(to_streams=True)
        headers = {
            **self._door.headers,
            "Authorization": f"Bearer {self._token}",
            "Last-Event-ID": str(self.last),
        }
        try:
            connection.request("GET", f"/api/sse-logs/{self.run_id}", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                self.series.errors[str(answer.status)] += 1
                time.sleep(0.5)
                return
            self._read(answer)
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse) -> None:
        fields: dict[str, str] = {}
        while not self.is_done:
            line = answer.readline().decode()
            if not line:
                raise ConnectionError("the stream ended")
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
                continue
            if "data" in fields and fields.get("event") != "ping":
                number = int(fields["id"]) if "id" in fields else None
                data = json.loads(fields["data"])
                self.received.append((number, digest(fields["event"], data)))
                self.series.add()
            fields = {}
