"""The clients of the soak: each in a thread, on one run's stream, coming back for ever."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from tests.chaos.pages import Page, Screen
from tests.chaos.processes import Counter
from tests.runs.streams.client import Ended, Stream

# What a client meets while a web process is down.
GONE = (Ended, OSError)
# The answer while the database is away.
LATER = 503
# One client in so many reads slowly, through a small buffer.
SLOW = 10


def digest(name: str, data: Any) -> str:
    """What an event says, its name on the stream with it, in few bytes."""
    text = json.dumps([name, data], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Listener(threading.Thread):
    def __init__(
        self, run: str, ports: Sequence[int], cookie: str, dice: random.Random, received: Counter
    ) -> None:
        super().__init__(daemon=True)
        self.run_id = run
        # (number, digest), in the order of arrival.
        self.received: list[tuple[int | None, str]] = []
        self.until: int | None = None
        # How often it was cut off, went by itself, or was told to come later.
        self.cut = self.left = self.put_off = 0
        # Answers that it should not get.
        self.refused: list[int] = []
        self._ports, self._cookie, self._dice, self._count = ports, cookie, dice, received
        self._slow = dice.randrange(SLOW) == 0

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
            except GONE:
                self.cut += 1
                time.sleep(self._dice.uniform(0.1, 1.0))

    def _listen(self) -> None:
        with Stream(
            self._dice.choice(self._ports),
            f"/api/sse-logs/{self.run_id}",
            {"Cookie": self._cookie, "Last-Event-ID": str(self.last)},
            receive_buffer=4096 if self._slow else None,
            patience=15,
        ) as stream:
            if stream.status != 200:
                if stream.status == LATER:
                    self.put_off += 1
                else:
                    self.refused.append(stream.status)
                time.sleep(1)
                return
            deadline = time.monotonic() + self._dice.choice([0.3, 2, 5, 10, 30])
            while not self.is_done and (left := deadline - time.monotonic()) > 0:
                for event in stream.events(min(left, 0.5)):
                    self.received.append((event.id, digest(event.name, event.data)))
                    with self._count.get_lock():
                        self._count.value += 1
                if self._slow:
                    time.sleep(0.3)
        self.left += 1


def listen(
    pipe: Connection,
    seed: str,
    ports: list[int],
    cookie: str,
    listened: list[str],
    pages: int,
    received: Counter,
) -> None:
    """Follow each of the runs, and the list on so many pages.

    Is told the last number of each run once nothing more is written, and the seconds for which
    to wait for it. Says what each client received, and what each page shows.
    """
    dice = random.Random(seed)
    clients = [
        Listener(run, ports, cookie, random.Random(dice.random()), received) for run in listened
    ]
    screens = [Page(n, ports, cookie, random.Random(dice.random())) for n in range(pages)]
    screen = Screen(screens)
    for thread in (*clients, *screens, screen):
        thread.start()
    last, wanted, patience = pipe.recv()
    for client in clients:
        client.until = last[client.run_id]
    deadline = time.monotonic() + patience
    screen.wait_for(wanted, deadline)
    for client in clients:
        client.join(max(0.0, deadline - time.monotonic()))
    pipe.send(
        {
            "clients": [
                {
                    "run": client.run_id,
                    "received": list(client.received),
                    "cut": client.cut,
                    "left": client.left,
                    "put_off": client.put_off,
                    "refused": client.refused,
                }
                for client in clients
            ],
            "pages": [page.report() for page in screens],
        }
    )
