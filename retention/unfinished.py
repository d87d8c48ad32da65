"""Logs that were left half restored or half archived: brought to an end by day too, and where
nights are off. A night does the same for all of them, whatever is wrong with their objects."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from retention.archive_work import ABANDONED
from runs import archiving, canary, ids, restoring
from runs.engine.patience import is_passing
from runs.models import BulkOperation, Run
from runs.models.bulk import BulkKind, BulkState
from runs.objects import StorageAway
from runs.states import LogState

logger = logging.getLogger(__name__)

# Runs that are looked at in one go, and seconds after which no more of them is begun.
MOST = 20
SECONDS = 20.0
# What was verified for archiving more lately may be in somebody's hands.
RESTS = timedelta(hours=1)


def finish(now: datetime) -> int:
    """Gives how many are archived again. Not within a transaction. Raises what storage raises when
    it is away."""
    if not _are_restored():
        restoring.undo_abandoned(now - ABANDONED, MOST)
    # What is damaged waits until a check has found it whole, or for the night.
    left = Run.objects.filter(
        logs=LogState.ARCHIVING, archive__verified_at__lt=now - RESTS, archive__problem=""
    )
    run_ids = list(left.order_by("id").values_list("id", flat=True)[:MOST])
    if run_ids:
        canary.same_storage()
    archived, end = 0, time.monotonic() + SECONDS
    for run_id in run_ids:
        try:
            archived += len(archiving.archive([run_id]).archived)
        except Exception as error:
            if isinstance(error, StorageAway) or is_passing(error):
                raise
            # It must not keep the others.
            logger.exception("%s stays half archived", ids.encode("run", run_id))
        if time.monotonic() > end:
            break
    return archived


def _are_restored() -> bool:
    """One that waits for storage comes back to what it has begun, and would not find it."""
    going = BulkOperation.objects.filter(state=BulkState.RUNNING, kind=BulkKind.RESTORE)
    return going.exists()
