"""Archived logs as all APIs read and restore them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.urls import reverse

from runs import prolonging, restore_days, whole_log
from runs.actors import Actor
from runs.api.problems import Conflict, LogArchived
from runs.bulk import operations, tasks
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind
from runs.states import LogState
from runs.views.run_history import Filter
from runs.whole_log import Entry, TooLong, WholeLog

# Bytes of the data of one answer's events, as text; it ends early rather than hold more.
ANSWER_BYTES = 4_000_000


def read_log(run: Run, *, at_once: bool = True) -> WholeLog:
    """Its log for an answer that is whole or none; raises LogArchived where that is not given.
    `at_once`: somebody waits for it, so that a long one is not given either."""
    try:
        log = whole_log.opened(run, at_once=at_once)
    except TooLong as error:
        raise archived(run, f"It cannot be answered: {error}.") from None
    if log.problem:
        why = f"It cannot be answered: {log.problem}."
        raise archived(run, why, "Put the object back from a backup of storage, then restore it.")
    return log


def archived(run: Run, why: str, act: str = "Restore the log first.") -> LogArchived:
    restore = reverse("api:run-restore", args=[run.public_id])
    return LogArchived(f"{why} {act}", run.logs, restore)


class ArchivedEvents:
    """Events of an archived log, in the place of a query of those in the database."""

    def __init__(self, log: WholeLog, chosen: Filter) -> None:
        self._log, self._chosen = log, chosen

    def page_after(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """As EventPages has it."""
        found: list[Entry] = []
        total = 0
        for line in self._log.lines():
            if line.seq <= after or not self._chosen.fits(line):
                continue
            total += len(line.data)
            if len(found) == limit or (found and total > ANSWER_BYTES):
                return found, found[-1].seq
            found.append(line.read())
        return found, None


def restore(
    run: Run, given: dict[str, Any], *, by: Actor, now: datetime, reason: str = ""
) -> BulkOperation:
    """Begin to restore the log of one run; gives the operation that does it."""
    if run.logs == LogState.RESTORED:
        path = reverse("api:run-prolong", args=[run.public_id])
        raise Conflict(f"Its log is restored already; {path} (runs.prolong) keeps it for longer.")
    if run.has_log:
        raise Conflict("Its log is not archived.")
    try:
        options = {name: given[name] for name in ("days",) if given.get(name)}
        operation = operations.make(
            BulkKind.RESTORE, by=by, now=now, chosen=[run.pk], reason=reason, options=options
        )
    except operations.NotPossible as error:
        raise Conflict(str(error)) from None
    tasks.begin(operation)
    return operation


def prolong(
    run: Run, given: dict[str, Any], *, by: Actor, now: datetime, reason: str = ""
) -> uuid.UUID:
    """Keep a restored log for longer; gives the run."""
    days = given.get("days") or restore_days.usual()
    try:
        prolonging.prolong(run, days=days, by=by, now=now, reason=reason)
    except prolonging.NotProlonged as error:
        raise Conflict(f"Nothing was changed: {error}.") from None
    return run.pk
