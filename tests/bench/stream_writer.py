"""Records events at a steady pace: a process for ``bench_stream``.

Given by argument, as JSON: runs, events a second, seconds, events a commit. Says, as JSON: for
each run {number of its event: time of its commit}, and how far it fell behind its pace.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from runs import live, recorder  # noqa: E402
from runs.rows import NewEvent  # noqa: E402
from runs.states import Kind  # noqa: E402

MESSAGE = "Extracted the text of page 7: 2,412 characters, 3 tables, no handwriting."
_committed = [0.0]


def _note_the_commit(bells: Sequence[live.Bell], ring: Any = live.ring) -> None:
    # The first thing after the commit: what ringing takes counts as latency.
    _committed[0] = time.time()
    ring(bells)


def write(runs: list[uuid.UUID], rate: float, seconds: float, per_commit: int) -> dict[str, Any]:
    live.ring = _note_the_commit
    times: dict[str, dict[int, float]] = defaultdict(dict)
    pause, late = per_commit / rate, 0.0
    begun = time.monotonic()
    for turn in range(int(seconds * rate / per_commit)):
        due = begun + turn * pause
        now = time.monotonic()
        late = max(late, now - due)
        time.sleep(max(0.0, due - now))
        events: dict[uuid.UUID, list[NewEvent]] = defaultdict(list)
        for number in range(turn * per_commit, (turn + 1) * per_commit):
            event = NewEvent(Kind.LOG, node="first", data={"level": "info", "message": MESSAGE})
            events[runs[number % len(runs)]].append(event)
        for run_id, recorded in recorder.record(events, now=timezone.now()).items():
            for seq in range(recorded.first_seq, recorded.last_seq + 1):
                times[str(run_id)][seq] = _committed[0]
    return {"committed": times, "late": late, "took": time.monotonic() - begun}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    given["runs"] = [uuid.UUID(run) for run in given["runs"]]
    recorder.record(
        {given["runs"][0]: [NewEvent(Kind.LOG, node="first", data={"message": "warm"})]},
        now=timezone.now(),
    )
    json.dump(write(**given), sys.stdout)
