"""Pages that show all runs: they fetch what the list's stream tells them of, and no more."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from runs import ids
from runs.models import Run
from tests.runs.streams.client import Ended, Stream

# What a row of the list shows of a run, as text.
Shown = Mapping[str, list[str]]


def rows(run_ids: Iterable[str] | None = None) -> dict[str, list[str]]:
    """What a list has to show, of these runs or of all."""
    found = Run.objects.order_by("pk")
    if run_ids is not None:
        found = found.filter(pk__in=[ids.decode("run", public) for public in run_ids])
    return {
        ids.encode("run", pk): [str(value) for value in shown]
        for pk, *shown in found.values_list("pk", "state", "cost", "input_tokens")
    }


class Page(threading.Thread):
    """One listener to the list's stream. Half of them never go by themselves."""

    def __init__(self, number: int, ports: Sequence[int], cookie: str, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.shown: dict[str, list[str]] = {}
        self.lock = threading.Lock()
        # What it was told of and has not fetched yet.
        self.stale: set[str] = set()
        self.all_stale = True
        self.notices = self.resets = self.opened = 0
        self.refused: list[int] = []
        self._ports, self._cookie, self._dice = ports, cookie, dice

    def run(self) -> None:
        while True:
            try:
                self._listen()
            except (Ended, OSError):
                time.sleep(self._dice.uniform(0.1, 1.0))

    def report(self) -> dict[str, Any]:
        counts = {"notices": self.notices, "resets": self.resets, "opened": self.opened}
        return {"shown": self.shown, "refused": self.refused, **counts}

    def _listen(self) -> None:
        stays = self._dice.choice([10, 30]) if self.number % 2 else 10**6
        with Stream(
            self._dice.choice(self._ports), "/api/sse-runs", {"Cookie": self._cookie}, patience=15
        ) as stream:
            if stream.status != 200:
                if stream.status != 503:
                    self.refused.append(stream.status)
                time.sleep(1)
                return
            self.opened += 1
            with self.lock:
                self.all_stale = True
            for event in stream.events(stays):
                with self.lock:
                    if event.name == "reset":
                        self.resets += 1
                        self.all_stale = True
                    else:
                        self.notices += 1
                        self.stale.update(run["id"] for run in event.data["runs"])


class Screen(threading.Thread):
    """Fetches for all pages what they need, on one connection."""

    def __init__(self, pages: Sequence[Page]) -> None:
        super().__init__(daemon=True)
        self._pages = pages

    def run(self) -> None:
        while True:
            time.sleep(0.2)
            for page in self._pages:
                self._refresh(page)

    def wait_for(self, wanted: Shown, deadline: float) -> None:
        """Until all pages show it, but no longer than to the deadline."""
        while time.monotonic() < deadline:
            if all(page.shown == wanted for page in self._pages):
                return
            time.sleep(0.2)

    def _refresh(self, page: Page) -> None:
        with page.lock:
            stale = None if page.all_stale else list(page.stale)
            page.stale, page.all_stale = set(), False
        if stale == []:
            return
        try:
            found = rows(stale)
        except (OperationalError, InterfaceError):
            connection.close()
            with page.lock:
                page.stale.update(stale or ())
                page.all_stale = page.all_stale or stale is None
        else:
            page.shown |= found
