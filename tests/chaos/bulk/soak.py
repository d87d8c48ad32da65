"""The soak of bulk operations: killed at any point and started again, each run has one outcome.

In each round several operations are asked for by the API, which overlap, and are worked off while
the web process, workers, the pulse, beat, Valkey and PostgreSQL are killed. A call that is cut off
is repeated with its key. At the end the tables must agree with each other, with what was asked, and
with the objects in storage, and the files of exports must be whole.
"""

from __future__ import annotations

import argparse
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGQUIT
from typing import TYPE_CHECKING, Any

from django.db.models import F

from config.embedded import portal
from config.embedded.network import free_port
from config.embedded.processes import Command, last_lines, stop
from tests.bench.stage import Stage
from tests.chaos import running
from tests.chaos.processes import Failed

if TYPE_CHECKING:
    from tests.chaos.bulk import judging

# Seconds between two mishaps, and for which something is away.
PAUSES = (0.1, 0.8)
AWAY = (0.1, 1.5)
# Without anything new in a round.
PATIENCE = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    plan = f"{options.runs:,} runs, {options.rounds} rounds"
    return running.run(options.seed, plan, lambda at, say: Soak(at, options, say).run())


class Soak:
    def __init__(self, at: Stage, options: argparse.Namespace, say: Callable[[str], None]) -> None:
        self._at, self._options, self._say = at, options, say
        self._dice = random.Random(options.seed)
        self._meant: dict[uuid.UUID, judging.Meant] = {}
        # Those whose end the API has not told yet.
        self._going: set[uuid.UUID] = set()
        self._mishaps: Counter[str] = Counter()
        # How often the sweep was asked for.
        self._sweeps = 0

    def run(self) -> list[str]:
        from django.db import connection

        from tests.chaos.bulk import files, judging, stock
        from tests.chaos.bulk.operator import Operator
        from tests.chaos.engine.cast import Player

        stock.fill(self._options.runs, self._dice)
        self._say("the runs are there")
        env = dict(os.environ)
        folder = self._at.folder
        self._workers = [Player(_worker(folder, env, number)) for number in range(2)]
        self._control = Player(portal.control(folder, env))
        self._beat = Player(portal.beat(folder, env))
        port = free_port()
        self._web = Player(portal.web(folder, env, port))
        self._operator = Operator(port, self._dice)
        self._players = [*self._workers, self._control, self._beat, self._web]
        # What the operator's calls meet, whoever waits for them.
        self._operator.meanwhile = self._befall
        try:
            for number in range(1, self._options.rounds + 1):
                self._round(number)
            connection.close()
            problems = judging.of_tables() + judging.of_meant(self._meant)
            problems += files.of_exports(self._operator) + files.of_storage()
            problems += files.of_sweep()
            self._figures()
            return problems
        finally:
            stop([player.child for player in self._players], grace=5)

    def _round(self, number: int) -> None:
        self._left = self._options.mishaps
        asked = self._ask()
        deadline, before = time.monotonic() + PATIENCE, None
        while (left := self._open()) is None or left[0]:
            if left is not None and left != before:
                before, deadline = left, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                raise Failed(f"round {number} does not end: {self._standstill()}")
            # One that is over before anything befell it proves little, so the first comes at once.
            if self._left:
                self._befall()
            time.sleep(self._dice.uniform(*PAUSES))
            # As what runs them does: one that began without its database has ended.
            for player in self._players:
                player.start()
        self._age_an_export()
        self._sweep_soon()
        befallen = self._options.mishaps - self._left
        self._say(f"round {number}: {asked}, {befallen} mishaps")

    def _befall(self) -> None:
        for player in self._players:
            player.start()
        if not self._left:
            return
        kind = self._dice.choice(list(self._kinds()))
        self._kinds()[kind]()
        self._mishaps[kind] += 1
        self._left -= 1

    def _age_an_export(self) -> None:
        """Some export's files come to their end, and are swept while the next round goes on."""
        from django.db import Error, connection

        from runs.models import BulkOperation

        try:
            ended = BulkOperation.objects.filter(kind="export", state="finished")
            some = list(ended.order_by("id").values_list("pk", flat=True))
            if len(some) > 1:
                old = timedelta(days=30)
                own = BulkOperation.objects.filter(pk=self._dice.choice(some))
                own.update(created_at=F("created_at") - old, ended_at=F("ended_at") - old)
        except Error:
            connection.close()

    def _sweep_soon(self) -> None:
        """By a worker, in the midst of the next round; beat would do it once a minute."""
        from kombu.exceptions import OperationalError

        from runs.bulk.tasks import sweep_storage

        with suppress(OperationalError):
            sweep_storage.apply_async(retry=False)
            self._sweeps += 1

    def _ask(self) -> str:
        """Two or three operations at once; what each means is noted just before."""
        from runs.filters import RunFilter
        from tests.chaos.bulk.judging import Meant

        asked = []
        for _ in range(self._dice.randint(2, 3)):
            kind = self._dice.choice(
                ["retry", "retry", "terminate", "delete", "hold", "release", "export"]
            )
            wanted = RunFilter(workflow=self._dice.choice(["", "ocr", "mail", "ledger"]))
            if kind == "retry":
                wanted = wanted.with_(state="failed")
            elif kind == "terminate":
                wanted = wanted.with_(state="queued")
            elif kind == "delete":
                # Few enough that something is left for the rounds to come.
                wanted = wanted.with_(workflow="ledger", state=self._dice.choice(
                    ["completed", "terminated"]))  # fmt: skip
            meant = self._patiently(lambda wanted=wanted: Meant.now(wanted))
            options = {"format": self._dice.choice(["ndjson", "json", "csv"]), "with_logs": True}
            operation = self._operator.ask(kind, wanted, options if kind == "export" else {})
            self._meant[operation] = meant
            self._going.add(operation)
            asked.append(f"{kind} {len(meant.runs):,}")
        return ", ".join(asked)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Until the database answers."""
        from django.db import Error, connection

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except Error:
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _open(self) -> tuple[int, int] | None:
        """How many operations go on, and what they have visited, as the API says it; None while
        nobody can say."""
        visited = 0
        for operation in sorted(self._going):
            progress = self._operator.progress(operation)
            if progress is None:
                return None
            if progress["state"] in ("finished", "aborted"):
                self._going.discard(operation)
            visited += progress["visited"]
        return len(self._going), visited

    def _standstill(self) -> str:
        """What the operations say, and the ends of the workers' logs."""
        from runs.models import BulkOperation

        rows = BulkOperation.objects.filter(state="running")
        said = [str(row) for row in rows.values_list("kind", "visited", "moved_at", "trouble")]
        logs = self._at.folder / "logs"
        ends = [f"{log.name}:\n{last_lines(log)}" for log in sorted(logs.glob("*.log"))]
        return "\n".join([*said, *ends])

    def _kinds(self) -> dict[str, Callable[[], None]]:
        return {
            "a worker killed": lambda: self._end(self._dice.choice(self._workers)),
            "both workers killed": self._both,
            "the pulse's worker killed": lambda: self._end(self._control),
            "beat killed": lambda: self._end(self._beat),
            "the web process killed": lambda: self._end(self._web),
            "Valkey killed": self._valkey,
            "PostgreSQL shut down at once": self._postgres,
        }

    def _away(self) -> None:
        time.sleep(self._dice.uniform(*AWAY))

    def _end(self, player: Any) -> None:
        player.kill()
        self._away()
        player.start()

    def _both(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._away()
        for worker in self._workers:
            worker.start()

    def _valkey(self) -> None:
        self._at.valkey.kill()
        self._away()
        self._at.valkey.start()

    def _postgres(self) -> None:
        self._at.postgres.kill(SIGQUIT)  # its immediate shutdown
        self._away()
        self._at.postgres.start()

    def _figures(self) -> None:
        from django.db.models import Count

        from runs.models import BulkOperation, BulkOutcome, Run

        self._say(
            f"{BulkOperation.objects.count()} operations ({self._operator.repeated} calls were"
            f" repeated), {self._sweeps} sweeps, {BulkOutcome.objects.count():,} outcomes,"
            f" {Run.objects.count():,} runs are left"
        )
        rows = BulkOutcome.objects.values_list("operation__kind", "status").annotate(Count("run"))
        self._say(
            ", ".join(f"{count:,} {kind} {status}" for kind, status, count in rows.order_by())
        )
        self._say(", ".join(f"{count} × {kind}" for kind, count in self._mishaps.most_common()))


def _worker(folder: Path, env: Mapping[str, str], number: int) -> Command:
    command = portal.bulk(folder, env)
    argv = [f"bulk{number}@%h" if word == "bulk@%h" else word for word in command.argv]
    log = folder / "logs" / f"bulk{number}.log"
    return replace(command, name=f"bulk {number}", argv=argv, log=log)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make chaos bulk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mishaps", type=int, default=3, help="of one round, at most")
    return parser.parse_args(arguments)
