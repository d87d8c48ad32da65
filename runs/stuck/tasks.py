"""The task that looks for stuck runs: short, and safe to run twice."""

import logging

from celery import shared_task
from django.db import DatabaseError, connection
from django.utils import timezone

from runs.engine.trouble import Trouble
from runs.stuck import look, record

_trouble = Trouble(logging.getLogger(__name__), "stuck runs are not kept")


@shared_task(name="runs.find_stuck", ignore_result=True)
def find_stuck() -> None:
    try:
        record.keep(look.look(timezone.now()))
    except DatabaseError as error:
        connection.close_if_unusable_or_obsolete()
        _trouble.met(error)
    else:
        _trouble.over()
