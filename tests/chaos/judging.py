"""What came to the clients against what is in the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.chaos.listeners import digest
from tests.runs.streams.client import Event, differences

# Of one client, said at most; more of the same helps nobody.
MOST = 5

Log = Sequence[Mapping[str, Any]]


def stored_logs() -> dict[str, Log]:
    """Each run's log as it has to arrive: the numbers, and what each event says."""
    from runs import ids, live
    from runs.models import Event as Row
    from runs.states import STREAM_NAMES

    logs: dict[str, list[dict[str, Any]]] = {}
    for row in Row.objects.order_by("run_id", "seq").iterator(5_000):
        said = digest(STREAM_NAMES[row.kind], live.public_event(row))
        logs.setdefault(ids.encode("run", row.run_id), []).append({"seq": row.seq, "says": said})
    return logs


def of_logs(logs: Mapping[str, Log]) -> list[str]:
    """The numbers of each log must be 1, 2, 3 … themselves."""
    return [
        f"{run}: the table has no gapless log"
        for run, log in logs.items()
        if [event["seq"] for event in log] != list(range(1, len(log) + 1))
    ]


def of_client(name: str, received: Iterable[tuple[int | None, str]], log: Log) -> list[str]:
    """How the sequence that came to a client differs from its run's log."""
    came = [Event(seq, "", {"seq": seq, "says": says}, 0.0) for seq, says in received]
    return _shortened(name, differences(came, log))


def of_page(name: str, shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Runs of whose last change a page was not told."""
    wrong = [run for run in wanted if shown.get(run) != wanted[run]]
    return _shortened(name, [f"{run} shows {shown.get(run)}, is {wanted[run]}" for run in wrong])


def of_commits(stored: Mapping[str, int], told: Mapping[str, int]) -> list[str]:
    """Commits that are missing, doubled or halved, or nobody's; by the writers' own account."""
    found = [
        f"commit {tag}: {stored.get(tag, 0)} events stored, {count} written"
        for tag, count in told.items()
        if stored.get(tag, 0) != count
    ]
    found += [f"commit {tag}: nobody's" for tag in stored if tag not in told]
    return _shortened("the table", found)


def stored_commits() -> dict[str, int]:
    from runs.models import Event as Row

    return dict(Counter(Row.objects.exclude(kind="run_created").values_list("actor", flat=True)))


def _shortened(name: str, found: list[str]) -> list[str]:
    more = [f"{name}: and {len(found) - MOST} more"] if len(found) > MOST else []
    return [f"{name}: {what}" for what in found[:MOST]] + more
