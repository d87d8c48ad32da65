"""The integrity check: objects are read again as a whole and compared with what their rows say."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from retention.models import Finding
from retention.taken import Taken
from runs import archiving, canary, coldstore, objects, recorder_archive
from runs.coldstore import Damaged
from runs.models import Archive
from runs.objects import Missing, StorageAway
from runs.objects.together import together

# Objects that one step reads, and bytes of them, about.
BATCH = 100
BATCH_BYTES = 32_000_000
# Of a sample, how many may be objects with which something was wrong already.
MOST_KNOWN = 200
# So many bytes are surely read in a second.
BYTES_A_SECOND = 1_000_000
LOST = "its object is not in storage"
MARKED = "marked; put it back from a backup of storage, and the next check takes the mark away"


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
    if not taken.keep(_longer(archives)):
        return False
    read = judge(archives)
    verdicts = read.verdicts
    # What is not mounted is not lost, unless somebody says so.
    sure = taken.execution.options.get("however_many")
    if not sure and any(each.problem == LOST for each in verdicts):
        canary.same_storage()
    if read.away is not None:
        behind = taken.cursor
        if cursor["phase"] == "known":
            # What is still wrong stays in its place: it is told once.
            told = verdicts[: read.unbroken]
            behind = cursor | ({"behind": str(told[-1].archive.pk)} if told else {})
            verdicts = told + [each for each in verdicts[read.unbroken :] if not each.problem]
        # Those that were read are counted; the others come again.
        _write(taken, behind, verdicts, moved=bool(verdicts))
        raise read.away
    last = archives[-1]
    place = str(last.pk) if cursor["phase"] == "known" else _behind(last)
    on = _write(taken, {"phase": cursor["phase"], "behind": place}, verdicts)
    taken.execution.seen += len(verdicts)
    return on


def _longer(archives: Sequence[Archive]) -> timedelta:
    """For how much longer it must be had because of what is large."""
    return timedelta(seconds=sum(archive.bytes for archive in archives) / BYTES_A_SECOND)


class Read(NamedTuple):
    """What is with each object that could be read; the first `unbroken` follow one another."""

    verdicts: list[Verdict]
    unbroken: int
    away: StorageAway | None


def judge(archives: Sequence[Archive]) -> Read:
    verdicts: list[Verdict] = []
    away: StorageAway | None = None
    unbroken = 0
    tasks = [partial(_judged, archive) for archive in archives]
    for archive, told in zip(archives, together(tasks, archiving.THREADS), strict=True):
        if isinstance(told, StorageAway):
            away = away or told
        elif isinstance(told, Exception):
            raise told
        else:
            verdicts.append(Verdict(archive, told))
            unbroken += away is None
    return Read(verdicts, unbroken, away)


def _judged(archive: Archive) -> str:
    try:
        manifest = coldstore.check(objects.read(archive.name))
        manifest.must_be(archive.sha256, archive.last_seq)
    except Missing:
        return LOST
    except Damaged as error:
        return f"its object is damaged: {error}"
    return ""


def still(verdicts: Sequence[Verdict], *, locked: bool = False) -> list[Verdict]:
    """Without rows that name another object by now, or one that somebody has found whole since, or
    are gone with their runs."""
    read = {each.archive.pk: (each.archive.name, each.archive.verified_at) for each in verdicts}
    rows = Archive.objects.filter(pk__in=read).only("name", "verified_at").order_by("run_id")
    rows = rows.select_for_update(no_key=True) if locked else rows
    same = {row.pk for row in rows if (row.name, row.verified_at) == read[row.pk]}
    return [each for each in verdicts if each.archive.pk in same]


def write(verdicts: Sequence[Verdict], now: datetime) -> list[Verdict]:
    """Let the rows say it that `still` are the same; gives what is wrong. Within a transaction."""
    # As all who change archives do: their runs first, in id order.
    recorder_archive.lock([each.archive.pk for each in verdicts])
    same = still(verdicts, locked=True)
    whole = [each.archive.pk for each in same if not each.problem]
    Archive.objects.filter(pk__in=whole).update(verified_at=now, problem="")
    wrong = [each for each in same if each.problem]
    for each in wrong:
        Archive.objects.filter(pk=each.archive.pk).update(problem=each.problem[:300])
    return wrong


def finding_of(verdict: Verdict, act: str) -> Finding:
    return Finding(
        run_id=verdict.archive.pk,
        object_name=verdict.archive.name,
        problem=verdict.problem[:500],
        act=act,
    )


def _write(
    taken: Taken, cursor: dict[str, Any], verdicts: Sequence[Verdict], *, moved: bool = True
) -> bool:
    with transaction.atomic():
        wrong = write(verdicts, timezone.now())
        count = len(verdicts)
        return taken.commit(
            cursor,
            findings=[finding_of(each, MARKED) for each in wrong],
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
    found = Archive.objects.exclude(problem="").defer("senders").order_by("run_id")
    return found.filter(run_id__gt=uuid.UUID(cursor["behind"])) if "behind" in cursor else found


def _others(taken: Taken, cursor: dict[str, Any]) -> Any:
    """What was verified since it began has been read: by this check, or when it was archived."""
    found = Archive.objects.filter(problem="", verified_at__lt=taken.execution.created_at)
    if "behind" in cursor:
        at, last = datetime.fromisoformat(cursor["behind"][0]), uuid.UUID(cursor["behind"][1])
        found = found.filter(Q(verified_at__gte=at) & (Q(verified_at__gt=at) | Q(run_id__gt=last)))
    return found.defer("senders").order_by("verified_at", "run_id")


def _behind(archive: Archive) -> list[str]:
    return [archive.verified_at.isoformat(), str(archive.pk)]


def _within(archives: list[Archive]) -> list[Archive]:
    total = 0
    for place, archive in enumerate(archives):
        total += archive.bytes
        if place and total > BATCH_BYTES:
            return archives[:place]
    return archives
