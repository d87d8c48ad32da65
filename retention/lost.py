"""Archives of which a sweep finds no object in storage, or one of another size.

They are first only noted, and marked when all have been looked at: were they a great part of all,
then this is more likely another storage than that so many were lost. No mark goes by what the
storage says that has none of the archives.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone

from retention import check
from retention.check import Verdict
from retention.models import Execution, Finding
from retention.taken import Taken
from runs import archiving, canary, objects
from runs.models import Archive
from runs.objects import Missing
from runs.objects.together import together

# Objects that are asked for in one step; and so many surely in a second.
ASKED = 200
ASKED_A_SECOND = 10
# Of more than this, and of a greater part of all, a person decides.
FEW, PART = 100, 10


def too_many(some: int, whole: int) -> bool:
    return some > FEW and some * PART > whole


def is_left(execution: Execution, many: bool) -> bool:
    """Whether it is only to tell: in a dry run, or where so `many` are for a person to decide."""
    return execution.dry_run or (many and not execution.options.get("however_many"))


def leave(taken: Taken, then: dict[str, Any], told: Finding | Literal[False]) -> bool:
    """Go on with `then`, and tell why nothing was done."""
    findings = [told] if told else []
    return taken.commit(then, findings=findings, figures={"errors": len(findings)})


def sizes(taken: Taken, names: Sequence[str]) -> dict[str, int | None]:
    """Of the objects, in bytes; None where there is none."""
    taken.keep(timedelta(seconds=len(names) / ASKED_A_SECOND))
    found: dict[str, int | None] = {}
    tasks = [partial(objects.size, name) for name in names]
    for name, told in zip(names, together(tasks, archiving.THREADS), strict=True):
        if isinstance(told, Missing):
            found[name] = None
        elif isinstance(told, Exception):
            raise told
        else:
            found[name] = told
    return found


def verdicts(taken: Taken, archives: Sequence[Archive]) -> list[Verdict]:
    """What is wrong with those that seemed to be: a row may be newer than a list of storage."""
    found = sizes(taken, [archive.name for archive in archives])
    if None in found.values():
        canary.same_storage()
    told = [Verdict(archive, _problem(archive, found[archive.name])) for archive in archives]
    return [each for each in told if each.problem]


def _problem(archive: Archive, size: int | None) -> str:
    if size is None:
        return check.LOST
    if size != archive.bytes:
        return f"its object has {size} bytes, and {archive.bytes} were put"
    return ""


def mark(taken: Taken, cursor: dict[str, Any], then: dict[str, Any]) -> bool:
    """A page of those that were noted; after the last of them it goes on with `then`."""
    execution = taken.execution
    count, whole = execution.report["lost"], execution.report["rows"]
    many = too_many(count, whole)
    if is_left(execution, many):
        return leave(taken, then, many and Finding(
            problem=f"of {count:,} of {whole:,} archives there is no whole object, which is too"
            " many to be lost: is this another storage, or is a part of it not mounted? Begin a"
            " sweep “however many” if they are to be marked",
            act="none of them was marked",
        ))  # fmt: skip
    noted = Finding.objects.filter(
        execution=execution.pk, run_id__isnull=False, id__gt=cursor.get("behind", 0)
    )
    rows = list(noted.order_by("id")[:ASKED])
    if not rows:
        return taken.commit(then)
    # What nothing names is noted too, and has no such row.
    noted_as = {(row.run_id, row.object_name) for row in rows}
    named = Archive.objects.filter(pk__in=[row.run_id for row in rows])
    found = named.only("name", "bytes", "verified_at").order_by("run_id")
    wrong = verdicts(taken, [each for each in found if (each.pk, each.name) in noted_as])
    with transaction.atomic():
        marked = {
            (each.archive.pk, each.archive.name) for each in check.write(wrong, timezone.now())
        }
        done = [row.pk for row in rows if (row.run_id, row.object_name) in marked]
        Finding.objects.filter(pk__in=done).update(act=check.MARKED)
        return taken.commit({**cursor, "behind": rows[-1].pk})
