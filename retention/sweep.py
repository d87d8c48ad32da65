"""The orphan sweep: storage and the database name by name, both ways.

Objects that nothing names are first only noted, and doomed at the end, a day ahead: were they a
great part of all, then this is more likely another portal's storage, or a database that was
restored from before. Where it is known to be restored, they are kept for some weeks. Whoever writes
an object dooms it before, and names it in the transaction that spares it, so one look at both
tables tells what is nobody's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from retention import check, lost
from retention.models import Finding
from retention.taken import Taken
from runs import archive_names, backups, canary, doomed, ids, objects
from runs.models import Archive, ExportPart

PREFIXES = ARCHIVE, EXPORTS = archive_names.PREFIX, "exports/"
# Names that are compared in one step.
PAGE = 1_000
# What nobody names is kept for so long after it was found.
GRACE = timedelta(days=1)
NOBODYS = "nothing names it"
STRANGE = "it is none of the portal's, by its name"
LOST = check.LOST
# As `runs.bulk.export_work` calls them.
_PART = re.compile(EXPORTS + r"(bulk_[0-9a-z]{26})-[0-9]{10,19}-[0-9a-f]{12}\.(?:csv|ndjson)\.gz")

# By bytes, whatever the database's collation is: as storage orders names. There is such an index.
_ROWS = """
SELECT run_id, name, bytes, verified_at FROM archives WHERE name ~>~ %s AND name ~<=~ %s
ORDER BY name USING ~<~ LIMIT %s
"""
# After every name that begins with the prefix.
_END = "\uffff"
# One statement sees both tables at one instant.
_NOBODYS_ARCHIVES = """
SELECT name FROM unnest(%s::text[]) AS given(name)
WHERE NOT EXISTS (SELECT FROM archives WHERE archives.name = given.name)
    AND NOT EXISTS (SELECT FROM doomed_objects WHERE doomed_objects.name = given.name)
"""
_NOBODYS_PARTS = """
SELECT name FROM unnest(%s::text[], %s::uuid[]) AS given(name, operation)
WHERE NOT EXISTS (SELECT FROM export_parts
        WHERE operation_id = given.operation AND export_parts.name = given.name)
    AND NOT EXISTS (SELECT FROM doomed_objects WHERE doomed_objects.name = given.name)
"""


def step(taken: Taken) -> bool:
    if not taken.cursor:
        canary.same_storage()
    cursor = taken.cursor or {"phase": "archives"}
    return _STEPS[cursor["phase"]](taken, cursor)


# -- Archives: both ways at once -------------------------------------------------------------


def _archives(taken: Taken, cursor: dict[str, Any]) -> bool:
    after = cursor.get("behind", "")
    listed = dict(islice(objects.names(ARCHIVE, after), PAGE))
    upto = max(listed) if len(listed) == PAGE else _END
    rows = _rows(after, upto)
    if len(rows) == PAGE:
        upto = rows[-1].name
        listed = {name: size for name, size in listed.items() if name <= upto}
    named = {row.name for row in rows}
    findings = _unnamed([name for name in listed if name not in named], _nobodys_archives)
    unlike = [row for row in rows if listed.get(row.name) != row.bytes]
    wrong = check.still(lost.verdicts(taken, unlike))
    counts = _counts(findings) | {"rows": len(rows), "lost": len(wrong)}
    report = _report(taken, objects=len(listed), **counts)
    return taken.commit(
        {"phase": "archives", "behind": upto} if upto != _END else {"phase": "lost"},
        findings=findings + [check.finding_of(each, "") for each in wrong],
        report=report,
        figures={"seen": len(listed), "bytes": sum(listed.values()), "errors": len(wrong)},
    )


def _rows(after: str, upto: str) -> list[Archive]:
    return list(Archive.objects.raw(_ROWS, [after, upto, PAGE]))


def _nobodys_archives(names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_NOBODYS_ARCHIVES, [list(names)])
        return {name for (name,) in cursor.fetchall()}


def _lost(taken: Taken, cursor: dict[str, Any]) -> bool:
    return lost.mark(taken, cursor, {"phase": "exports"})


# -- Exports: few, and each with a time of its own -------------------------------------------


def _exports(taken: Taken, cursor: dict[str, Any]) -> bool:
    listed = dict(islice(objects.names(EXPORTS, cursor.get("behind", "")), PAGE))
    findings = _unnamed(list(listed), _nobodys_parts)
    report = _report(taken, objects=len(listed), **_counts(findings))
    behind = {"phase": "exports", "behind": max(listed)} if len(listed) == PAGE else None
    return taken.commit(
        behind or {"phase": "parts"},
        findings=findings,
        report=report,
        figures={"seen": len(listed), "bytes": sum(listed.values())},
    )


def _operation_of(name: str) -> uuid.UUID | None:
    """The export that a file's name tells; None for what is none of ours."""
    found = _PART.fullmatch(name)
    return ids.decode("bulk", found[1]) if found else None


def _nobodys_parts(names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_NOBODYS_PARTS, [list(names), [_operation_of(name) for name in names]])
        return {name for (name,) in cursor.fetchall()}


