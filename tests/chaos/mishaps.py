"""What befalls the portal, in an order that the dice decide: each kind once, then all again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from signal import SIGKILL, SIGQUIT, SIGTERM

from django.db import connection

from tests.bench.stage import Stage
from tests.runs.streams.servers import Web, cut_database_connections


class Mishaps:
    def __init__(self, at: Stage, webs: Sequence[Web], dice: random.Random) -> None:
        self._at, self._webs, self._dice = at, webs, dice
        self.counts: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], None]] = {
            "Valkey killed": self._valkey,
            "PostgreSQL shut down at once": self._postgres,
            "a web process killed": lambda: self._web(SIGKILL),
            "a web process restarted": lambda: self._web(SIGTERM),
            "the web's database connections cut": self._cut,
        }

    def endless(self) -> Iterator[str]:
        """Each step is one mishap and its repair."""
        while True:
            kinds = list(self._kinds)
            self._dice.shuffle(kinds)
            for kind in kinds:
                self._kinds[kind]()
                self.counts[kind] += 1
                yield kind

    @property
    def one_round(self) -> int:
        return len(self._kinds)

    def _away(self) -> None:
        time.sleep(self._dice.uniform(0.2, 3.0))

    def _valkey(self) -> None:
        self._at.valkey.kill()
        self._away()
        self._at.valkey.start()

    def _postgres(self) -> None:
        self._at.postgres.kill(SIGQUIT)  # its immediate shutdown
        self._away()
        self._at.postgres.start()

    def _web(self, number: int) -> None:
        web = self._dice.choice(self._webs)
        web.stop(number)
        self._away()
        web.start()

    def _cut(self) -> None:
        try:
            cut_database_connections()
        finally:
            connection.close()  # the next mishap may break it
