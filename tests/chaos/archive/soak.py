"""The soak of the archive: whoever archives and restores is killed at every step of it.

In each round two processes archive and restore runs at random until each kills itself, before or
after a step that the dice choose; PostgreSQL and the storage, a SeaweedFS, are killed or stand
still meanwhile, events come late and runs are deleted. At the end every log is live or archived,
whole, and restored it is what it was; every object has a run, and none is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from signal import SIGKILL, SIGQUIT, SIGTERM

from config.embedded.processes import die_with_parent
from tests.bench.stage import Stage
from tests.chaos import running
from tests.chaos.archive.worker import STEPS
from tests.seaweed import Seaweed

RUNS, ROUNDS = 2_000, 40
# Seconds that a round takes at most, for which something is away, and between two of main's acts.
ROUND = 8.0
AWAY = (0.1, 2.0)
PAUSE = (0.02, 0.3)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=archive", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    plan = f"{options.runs:,} runs, {options.rounds} rounds"
    return running.run(options.seed, plan, lambda at, say: _with_storage(at, options, say))


def _with_storage(at: Stage, options: argparse.Namespace, say: Callable[[str], None]) -> list[str]:
    from django.conf import settings
    from django.core.files.storage import storages

    seaweed = Seaweed(at.folder / "seaweed")
    try:
        bucket = seaweed.new_bucket()
        os.environ |= bucket.environment()
        # This process has read its settings already; the workers read theirs from the environment.
        settings.STORAGES = bucket.storages()
        storages.__init__(settings.STORAGES)  # type: ignore[misc]
        return Soak(at, seaweed, options, say).run()
    finally:
        seaweed.close()


class Soak:
    def __init__(
        self,
        at: Stage,
        seaweed: Seaweed,
        options: argparse.Namespace,
        say: Callable[[str], None],
    ) -> None:
        from tests.chaos.archive.judging import Ledger

        self._at, self._seaweed, self._options, self._say = at, seaweed, options, say
        self._dice = random.Random(options.seed)
        self._ledger = Ledger()
        self._counts: Counter[str] = Counter()
        self._ended_itself: list[str] = []

    def run(self) -> list[str]:
        from tests.chaos.archive import stock

        run_ids = stock.fill(self._options.runs, self._dice)
        self._ledger.of(run_ids)
        events = sum(map(len, self._ledger.rows.values()))
        self._say(f"the runs are there, with {events:,} events")
        for number in range(1, self._options.rounds + 1):
            self._round(number)
        return self._judged()

    def _round(self, number: int) -> None:
        workers = [self._worker() for _ in range(2)]
        ended = time.monotonic() + ROUND
        mishap = self._dice.choice([None, None, self._postgres, self._storage, self._still])
        try:
            while any(worker.poll() is None for worker in workers):
                if time.monotonic() > ended:
                    break
                self._late()
                if self._dice.random() < 0.05:
                    self._delete()
                time.sleep(self._dice.uniform(*PAUSE))
                if mishap is not None and self._dice.random() < 0.3:
                    mishap()
                    mishap = None
        finally:
            for worker in workers:
                if worker.poll() is None:
                    self._counts["killed somewhere"] += 1
                worker.kill()
                if (code := worker.wait()) != -SIGKILL:
                    self._ended_itself.append(f"an archiver ended by itself, with {code}")
        if number % 10 == 0:
            self._say(f"round {number}")

    def _worker(self) -> subprocess.Popen[bytes]:
        step, when = self._dice.choice(STEPS), self._dice.choice(["before", "after"])
        self._counts[f"{when} {step}"] += 1
        command = [sys.executable, "-m", "tests.chaos.archive.worker"]
        command += ["--seed", str(self._dice.randrange(10**6)), "--step", step, "--when", when]
        command += ["--call", str(self._dice.randint(1, 30))]
        with (self._at.folder / "archivers.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, SIGTERM),  # noqa: PLW1509
            )

    # -- What happens meanwhile --------------------------------------------------------------

    def _one(self) -> uuid.UUID:
        return self._dice.choice([r for r in self._ledger.rows if r not in self._ledger.deleted])

    def _late(self) -> None:
        """An event for a run that may be anywhere. Its text tells afterwards whether it came."""
        from django.utils import timezone

        from runs import recorder
        from tests.chaos.archive import stock

        run_id = self._one()
        told = f"late {self._dice.random()}"
        recorder.record({run_id: [stock.log(told)]}, now=timezone.now())
        self._ledger.late.setdefault(run_id, []).append(told)
        self._counts["events that came late"] += 1

    def _delete(self) -> None:
        from runs import lifecycle
        from runs.actors import Actor
        from runs.models import Run

        run_id = self._one()
        by = Actor(name="carla", ref_type="user", ref_id="user_carla")
        if lifecycle.delete(Run.objects.filter(pk=run_id), by=by).done:
            self._ledger.deleted.add(run_id)
            self._counts["runs deleted"] += 1

    def _postgres(self) -> None:
        from django.db import connection

        # Between two acts of this process: it knows what it has told.
        connection.close()
        self._at.postgres.kill(SIGQUIT)  # its immediate shutdown
        self._away()
        self._at.postgres.start()
        self._counts["PostgreSQL shut down at once"] += 1

    def _storage(self) -> None:
        self._seaweed.kill()
        self._away()
        self._seaweed.start()
        self._counts["the storage killed"] += 1

    def _still(self) -> None:
        self._seaweed.freeze()
        self._away()
        self._seaweed.thaw()
        self._counts["the storage stood still"] += 1

    def _away(self) -> None:
        time.sleep(self._dice.uniform(*AWAY))

    # -- The end -----------------------------------------------------------------------------

    def _judged(self) -> list[str]:
        from django.utils import timezone

        from runs import doomed, restoring
        from tests.chaos.archive import judging

        now = timezone.now()
        restoring.undo_abandoned(now + timedelta(hours=1), 10**6)
        self._finish_what_was_begun()
        self._say(f"after the last round: {dict(judging.figures())}")
        problems = self._ended_itself + judging.of_tables() + judging.of_storage()
        while doomed.sweep(now + timedelta(days=1)):
            pass
        problems += [f"after the sweep: {each}" for each in judging.of_storage()]
        self._say("objects and rows are compared")
        self._all(archive=False)
        problems += judging.of_tables() + judging.of_logs(self._ledger)
        self._all(archive=True)
        self._say(f"restored and archived once more: {dict(judging.figures())}")
        problems += judging.of_tables() + judging.of_storage()
        self._say(", ".join(f"{count} × {kind}" for kind, count in self._counts.most_common()))
        return problems

    def _finish_what_was_begun(self) -> None:
        from runs import archiving
        from runs.models import Run

        while begun := list(Run.objects.filter(logs="archiving").values_list("id", flat=True)[:50]):
            result = archiving.archive(begun)
            assert result.archived, result

    def _all(self, *, archive: bool) -> None:
        from django.db import transaction
        from django.utils import timezone

        from runs import archiving, restoring
        from runs.models import Run

        everybody = sorted(Run.objects.values_list("id", flat=True))
        for begin in range(0, len(everybody), 50):
            some = everybody[begin : begin + 50]
            if archive:
                archiving.archive(some)
                continue
            now = timezone.now()
            fetched = restoring.fetch(some)
            with transaction.atomic():
                restoring.finish(fetched, some, until=now, now=now)
