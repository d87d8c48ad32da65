"""One who archives and restores whatever the dice say, until it kills itself at a given step."""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from signal import SIGKILL
from typing import Any

# Where it may be killed: module and function, before its call or after.
STEPS = (
    "objects.put_new", "objects.read", "doomed.doom", "doomed.spare", "recorder_archive.name",
    "recorder_archive.purge", "recorder_archive.settle", "recorder_archive.put_back",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--step", choices=STEPS, required=True)
    parser.add_argument("--when", choices=["before", "after"], required=True)
    # At which of its calls.
    parser.add_argument("--call", type=int, required=True)
    options = parser.parse_args()

    import django

    django.setup()
    _arm(options.step, options.when, options.call)
    _work(random.Random(options.seed))


def _arm(step: str, when: str, call: int) -> None:
    from runs import doomed, objects, recorder_archive

    rooms = {"objects": objects, "doomed": doomed, "recorder_archive": recorder_archive}
    room, _, name = step.partition(".")
    original: Callable[..., Any] = getattr(rooms[room], name)
    lock, calls = threading.Lock(), 0

    def armed(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            last = calls == call
        if last and when == "before":
            os.kill(os.getpid(), SIGKILL)
        result = original(*args, **kwargs)
        if last:
            os.kill(os.getpid(), SIGKILL)
        return result

    setattr(rooms[room], name, armed)


def _work(dice: random.Random) -> None:
    from django.db import Error, connection
    from django.utils import timezone

    from runs import restoring
    from runs.objects import StorageAway

    while True:
        try:
            connection.close_if_unusable_or_obsolete()
            run_ids = _some(dice)
            if dice.random() < 0.6:
                _archive(run_ids)
            else:
                _restore(run_ids)
            # Restoring that was cut off: sooner than in earnest, also that of the other worker.
            restoring.undo_abandoned(timezone.now() - timedelta(seconds=2), 100)
        except (Error, StorageAway):
            connection.close()
            time.sleep(0.2)


def _some(dice: random.Random) -> list[Any]:
    from runs.models import Run

    everybody = list(Run.objects.order_by("id").values_list("id", flat=True))
    return sorted(dice.sample(everybody, min(len(everybody), dice.randint(1, 40))))


def _archive(run_ids: list[Any]) -> None:
    from runs import archiving

    archiving.archive(run_ids, threads=4)


def _restore(run_ids: list[Any]) -> None:
    from django.db import transaction
    from django.utils import timezone

    from runs import restoring

    fetched = restoring.fetch(run_ids, threads=4)
    now = timezone.now()
    with transaction.atomic():
        restoring.finish(fetched, run_ids, until=now + timedelta(days=1), now=now)


if __name__ == "__main__":
    main()
