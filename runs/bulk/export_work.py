"""A step of an export, in two phases: a file is written, then the transaction that names it.

No transaction is open while storage is waited for, so what else may happen meanwhile is this:

- The worker is killed, or storage is away. The file, or what there is of it, was doomed before it
  was begun, and is swept; the next worker makes another one for the same runs.
- Another worker does the same step, because this one took long. Each has a file of its own; the
  first to find the cursor where it was moves it, the other one's file stays doomed.
- The operation is paused or aborted. The file stays doomed.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.db.models import Max
from django.utils import timezone

from runs import doomed, objects
from runs.bulk import parts, progress
from runs.bulk.progress import Moved, Results
from runs.models import BulkOperation, ExportPart
from runs.models.bulk import BulkState, OutcomeStatus

# For how long no other worker begins the same file: longer than one takes, and as long as the
# export rests when a worker was killed.
LEASE = timedelta(seconds=60)
# After what time a file that no transaction names is surely nobody's.
ABANDONED = timedelta(hours=1)


def take(operation: BulkOperation, now: datetime) -> bool:
    """Within the transaction that locked it: whether its next file is this worker's to make."""
    if operation.taken_until and operation.taken_until > now:
        return False
    operation.taken_until = now + LEASE
    own = BulkOperation.objects.filter(pk=operation.pk)
    own.update(taken_until=operation.taken_until, moved_at=now)
    return True


def step(operation: BulkOperation, count: int, begun: float) -> tuple[Moved, int]:
    """The next `count` runs at most, of an operation that was taken."""
    try:
        with parts.make(operation, count) as part:
            name = _keep(operation, part) if part.runs else ""
            return _commit(operation, part, name, begun)
    except Exception:
        with suppress(Error):
            own(operation).update(taken_until=None)
        raise


def _keep(operation: BulkOperation, part: parts.Part) -> str:
    name = _name_of(operation)
    doomed.doom([name], "no export names it", now=timezone.now(), after=ABANDONED)
    if not objects.put_new(name, part.file, part.bytes):
        raise OSError(f"storage has another {name}")
    return name


def _name_of(operation: BulkOperation) -> str:
    """One of its own, by which no other worker can mean another file."""
    kind = operation.options["format"]
    ending = "csv" if kind == "csv" else "ndjson"
    place = f"{operation.visited:010d}-{uuid.uuid4().hex[:12]}"
    return f"exports/{operation.public_id}-{place}.{ending}.gz"


def _commit(
    operation: BulkOperation, part: parts.Part, name: str, begun: float
) -> tuple[Moved, int]:
    now = timezone.now()
    with transaction.atomic():
        found = BulkOperation.objects.select_for_update(of=("self",)).get(pk=operation.pk)
        moved = verdict(operation, found)
        if moved is Moved.ON and not part.found.run_ids and not part.found.gone:
            progress.finish(found, now)
            return Moved.OUT, 0
        if moved is Moved.ON and name and not doomed.spare([name]):
            # It took so long that the sweep took it for abandoned.
            own(operation).update(taken_until=None)
            doomed.doom([name], "it came too late", now=now)
            return Moved.ON, 0
        if moved is not Moved.ON:
            if name:
                doomed.doom([name], "its export went on without it", now=now)
            own(operation).update(taken_until=None)
            return moved, 0
        results = Results()
        for run_id in part.found.gone:
            results.say(run_id, OutcomeStatus.SKIPPED, "it is not there any more")
        for run_id in part.found.run_ids:
            if why := part.failed.get(run_id):
                results.say(run_id, OutcomeStatus.FAILED, why)
            else:
                results.say(run_id, OutcomeStatus.DONE)
        if name:
            _add(found, part, name)
        progress.advance(found, part.found, results, now, time.monotonic() - begun)
    return Moved.ON, len(results.rows)


def verdict(before: BulkOperation, found: BulkOperation) -> Moved:
    """Whether the step may still be counted: by what is locked now, and by what was taken."""
    if found.state != BulkState.RUNNING:
        return Moved.OUT
    where = (before.cursor_at, before.cursor_id, before.visited)
    return Moved.ON if (found.cursor_at, found.cursor_id, found.visited) == where else Moved.BUSY


def own(operation: BulkOperation):  # type: ignore[no-untyped-def]
    """It, as long as no other worker has taken it."""
    return BulkOperation.objects.filter(pk=operation.pk, taken_until=operation.taken_until)


def _add(operation: BulkOperation, part: parts.Part, name: str) -> None:
    last = ExportPart.objects.filter(operation=operation).aggregate(last=Max("number"))["last"]
    ExportPart.objects.create(
        operation=operation,
        number=(last or 0) + 1,
        name=name,
        runs=part.runs,
        events=part.events,
        missing=part.missing,
        bytes=part.bytes,
        unpacked=part.unpacked,
        sha256=part.sha256,
    )
