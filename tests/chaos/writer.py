"""A writer of the soak: records through the recorder, whatever becomes of the database."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from runs import recorder
from runs.models import Event
from runs.rows import NewEvent
from runs.states import Kind, RunState
from tests.chaos.processes import Counter

T = TypeVar("T")
Commit = dict[uuid.UUID, list[NewEvent]]

WORDS = ["page", "total", "größer", "発行日", "line\nbreak", '"quoted"', "\\", "tab\t", "🧾", "<b>"]
# Seconds between two tries while the database is away.
PAUSE = 0.2


class Writer:
    def __init__(self, name: str, runs: list[uuid.UUID], dice: random.Random) -> None:
        self.name = name
        self._runs, self._dice = runs, dice
        # Events of each commit: what stands in the table at the end, once each.
        self.sizes: list[int] = []
        # Commits of which it was unsure what had become of them, and those that had been lost.
        self.unsure = self.repeated = 0

    def write(self, events: Commit) -> int:
        """Commit it once; how many events that was."""
        tag = f"{self.name}.{len(self.sizes)}"
        for own in events.values():
            own[:] = [
                NewEvent(e.kind, node=e.node, attempt=e.attempt, data=e.data, actor=tag)
                for e in own
            ]
        try:
            recorder.record(events, now=timezone.now())
        except (OperationalError, InterfaceError):
            self.unsure += 1
            while not self._again(lambda: self._stands(events, tag)):
                self.repeated += 1
                try:
                    recorder.record(events, now=timezone.now())
                    break
                except (OperationalError, InterfaceError):
                    continue
        self.sizes.append(sum(map(len, events.values())))
        return self.sizes[-1]

    def some(self, most: int) -> Commit:
        """A commit as engines make them: a few runs, a few events each."""
        dice = self._dice
        events: Commit = {}
        left = min(most, dice.choice([1, 1, 3, 10, 25]))
        kind = dice.choices([Kind.LOG, Kind.LLM_CALL], [15, 1])[0]
        for run in dice.sample(self._runs, min(dice.randint(1, 3), len(self._runs), left)):
            count = dice.randint(1, left)
            events[run] = [self._event(kind) for _ in range(count)]
            left -= count
            if not left:
                break
        return events

    def _event(self, kind: Kind) -> NewEvent:
        dice = self._dice
        if kind == Kind.LLM_CALL:
            data: dict[str, Any] = {
                "model": "test-model",
                "input_tokens": dice.randint(1, 900),
                "output_tokens": dice.randint(1, 90),
                "cost": "0.0001",
            }
        else:
            length = dice.choices([dice.randint(1, 8), dice.randint(300, 1_500)], [60, 1])[0]
            data = {"level": "info", "message": " ".join(dice.choices(WORDS, k=length))}
        return NewEvent(kind, node="first", data=data)

    def _stands(self, events: Commit, tag: str) -> bool:
        return Event.objects.filter(run__in=list(events), actor=tag).exists()

    def _again(self, ask: Callable[[], T]) -> T:
        """Its answer, once the database gives one."""
        while True:
            # What was under way when it broke is settled as soon as the server answers again.
            connection.close()
            try:
                return ask()
            except (OperationalError, InterfaceError):
                time.sleep(PAUSE)


def change(run: uuid.UUID, before: RunState, after: RunState) -> Commit:
    return {run: [NewEvent(Kind.STATE_CHANGED, data={"from": before, "to": after})]}


def write(
    pipe: Connection,
    name: str,
    seed: str,
    runs: list[uuid.UUID],
    own: list[uuid.UUID],
    events: int,
    seconds: float,
    written: Counter,
) -> None:
    """Record `events` events over `seconds` into `runs`, and the beginning and end of its `own`.

    Says at the end the events of each commit, and how often it had to ask and to repeat.
    """
    dice = random.Random(seed)
    writer = Writer(name, runs, dice)
    # Each run's end comes at a moment of its own; lines may follow it.
    ends = sorted((dice.uniform(0.3, 1.0) * events, run) for run in own)
    begun = time.monotonic()
    for run in own:
        written.value += writer.write(change(run, RunState.CREATED, RunState.ACTIVE))
    while written.value < events:
        if ends and written.value >= min(ends[0][0], events - len(ends)):
            step = change(ends.pop(0)[1], RunState.ACTIVE, RunState.COMPLETED)
        else:
            step = writer.some(events - len(ends) - written.value)
        written.value += writer.write(step)
        time.sleep(max(0.0, begun + seconds * written.value / events - time.monotonic()))
    pipe.send({"sizes": writer.sizes, "unsure": writer.unsure, "repeated": writer.repeated})
