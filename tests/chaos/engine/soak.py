"""The soak of the engine: whatever falls over, each run comes to its end, and nothing is done,
told or paid for twice.

Runs of workflows with every kind of node are started by the API, and answered by it, while
workers, web, beat, Valkey, PostgreSQL and the server that nodes call are killed and started again.
At the end the tables must agree with each other, with what that server saw, with the marks that
executors left, and with what the API answered.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from config.embedded.processes import wait_until
from tests.bench.stage import Stage
from tests.chaos import running
from tests.chaos.engine import shapes
from tests.chaos.processes import Counter, Failed, Part, counter, parts

# Seconds between two mishaps.
PAUSES = (0.3, 2.0)
STARTING_PATIENCE = 60.0
# Without anything new: longer than a lost hint or a lease is ever waited for.
ENDING_PATIENCE = 100.0
# By default the runs are started over so many seconds for each.
SECONDS_A_RUN = 0.4


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    plan = f"{options.runs} runs, started over {options.seconds:.0f} s"
    return running.run(options.seed, plan, lambda at, say: Soak(at, options, say).run())


class Soak:
    def __init__(self, at: Stage, options: argparse.Namespace, say: Any) -> None:
        self._at, self._options, self._say = at, options, say
        self._dice = random.Random(options.seed)

    def run(self) -> list[str]:
        from django.db import connection

        from tests.chaos.engine.cast import Cast
        from tests.chaos.engine.mishaps import Mishaps

        options = self._options
        cast = Cast(self._at.folder, shapes.LEASE)
        try:
            token = _prepare(cast)
            connection.close()
            with parts() as start:
                started = counter()
                callers = start(
                    "the callers", "tests.chaos.engine.callers:call", str(self._dice.random()),
                    cast.port, token, options.runs, options.seconds, started,
                )  # fmt: skip
                if not wait_until(lambda: started.value > 0, STARTING_PATIENCE):
                    raise Failed("no run can be started")
                begun = time.monotonic()
                mishaps = Mishaps(self._at, cast, self._dice, shapes.LEASE)
                self._break(mishaps, callers, started)
                cast.mend()
                broken = time.monotonic()
                self._wait_for_the_end(callers)
                self._say(
                    f"all has ended {time.monotonic() - broken:.0f} s after the last of"
                    f" {mishaps.counts.total()} mishaps"
                )
                seconds = time.monotonic() - begun
                callers.tell("over")
                told = callers.answer(60)
            return self._judge(cast, told, mishaps.counts.total(), seconds)
        finally:
            cast.end()

    def _break(self, mishaps: Any, callers: Part, started: Counter) -> None:
        """One mishap after the other until all runs are started, but each kind once."""
        deadline = time.monotonic() + self._options.seconds + STARTING_PATIENCE
        steps = mishaps.endless()
        while not callers.has_answer or mishaps.counts.total() < mishaps.one_round:
            if time.monotonic() > deadline:
                raise Failed("the runs are not started in time")
            kind = next(steps)
            self._say(f"{kind:<36} {started.value:>5,} runs started")
            time.sleep(self._dice.uniform(*PAUSES))
        callers.answer(1)

    def _wait_for_the_end(self, callers: Part) -> None:
        """For as long as anything goes on. What does not end is told by the judgement."""
        from django.db import Error, connection
        from django.db.models import Max

        from runs.models import Event, Lease, Run

        newest, deadline = None, time.monotonic() + ENDING_PATIENCE
        while time.monotonic() < deadline:
            if callers.has_answer:
                raise Failed(f"the callers ended too early: {callers.answer(0)}")
            try:
                if not Run.objects.open().exists() and not Lease.objects.exists():
                    return
                last = Event.objects.aggregate(newest=Max("id"))["newest"]
            except Error:
                connection.close()
            else:
                if last != newest:
                    newest, deadline = last, time.monotonic() + ENDING_PATIENCE
            time.sleep(0.5)

    def _judge(self, cast: Any, told: Any, mishaps: int, seconds: float) -> list[str]:
        from datetime import timedelta

        from django.utils import timezone

        from runs import outbox
        from runs.models import OutboxLine
        from tests.chaos.engine import judging, model_server

        calls = model_server.calls(cast.calls)
        problems = [
            *judging.of_callers(told, self._options.runs),
            *judging.of_tables(),
            *judging.of_ledger(calls, told["runs"]),
            *judging.of_marks(cast.marks.read_text().splitlines()),
            *judging.of_sent(model_server.sent(cast.calls)),
        ]

        def drained() -> bool:
            outbox.prune_all(timezone.now() + timedelta(hours=1))
            return not OutboxLine.objects.exists()

        # Who reads it may be a little behind.
        wait_until(drained, 15)
        if left := OutboxLine.objects.count():
            problems.append(f"{left} lines of the outbox cannot be pruned")
        counts = {**judging.figures(), "mishaps": mishaps, "seconds": round(seconds)}
        self._say(", ".join(f"{n:,} {name}" for name, n in counts.items()))
        self._say(", ".join(f"{n:,} {state}" for state, n in judging.states().items()))
        self._say(
            f"{len(calls):,} calls reached the model server,"
            f" {sum(call.answered for call in calls.values()):,} of them were answered;"
            f" {len(told['answers']):,} questions decided, {len(told['terminated'])} runs"
            f" terminated; the API: {told['counts'] or 'always answered'}"
        )
        return problems


def _prepare(cast: Any) -> str:
    """The workflows, and a token for who uses the API."""
    from django.utils import timezone

    from runs import tokens
    from runs.models import User, Workflow
    from runs.scopes import Scope

    for slug, nodes in shapes.definitions(cast.service_url, str(cast.marks)).items():
        Workflow.objects.publish(slug, {"nodes": nodes})
    user = User.objects.create_user("carla", is_staff=True, is_superuser=True)
    scopes = [Scope.VIEW, Scope.EXECUTE, Scope.TERMINATE, Scope.DECIDE]
    _, secret = tokens.make(
        user, name="chaos", scopes=scopes, days=1, by=user.as_actor(), now=timezone.now()
    )
    return secret


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make chaos engine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, help="for starting them")
    options = parser.parse_args(arguments)
    if options.seconds is None:
        options.seconds = SECONDS_A_RUN * options.runs
    return options
