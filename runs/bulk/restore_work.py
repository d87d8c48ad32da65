"""A step of restoring logs, in two phases: objects are fetched, then one transaction puts back
what is in them.

No transaction is open while storage is waited for, so what else may happen meanwhile is this:

- The worker is killed, or storage is away. What was fetched is forgotten, and the next worker
  fetches it again; a long log, of which pieces are back already, is gone on with.
- Another worker does the same step, because this one took long. The first to find the cursor where
  it was moves it; an event that is back already is not put back twice.
- The operation is paused or aborted. Nothing of the step stays, but for pieces of a long log, which
  go back to the archive by themselves.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.utils import timezone

from runs import restoring
from runs.bulk import export_work, progress, selection
from runs.bulk.progress import Moved, Results
from runs.engine.patience import is_passing
from runs.models import BulkOperation
from runs.models.bulk import OutcomeStatus
from runs.restoring import Fetched

logger = logging.getLogger(__name__)


def step(operation: BulkOperation, count: int, begun: float) -> tuple[Moved, int]:
    """The next `count` runs at most, of an operation that was taken."""
    try:
        found = selection.following(operation, count)
        if found.run_ids:
            together = restoring.fits(found.run_ids)
            if together < len(found.run_ids):
                found = selection.cut(found, found.run_ids[:together])
        fetched = restoring.fetch(found.run_ids)
        return _commit(operation, found, fetched, begun)
    except Exception:
        with suppress(Error):
            export_work.own(operation).update(taken_until=None)
        raise


def _commit(
    operation: BulkOperation, found: selection.Next, fetched: Fetched, begun: float
) -> tuple[Moved, int]:
    now = timezone.now()
    with transaction.atomic():
        locked = BulkOperation.objects.select_for_update(of=("self",)).get(pk=operation.pk)
        moved = export_work.verdict(operation, locked)
        if moved is not Moved.ON:
            export_work.own(operation).update(taken_until=None)
            return moved, 0
        if not found.run_ids and not found.gone:
            progress.finish(locked, now)
            return Moved.OUT, 0
        results = Results()
        for run_id in found.gone:
            results.say(run_id, OutcomeStatus.SKIPPED, "it is not there any more")
        until = now + timedelta(days=int(locked.options["days"]))
        if found.run_ids:
            _put_back(found.run_ids, fetched, results, until, now)
        progress.advance(locked, found, results, now, time.monotonic() - begun)
    return Moved.ON, len(results.rows)


def _put_back(
    run_ids: Sequence[uuid.UUID], fetched: Fetched, results: Results, until: datetime, now: datetime
) -> None:
    """All at once; where that fails, one by one: one log that is not whole stops no others."""
    try:
        with transaction.atomic():
            _finish(run_ids, fetched, results, until, now)
        return
    except Exception as error:
        if is_passing(error):
            raise
        logger.warning("restoring goes on run by run: %s", error)
    for run_id in run_ids:
        try:
            with transaction.atomic():
                _finish([run_id], fetched, results, until, now)
        except Exception as error:
            if is_passing(error):
                raise
            logger.warning("run %s is not restored: %s", run_id, error)
            results.say(run_id, OutcomeStatus.FAILED, str(error))


def _finish(
    run_ids: Sequence[uuid.UUID], fetched: Fetched, results: Results, until: datetime, now: datetime
) -> None:
    came = restoring.finish(fetched, run_ids, until=until, now=now)
    for run_id in run_ids:
        if run_id in came.done:
            results.say(run_id, OutcomeStatus.DONE)
            continue
        why = came.skipped.get(run_id, restoring.NOT_AWAY)
        # What can be tried again has failed; what is not archived is none of its business.
        tried = why not in (restoring.NOT_AWAY, restoring.GONE)
        results.say(run_id, OutcomeStatus.FAILED if tried else OutcomeStatus.SKIPPED, why)
