"""Deleting objects in storage, which no transaction of the database can do.

Whoever takes the last row away that names an object dooms the object in the same transaction; the
sweep deletes it afterwards, however often storage is away. Whoever writes an object dooms it
first, for later, and spares it in the transaction that names it: killed in between, it is swept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from runs import backups, objects
from runs.models import Archive, DoomedObject

logger = logging.getLogger(__name__)

_SPARE = "DELETE FROM doomed_objects WHERE name = ANY(%s) AND tries = 0 RETURNING name"
# Objects that are deleted between two looks at the list: S3 takes as many in one request.
BATCH = 1_000
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)


def doom(
    names: Iterable[str], reason: str, *, now: datetime, after: timedelta = timedelta(0)
) -> None:
    """Let the sweep delete them, not before `after`. Once doomed already, they go by this."""
    rows = [
        DoomedObject(name=name, doomed_at=now, due_at=now + after, reason=reason)
        # In one order: two who doom the same must not wait for each other.
        for name in sorted(names)
    ]
    if not rows:  # as when runs without an archive are deleted
        return
    DoomedObject.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["doomed_at", "due_at", "reason"],
    )


def spare(names: Sequence[str]) -> set[str]:
    """Keep these after all; gives those that are kept. Of the others the sweep has deleted them,
    or is at it."""
    with connection.cursor() as cursor:
        cursor.execute(_SPARE, [sorted(names)])
        return {name for (name,) in cursor.fetchall()}


def sweep(now: datetime, most: int = 20_000) -> int:
    """Delete what is due; gives how many are gone. Not within a transaction: it asks storage, and
    raises StorageAway; what is left then is tried again after a while. Nothing goes for some weeks
    after a restore: a later backup may name it."""
    kept_until = backups.objects_kept_until()
    if kept_until and now < kept_until:
        return 0
    gone = 0
    while gone < most and (names := _taken(now)):
        try:
            objects.delete_many(names)
        except objects.NotDeleted as error:
            _forget(name for name in names if name not in error.names)
            raise
        _forget(names)
        gone += len(names)
    return gone


def _forget(names: Iterable[str]) -> None:
    DoomedObject.objects.filter(pk__in=list(names)).delete()


def _taken(now: datetime) -> list[str]:
    """The next of them. They come again after a while, should this process not get to the end."""
    with transaction.atomic():
        due = list(DoomedObject.objects.due(now).select_for_update(skip_locked=True)[:BATCH])
        for each in due:
            each.due_at = now + min(FIRST_PAUSE * 2 ** min(each.tries, 10), LONGEST_PAUSE)
            each.tries += 1
        DoomedObject.objects.bulk_update(due, ["due_at", "tries"])
        named = _named([each.name for each in due])
    return [each.name for each in due if each.name not in named]


def _named(names: Sequence[str]) -> set[str]:
    """Those that hold a run's only log. None should be doomed; that it is not lost must not hang
    on this alone."""
    named = set(Archive.objects.filter(name__in=names).values_list("name", flat=True))
    if named:
        logger.error("objects were doomed that are in use: %s", ", ".join(sorted(named)[:10]))
        DoomedObject.objects.filter(pk__in=named).delete()
    return named
