"""The task that looks at the services: short, and safe to run twice."""

import logging

from celery import shared_task
from django.db import DatabaseError, connection
from django.utils import timezone

from runs.engine.trouble import Trouble
from runs.services import probing, record

_trouble = Trouble(logging.getLogger(__name__), "how the services are is not kept")


@shared_task(name="runs.probe_services", ignore_result=True)
def probe_services() -> None:
    seen = probing.look(timezone.now())
    try:
        record.keep(seen)
    except DatabaseError as error:
        connection.close_if_unusable_or_obsolete()
        _trouble.met(error)
    else:
        _trouble.over()
