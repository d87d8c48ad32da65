"""The engine's Celery tasks."""

import logging
from collections.abc import Callable
from datetime import datetime

from celery import shared_task
from django.db import connection
from django.utils import timezone

from runs import outbox
from runs.engine import answers, dispatch, gates, rescue, worker
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


@shared_task(name="runs.execute", ignore_result=True)
def execute(node_id: int) -> None:
    """A hint that a node is ready. Lost or repeated hints do no harm."""
    worker.work_off(node_id)


@shared_task(name="runs.tick", ignore_result=True)
def tick() -> None:
    """The engine's pulse: rescue what stopped, hint at what became due."""
    for step, trouble in _STEPS:
        try:
            step(timezone.now())
        except Exception as error:
            trouble.met(error)
            connection.close_if_unusable_or_obsolete()
        else:
            trouble.over()


@shared_task(name="runs.prune_outbox", ignore_result=True)
def prune_outbox() -> None:
    now = timezone.now()
    outbox.prune_all(now)
    IdempotencyKey.objects.prune(now)
