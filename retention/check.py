"""The integrity check: objects are read again as a whole and compared with what their rows say."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from retention.models import Finding
from retention.taken import Taken
from runs import archiving, coldstore, objects
from runs.coldstore import Damaged
from runs.models import Archive
from runs.objects import Missing, StorageAway

# Objects that one step reads, and bytes of them, about.
BATCH = 100
BATCH_BYTES = 32_000_000
# Of a sample, how many may be objects with which something was wrong already.
MOST_KNOWN = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    archive: Archive
    # "" where it is whole.
    problem: str


def step(taken: Taken) -> bool:
    """First those with which something was wrong, to see whether it still is; then the others,
    those before all that were read longest ago."""
    cursor = taken.cursor or {"phase": "known"}
    most = taken.execution.options.get("most")
    left = None if most is None else most - taken.execution.seen
    if left is not None and left <= 0:
        return False
    found = _known(cursor) if cursor["phase"] == "known" else _others(taken, cursor)
    if cursor["phase"] == "known" and most is not None:
        left = min(left or 0, max(0, min(MOST_KNOWN, most) - taken.execution.seen))
    archives = _within(list(found[: BATCH if left is None else min(BATCH, left)]))
    if not archives:
        return cursor["phase"] == "known" and taken.commit({"phase": "others"})
    verdicts, away = judge(archives)
    count = len(verdicts)
    if away is not None:
        # Those that were read are counted; the others come again.
        _write(taken, taken.cursor, verdicts, moved=bool(count))
        raise away
    last = archives[-1]
    behind = str(last.pk) if cursor["phase"] == "known" else _behind(last)
    on = _write(taken, {"phase": cursor["phase"], "behind": behind}, verdicts)
    taken.execution.seen += count
    return on


def judge(archives: Sequence[Archive]) -> tuple[list[Verdict], StorageAway | None]:
    """What is with each object. Where storage went away, those that were read before."""
    verdicts: list[Verdict] = []
    away: StorageAway | None = None
    with ThreadPoolExecutor(archiving.THREADS) as pool:
        for archive, told in zip(archives, pool.map(_judged, archives), strict=True):
            if isinstance(told, StorageAway):
                away = told
            else:
                verdicts.append(Verdict(archive, told))
    return verdicts, away


def _judged(archive: Archive) -> str | StorageAway:
    try:
        told = coldstore.check(objects.read(archive.name))
    except Missing:
        return "its object is not in storage"
    except Damaged as error:
        return f"its object is damaged: {error}"
    except StorageAway as error:
        return error
    if told.sha256 != archive.sha256 or told.last_seq != archive.last_seq:
        return "its object is another one than was put there"
    return ""


def write(verdicts: Sequence[Verdict], now: datetime) -> list[Verdict]:
    """Let the rows say it; gives what is wrong. Rows that name another object by now, or one that
    somebody has found whole since, or are gone with their runs, are passed over. Within a
    transaction."""
    read = {each.archive.pk: (each.archive.name, each.archive.verified_at) for each in verdicts}
    rows = Archive.objects.filter(pk__in=read).order_by("run_id").select_for_update(no_key=True)
    same = {row.pk for row in rows if (row.name, row.verified_at) == read[row.pk]}
    whole = [each.archive.pk for each in verdicts if not each.problem and each.archive.pk in same]
    Archive.objects.filter(pk__in=whole).update(verified_at=now, problem="")
    wrong = [each for each in verdicts if each.problem and each.archive.pk in same]
    for each in wrong:
        Archive.objects.filter(pk=each.archive.pk).update(problem=each.problem[:300])
    return wrong


def finding_of(verdict: Verdict) -> Finding:
    return Finding(
        run_id=verdict.archive.pk,
        object_name=verdict.archive.name,
        problem=verdict.problem[:500],
        act="marked; put it back from a backup of storage, and the next check takes the mark away",
    )


def _write(
    taken: Taken, cursor: dict[str, Any], verdicts: Sequence[Verdict], *, moved: bool = True
) -> bool:
    with transaction.atomic():
        wrong = write(verdicts, timezone.now())
        count = len(verdicts)
        return taken.commit(
            cursor,
            findings=[finding_of(each) for each in wrong],
            moved=moved,
            figures={
                "seen": count,
                "verified": sum(not each.problem for each in verdicts),
                "errors": len(wrong),
                "bytes": sum(each.archive.bytes for each in verdicts),
                "unpacked_bytes": sum(
                    each.archive.unpacked for each in verdicts if not each.problem
                ),
            },
        )


def _known(cursor: dict[str, Any]) -> Any:
    found = Archive.objects.exclude(problem="").order_by("run_id")
    return found.filter(run_id__gt=uuid.UUID(cursor["behind"])) if "behind" in cursor else found


def _others(taken: Taken, cursor: dict[str, Any]) -> Any:
    """What was verified since it began has been read: by this check, or when it was archived."""
    found = Archive.objects.filter(problem="", verified_at__lt=taken.execution.created_at)
    if "behind" in cursor:
        at, last = datetime.fromisoformat(cursor["behind"][0]), uuid.UUID(cursor["behind"][1])
        found = found.filter(Q(verified_at__gte=at) & (Q(verified_at__gt=at) | Q(run_id__gt=last)))
    return found.order_by("verified_at", "run_id")


def _behind(archive: Archive) -> list[str]:
    return [archive.verified_at.isoformat(), str(archive.pk)]


def _within(archives: list[Archive]) -> list[Archive]:
    total = 0
    for place, archive in enumerate(archives):
        total += archive.bytes
        if place and total > BATCH_BYTES:
            return archives[:place]
    return archives
