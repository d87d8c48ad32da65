"""What befalls the engine, in an order that the dice decide: each kind once, then all again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from signal import SIGQUIT, SIGTERM

from tests.bench.stage import Stage
from tests.chaos.engine.cast import Cast, Player


class Mishaps:
    def __init__(self, at: Stage, cast: Cast, dice: random.Random, lease: int) -> None:
        self._at, self._cast, self._dice, self._lease = at, cast, dice, lease
        self.counts: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], None]] = {
            "a process of a worker killed": self._child,
            "a process of another worker killed": self._child,
            "a worker killed": lambda: self._end(self._worker()),
            "a worker told to stop": self._stop,
            "a worker frozen past its leases": self._freeze,
            "both workers killed": self._both,
            "web killed": lambda: self._end(self._cast.web),
            "beat killed": lambda: self._end(self._cast.beat),
            "the pulse's worker killed": lambda: self._end(self._cast.control),
            "the model server killed": lambda: self._end(self._cast.service),
            "Valkey killed": self._valkey,
            "PostgreSQL shut down at once": self._postgres,
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
        time.sleep(self._dice.uniform(0.1, 2.0))

    def _worker(self) -> Player:
        return self._dice.choice(self._cast.workers)

    def _end(self, player: Player) -> None:
        player.kill()
        self._away()
        player.start()

    def _child(self) -> None:
        self._worker().kill_child(self._dice.randrange(8))

    def _stop(self) -> None:
        worker = self._worker()
        worker.kill(SIGTERM)
        self._away()
        worker.start()

    def _both(self) -> None:
        for worker in self._cast.workers:
            worker.kill()
        self._away()
        for worker in self._cast.workers:
            worker.start()

    def _freeze(self) -> None:
        worker = self._worker()
        worker.freeze()
        try:
            time.sleep(self._lease + self._dice.uniform(1.5, 3.0))
        finally:
            worker.thaw()

    def _valkey(self) -> None:
        self._at.valkey.kill()
        self._away()
        self._at.valkey.start()

    def _postgres(self) -> None:
        self._at.postgres.kill(SIGQUIT)  # its immediate shutdown
        self._away()
        self._at.postgres.start()