def _parts(taken: Taken, cursor: dict[str, Any]) -> bool:
    parts = list(
        ExportPart.objects.filter(id__gt=cursor.get("behind", 0)).order_by("id")[: lost.ASKED]
    )
    if not parts:
        return taken.commit({"phase": "doom"})
    found = lost.sizes(taken, [part.name for part in parts])
    # What went with its row meanwhile is not lost.
    missing = [part.pk for part in parts if found[part.name] is None]
    still = ExportPart.objects.filter(pk__in=missing)
    findings = [
        Finding(object_name=part.name, problem="this file of an export is not in storage")
        for part in still.order_by("id")
    ]
    report = _report(taken, lost=len(findings))
    behind = {"phase": "parts", "behind": parts[-1].pk}
    return taken.commit(behind, findings=findings, report=report, figures={"errors": len(findings)})


# -- What is nobody's ------------------------------------------------------------------------


def _unnamed(names: Sequence[str], nobodys: Callable[[Sequence[str]], set[str]]) -> list[Finding]:
    ours = [name for name in names if archive_names.run_of(name) or _operation_of(name)]
    found = nobodys(ours) if ours else set()
    # What has no name of ours is somebody's who put it there.
    strange = sorted(set(names) - set(ours))
    return [
        *(_finding_of(name) for name in ours if name in found),
        *(Finding(object_name=n[:300], problem=STRANGE, act="left alone") for n in strange),
    ]


def _finding_of(name: str) -> Finding:
    return Finding(object_name=name, run_id=archive_names.run_of(name), problem=NOBODYS)


def _doom(taken: Taken, cursor: dict[str, Any]) -> bool:
    execution = taken.execution
    report = _report(taken)
    many = lost.too_many(report["orphans"], report["objects"])
    if lost.is_left(execution, many):
        return lost.leave(taken, {"phase": "leftovers"}, many and Finding(
            problem=f"nothing names {report['orphans']:,} of {report['objects']:,} objects, which"
            " is too many to be left over: is this another portal's storage, or was the database"
            " restored from before? Begin a sweep “however many” if they are to go",
            act="nothing was deleted",
        ))  # fmt: skip
    found = Finding.objects.filter(
        execution=execution.pk, problem=NOBODYS, id__gt=cursor.get("behind", 0)
    )
    rows = list(found.order_by("id")[:PAGE])
    if not rows:
        return taken.commit({"phase": "leftovers"})
    archives = [row.object_name for row in rows if row.object_name.startswith(ARCHIVE)]
    parts = [row.object_name for row in rows if row.object_name.startswith(EXPORTS)]
    now = timezone.now()
    with transaction.atomic():
        # Somebody may have put and named it since.
        names = _nobodys_archives(archives) | _nobodys_parts(parts)
        after = _grace(now)
        doomed.doom(names, f"nothing names it ({execution.public_id})", now=now, after=after)
        done = [row.pk for row in rows if row.object_name in names]
        when = "in a day" if after == GRACE else f"on {now + after:%Y-%m-%d}, after the restore"
        Finding.objects.filter(pk__in=done).update(act=f"it is deleted {when}")
        report["doomed"] += len(names)
        return taken.commit({"phase": "doom", "behind": rows[-1].pk}, report=report)


def _grace(now: datetime) -> timedelta:
    """A database that was restored from before does not name what came later, and that may still
    be wanted: by a later backup, or by the portal whose storage this is."""
    kept_until = backups.objects_kept_until()
    return GRACE if kept_until is None else max(GRACE, kept_until - now)


def _leftovers(taken: Taken, cursor: dict[str, Any]) -> bool:
    """What writers that were killed left behind and is no object."""
    if taken.execution.dry_run:
        return False
    before = timezone.now() - GRACE
    prefix, count = cursor.get("prefix", ARCHIVE), 0
    for place, dropped in objects.drop_unfinished(prefix, before, cursor.get("behind", "")):
        count += dropped
        # There may be a folder for each of many days.
        if place and taken.is_over:
            on = {"phase": "leftovers", "prefix": prefix, "behind": place}
            return taken.commit(on, report=_report(taken, leftovers=count))
    on = {"phase": "leftovers", "prefix": EXPORTS}
    came = taken.commit(on, report=_report(taken, leftovers=count))
    return came and prefix == ARCHIVE


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    orphans = sum(finding.problem == NOBODYS for finding in findings)
    return {"orphans": orphans, "strange": len(findings) - orphans}


def _report(taken: Taken, **added: int) -> dict[str, int]:
    names = ("objects", "rows", "orphans", "strange", "lost", "doomed", "leftovers")
    before = taken.execution.report
    return {name: before.get(name, 0) + added.get(name, 0) for name in names}


_STEPS: dict[str, Callable[[Taken, dict[str, Any]], bool]] = {
    "archives": _archives,
    "lost": _lost,
    "exports": _exports,
    "parts": _parts,
    "doom": _doom,
    "leftovers": _leftovers,
}
