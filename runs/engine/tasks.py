"""The engine's Celery tasks."""

import logging
import os
from collections.abc import Callable
from datetime import datetime

import billiard
from billiard.pool import EX_RECYCLE
from celery import shared_task
from django.db import connection
from django.utils import timezone

from runs import outbox
from runs.engine import answers, dispatch, gates, rescue, surroundings, worker
from runs.engine.attendant import attendant
from runs.engine.clock import clock
from runs.engine.trouble import Trouble
from runs.models import IdempotencyKey

logger = logging.getLogger(__name__)


def _open_gates(_: datetime) -> None:
    gates.release()


def _hint(now: datetime) -> None:
    dispatch.send(dispatch.take(now))


# None of these may keep the others from their turn.
_STEPS: tuple[tuple[Callable[[datetime], object], Trouble], ...] = (
    (rescue.expired_leases, Trouble(logger, "lost work is not rescued")),
    (rescue.missed_deadlines, Trouble(logger, "start deadlines are not kept")),
    (answers.overdue, Trouble(logger, "questions past their time are not decided")),
    (dispatch.forget_unheeded, Trouble(logger, "lost hints are not sent again")),
    (_open_gates, Trouble(logger, "limits let nothing in")),
    (_hint, Trouble(logger, "hints are not sent")),
)


def _make_room(why: str) -> None:
    """End this process of a pool, which starts another in its place."""
    if billiard.current_process().name == "MainProcess":
        return
    logger.warning("this worker process ends and is replaced: %s", why)
    attendant.stop()
    connection.close()
    os._exit(EX_RECYCLE)


@shared_task(name="runs.execute", ignore_result=True)
def execute(node_id: int) -> None:
    """A hint that a node is ready. Lost or repeated hints do no harm."""
    worker.work_off(node_id)
    if why := surroundings.spent():
        _make_room(why)


@shared_task(name="runs.tick", ignore_result=True)
def tick() -> None:
    """The engine's pulse: rescue what stopped, hint at what became due."""
    for step, trouble in _STEPS:
        try:
            clock.keep()
            step(clock.now())
        except Exception as error:
            trouble.met(error)
            connection.close_if_unusable_or_obsolete()
        else:
            trouble.over()


@shared_task(name="runs.process_ended", ignore_result=True)
def process_ended(worker: str, how: str) -> None:
    """What a process of a worker was at when it ended needs no longer wait for its lease."""
    if rescue.ended(worker, how, clock.now()):
        _hint(clock.now())


@shared_task(name="runs.prune_outbox", ignore_result=True)
def prune_outbox() -> None:
    now = timezone.now()
    outbox.prune_all(now)
    IdempotencyKey.objects.prune(now)
