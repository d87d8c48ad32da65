"""The triggers' Celery tasks. Beat calls them; two at once do no harm."""

import logging
from collections.abc import Callable
from datetime import datetime

from celery import shared_task
from django.db import connection

from runs.engine.clock import clock
from runs.engine.trouble import Trouble
from runs.triggers import firing, listen, schedule

logger = logging.getLogger(__name__)
_schedule_trouble = Trouble(logger, "schedules are not kept")
_listen_trouble = Trouble(logger, "events of runs start nothing")


@shared_task(name="runs.keep_schedules", ignore_result=True)
def keep_schedules() -> None:
    _do(schedule.tick, _schedule_trouble)


@shared_task(name="runs.listen", ignore_result=True)
def listen_to_runs() -> None:
    _do(listen.tick, _listen_trouble)


@shared_task(name="runs.prune_firings", ignore_result=True)
def prune_firings() -> None:
    schedule.take_up(clock.now())
    firing.prune(clock.now())


def _do(step: Callable[[datetime], object], trouble: Trouble) -> None:
    try:
        clock.keep()
        step(clock.now())
    except Exception as error:
        trouble.met(error)
        connection.close_if_unusable_or_obsolete()
    else:
        trouble.over()
