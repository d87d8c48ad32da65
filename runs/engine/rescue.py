"""Takes nodes from workers that fell silent, and refuses runs that waited too long."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from runs import definitions, ids, recorder
from runs.engine import steps
from runs.engine.patience import is_passing
from runs.graph import DefinitionError
from runs.models import Lease, Run, WorkflowVersion
from runs.recorder import Snapshot
from runs.rows import NewEvent
from runs.states import RunState

logger = logging.getLogger(__name__)

BATCH = 200
# A worker ends its node at the timeout by itself; so long after it, it is not waited for.
OVERRUN = timedelta(seconds=2)


def expired_leases(now: datetime) -> int:
    """End attempts whose lease ended; gives how many runs were touched."""
    over = _over(now).order_by("expires_at")
    return _each(list(over.values_list("run_id", flat=True)[:BATCH]), _end_attempts, now)


def ended(worker: str, how: str, now: datetime) -> int:
    """End the attempts of a process of a worker that is known to be no more."""
    held = {
        lease.run_id: (lease.node.key, lease)
        for lease in Lease.objects.filter(worker=worker).select_related("node")[:BATCH]
    }

    def decide(found: Snapshot) -> list[NewEvent]:
        return end(found, *held[found.run.id], now, how)

    return len(recorder.transact(held, decide, now=now))


def missed_deadlines(now: datetime) -> int:
    """Fail queued runs whose start deadline passed."""
    late = Run.objects.filter(state=RunState.CREATED, start_deadline__lt=now)
    run_ids = list(late.order_by("start_deadline").values_list("id", flat=True)[:BATCH])
    return _each(run_ids, _refuse, now)


def _each(
    run_ids: Sequence[uuid.UUID],
    act: Callable[[Sequence[uuid.UUID], datetime], int],
    now: datetime,
) -> int:
    """Do it to all at once; where that fails, one by one: one run must not hold up the others."""
    if not run_ids:
        return 0
    try:
        return act(run_ids, now)
    except Exception as error:
        if is_passing(error):
            raise
    count = 0
    for run_id in dict.fromkeys(run_ids):
        try:
            count += act([run_id], now)
        except Exception as error:
            if is_passing(error):
                raise
            about = {"run_id": ids.encode("run", run_id)}
            logger.exception("run %s cannot be rescued", run_id, extra=about)
    return count


def _over(now: datetime) -> QuerySet[Lease]:
    """Leases that ended before the node's timeout, or with it and some time ago."""
    within = Q(expires_at__lt=F("deadline")) | Q(deadline__lt=now - OVERRUN)
    return Lease.objects.filter(within, expires_at__lt=now)


def _end_attempts(run_ids: Sequence[uuid.UUID], now: datetime) -> int:
    ended: dict[uuid.UUID, tuple[str, Lease]] = {}
    asked = False

    def decide(found: Snapshot) -> list[NewEvent]:
        nonlocal asked
        if not asked:
            asked = True
            # Asked again with the runs locked: a lease may just have been renewed. One a run at a
            # time: the second loss is judged after the first is recorded.
            for lease in _over(now).filter(run__in=run_ids).select_related("node"):
                ended.setdefault(lease.run_id, (lease.node.key, lease))
        if found.run.id not in ended:
            return []
        return end(found, *ended[found.run.id], now)

    return len(recorder.transact(run_ids, decide, now=now))


def end(found: Snapshot, key: str, lease: Lease, now: datetime, how: str = "") -> list[NewEvent]:
    """End the attempt that has this lease; `how` its worker ended, where that is known."""
    try:
        spec = definitions.graph_of(found.run.version_id).nodes[key]
    except DefinitionError as problem:
        number = WorkflowVersion.objects.values_list("number", flat=True)
        error = definitions.error_of(problem, number.get(pk=found.run.version_id))
        return steps.give_up(found, key, lease.attempt, lease.worker, error, now)
    if how:
        return steps.lose(found, spec, lease.attempt, lease.worker, now, how)
    over = steps.lose if lease.expires_at < lease.deadline else steps.overrun
    return over(found, spec, lease.attempt, lease.worker, now)


def _refuse(run_ids: Sequence[uuid.UUID], now: datetime) -> int:
    error = {
        "node": "",
        "kind": "StartDeadline",
        "message": "no worker took up the run before its start deadline",
    }
    return len(recorder.transact(run_ids, lambda found: steps.refuse(found, error), now=now))
