"""Celery's side of the rollups."""

from celery import shared_task
from django.utils import timezone

from analytics import upkeep


@shared_task(name="analytics.tick")
def tick() -> None:
    """Safe to run twice at once: buckets are taken one by one."""
    upkeep.tick(timezone.now())
