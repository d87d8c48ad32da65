"""How a soak is run from the command line: what it says as it goes, and at its end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

from tests.bench.stage import Stage, standing
from tests.chaos.processes import Failed

Say = Callable[[str], None]


def run(seed: int, plan: str, soak: Callable[[Stage, Say], list[str]]) -> int:
    """The exit code of `soak`, which gives what is wrong."""
    # Ending goes through all that cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {what}", flush=True)

    say(f"seed {seed}: {plan}")
    try:
        with standing() as at:
            problems = soak(at, say)
    except Failed as failed:
        problems = [str(failed)]
    except KeyboardInterrupt:
        return 130
    if not problems:
        say("all is as it must be")
        return 0
    print(f"\n{len(problems)} things are wrong (seed {seed}):", *problems, sep="\n  ")
    return 1
