"""What a run's page says of an archived log: where it is, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from runs import restore_days, whole_log
from runs.actors import Actor
from runs.bulk import operations, tasks
from runs.models import Archive, BulkOperation, Run
from runs.models.bulk import BulkKind, BulkState
from runs.objects import StorageAway
from runs.states import LogState
from runs.whole_log import TooLong, WholeLog

# A restoring that has not moved for so long, and that no operation names, may be asked for anew.
STALLED = timedelta(minutes=2)


class Unreadable(Exception):  # noqa: N818  (an answer, not an error)
    """Why an archived log is not read for the page."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


@dataclass(frozen=True, slots=True)
class Archived:
    """Of a run whose log has been archived, wherever its events are now."""

    run: Run
    # None where nothing is known of its object.
    archive: Archive | None
    # What is about to bring it back.
    operation: BulkOperation | None
    # For how many days it comes back.
    days: int
    # It came back while the page was made, which shows the run as it was before.
    has_returned: bool = False
    # Some of its events came back, and nobody seems to go on with the others.
    is_stalled: bool = False

    @property
    def is_away(self) -> bool:
        return not self.run.has_log

    @property
    def is_coming(self) -> bool:
        """Whether there is nothing to ask for: it is about to come back, or has just done so."""
        return self.operation is not None or self.has_returned

    @property
    def is_moving(self) -> bool:
        """Whether it is on its way, so that the page looks again by itself."""
        if self.is_away and self.is_coming:
            return True
        on_its_way = self.run.logs in (LogState.ARCHIVING, LogState.RESTORING)
        return on_its_way and not self.is_broken and not self.is_stalled

    @property
    def is_restoring(self) -> bool:
        return self.is_moving and not self.is_archiving

    @property
    def is_broken(self) -> bool:
        """Its object was not whole when it was looked at last: whoever archives or restores it
        does not get to the end. One that is asked for again may have been mended."""
        return self.is_away and not self.is_coming and bool(self.archive and self.archive.problem)

    @property
    def has_lost_object(self) -> bool:
        """Its object is not whole, and is not needed: the events are all here."""
        return not self.is_away and bool(self.archive and self.archive.problem)

    @property
    def told(self) -> str:
        """Another one wherever the page says something else of the log."""
        said = {"coming": self.is_coming, "moving": self.is_moving, "broken": self.is_broken}
        said |= {"trouble": bool(self.trouble), "stalled": self.is_stalled}
        return " ".join([self.run.logs, *(word for word, is_so in said.items() if is_so)])

    @property
    def can_prolong(self) -> bool:
        return self.run.logs == LogState.RESTORED and bool(self.archive and self.archive.expires_at)

    @property
    def is_archiving(self) -> bool:
        return self.run.logs == LogState.ARCHIVING

    @property
    def can_restore(self) -> bool:
        """Whether there is something to ask for."""
        return not self.is_coming and (self.run.can_restore or self.is_stalled)

    @property
    def last_seq(self) -> int:
        """The last event that is not in the database; 0: all are."""
        return self.archive.last_seq if self.is_away and self.archive else 0

    @property
    def late(self) -> int:
        """Events that came after archiving."""
        return self.run.last_seq - self.last_seq if self.last_seq else 0

    @property
    def trouble(self) -> str:
        return self.operation.trouble if self.operation and self.is_away else ""

    @property
    def operation_url(self) -> str:
        if self.operation is None:
            return ""
        return reverse("bulk_operation", args=[self.operation.public_id])

    def has(self, seq: int | None) -> bool:
        """Whether this event is in the object alone."""
        return seq is not None and self.is_away and (not self.archive or seq <= self.last_seq)


def archived(run: Run, now: datetime) -> Archived | None:
    """None for a run whose log never left."""
    if run.logs == LogState.LIVE:
        return None
    archive = Archive.objects.filter(pk=run.pk).defer("senders").first()
    operation = restoring(run)
    has_returned = not run.has_log and operation is None and _has_returned(run)
    is_stalled = (
        run.logs == LogState.RESTORING
        and operation is None
        and not has_returned
        and not _moves(archive, now)
    )
    return Archived(run, archive, operation, restore_days.usual(), has_returned, is_stalled)


def _moves(archive: Archive | None, now: datetime) -> bool:
    """An operation by a filter does not name the run, but each piece that it puts back shows."""
    if archive is None or archive.problem:
        return False
    return archive.restored_at is not None and archive.restored_at > now - STALLED


def restore(run: Run, *, by: Actor, now: datetime) -> bool:
    """Have it brought back, unless that is under way. False: there is nothing to bring back."""
    with transaction.atomic():
        # Of two clicks at once the second one finds the operation of the first.
        locked = Run.objects.select_for_update(no_key=True).filter(pk=run.pk).first()
        log = archived(locked, now) if locked else None
        if log is None or not (log.operation or log.can_restore):
            return False
        if log.operation is None:
            tasks.begin(operations.make(BulkKind.RESTORE, by=by, now=now, chosen=[run.pk]))
    return True


def _has_returned(run: Run) -> bool:
    """The operation may have ended after the run was read: nothing else would look again."""
    now = Run.objects.only("logs").filter(pk=run.pk).first()
    return now is not None and now.has_log


def restoring(run: Run) -> BulkOperation | None:
    """The operation on this very run that brings its log back; by the index of running ones."""
    if run.has_log:
        return None
    going = BulkOperation.objects.filter(state=BulkState.RUNNING, kind=BulkKind.RESTORE)
    return going.filter(chosen__contains=[run.pk]).order_by("created_at").first()


def read(run: Run) -> WholeLog:
    """Its log, from storage if need be, for somebody who waits. Raises Unreadable."""
    try:
        log = whole_log.opened(run, at_once=True)
    except TooLong as error:
        raise Unreadable(_sentence(f"{error}: restore it first"), 409) from None
    except StorageAway:
        said = "Storage, where the log is archived, does not answer now. Try again later."
        raise Unreadable(said, 503) from None
    if log.problem:
        raise Unreadable(_sentence(log.problem), 409)
    return log


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
