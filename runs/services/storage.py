"""Object storage: whether it answers, and whether its disk has room."""

from __future__ import annotations

import time

from runs import objects
from runs.secret_values import masked
from runs.services.finding import Finding, Kind, Status, bytes_words

# Of a folder's disk: free bytes, and the share of all, below which it is degraded.
LEAST_FREE = 1_000_000_000
LEAST_SHARE = 0.05
SLOW_MS = 1000.0


def look() -> Finding:
    """Raises what `runs.objects` raises."""
    begun = time.monotonic()
    seen = objects.look()
    latency = (time.monotonic() - begun) * 1000
    found = Finding("storage", Kind.STORAGE, "Object storage", Status.UP, latency_ms=latency)
    found.words = seen.where
    found.facts = [("Where", seen.where)]
    if seen.free is not None and seen.total:
        found.words = f"{bytes_words(seen.free)} free of {bytes_words(seen.total)}"
        found.facts.append(("Free on its disk", found.words))
        if seen.free < LEAST_FREE or seen.free < LEAST_SHARE * seen.total:
            found.status = Status.DEGRADED
            found.words = f"Nearly full: {found.words}"
            found.act = "Make room on the disk: archives and exports fail when it is full."
    if found.status == Status.UP and latency > SLOW_MS:
        found.status, found.words = Status.DEGRADED, "Answers slowly"
        found.act = "Look at the load of the storage and at the network to it."
    return found


def down(error: Exception) -> Finding:
    known = isinstance(error, objects.StorageAway)
    words = f"Does not answer as it should. {masked(str(error))}" if known else "Does not answer"
    return Finding(
        "storage", Kind.STORAGE, "Object storage", Status.DOWN, words[:400],
        "See what S3_… are set and whether the storage runs. The nightly archive, exports and"
        " archived logs wait for it.",
    )  # fmt: skip
