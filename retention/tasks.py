"""The Celery tasks of retention: short, and safe to run twice."""

import logging
import uuid

from celery import shared_task
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from retention import nights, pruning, unfinished, work
from retention.models import Execution
from retention.models.execution import ExecutionState
from runs.engine import hints
from runs.engine.clock import clock
from runs.engine.trouble import Trouble

logger = logging.getLogger(__name__)
_database = Trouble(logger, "retention waits for the database")
_unfinished = Trouble(logger, "logs that were left half restored wait")
_nights = Trouble(logger, "no night of retention is begun")
# Executions that are woken in one tick.
MOST_WOKEN = 20


@shared_task(name="retention.tick", ignore_result=True)
def tick() -> None:
    """Begin the night that is due, and go on with what rests: its message was lost, its worker
    killed, or its pause is over."""
    now = timezone.now()
    try:
        clock.keep()
        nights.begin_due(clock.now())
    except Exception as error:  # what rests must not wait for it
        connection.close_if_unusable_or_obsolete()
        _nights.met(error)
    else:
        _nights.over()
    free = Q(taken_until=None) | Q(taken_until__lte=now)
    due = Q(next_at=None, moved_at__lt=now - work.REST) | Q(next_at__lte=now)
    resting = Execution.objects.filter(free, due, state=ExecutionState.RUNNING)
    for execution_id in list(
        resting.order_by("moved_at").values_list("pk", flat=True)[:MOST_WOKEN]
    ):
        send(str(execution_id))


@shared_task(name="retention.work", ignore_result=True)
def work_on(execution_id: str) -> None:
    """A slice; then a message for the next one, so that others have their turn."""
    try:
        worked = work.work(uuid.UUID(execution_id))
    except Exception as error:
        # The tick wakes it again.
        connection.close_if_unusable_or_obsolete()
        _database.met(error)
        return
    _database.over()
    if worked.goes_on:
        send(execution_id)
    for execution in worked.begun:
        send(str(execution.pk))


@shared_task(name="retention.finish_abandoned", ignore_result=True)
def finish_abandoned() -> None:
    try:
        unfinished.finish(timezone.now())
    except Exception as error:
        connection.close_if_unusable_or_obsolete()
        _unfinished.met(error)
    else:
        _unfinished.over()


@shared_task(name="retention.prune", ignore_result=True)
def prune() -> None:
    """What it does not get to, the next one does."""
    pruning.prune(timezone.now())


def begin(execution: Execution) -> None:
    """Let workers at it, once the present transaction is committed."""
    transaction.on_commit(lambda: send(str(execution.pk)), robust=True)


def send(execution_id: str) -> None:
    hints.post(work_on, execution_id)  # else the tick does it
