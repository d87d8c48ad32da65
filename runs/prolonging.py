"""A restored log stays longer: nothing is fetched, only the moment moves at which it leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from runs import recorder_archive
from runs.actors import Actor
from runs.models import Archive, AuditEntry, Run
from runs.states import LogState

NOT_RESTORED = "its log is not in the database as a restored one"
LONGER = "its log stays for longer than that already"


class NotProlonged(Exception):  # noqa: N818  (an answer, not an error)
    """Why it leaves when it would have left."""


def prolong(run: Run, *, days: int, by: Actor, now: datetime, reason: str = "") -> datetime:
    """Let its log stay for so many days from now on, never shorter than it would; gives until when.

    Raises NotProlonged. Whoever archives it locks the same row and looks at the moment again.
    """
    until = now + timedelta(days=days)
    with transaction.atomic():
        recorder_archive.lock([run.pk])
        restored = Archive.objects.filter(pk=run.pk, run__logs=LogState.RESTORED)
        found = restored.values_list("expires_at", flat=True).first()
        if found is None:
            raise NotProlonged(NOT_RESTORED)
        if found > until:
            raise NotProlonged(LONGER)
        Archive.objects.filter(pk=run.pk).update(expires_at=until)
        words = f"until {until:%Y-%m-%d %H:%M %Z}" + (f": {reason}" if reason else "")
        AuditEntry.objects.note(by, "prolong", ("run", run.public_id), words)
    return until
