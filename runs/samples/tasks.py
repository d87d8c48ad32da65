from celery import shared_task
from django.utils import timezone

from runs.samples.traffic import start_next


@shared_task(name="samples.traffic", ignore_result=True)
def traffic(interval: int = 6) -> None:
    """`interval` is the beat's own, in seconds: beats within one interval start one run."""
    start_next(int(timezone.now().timestamp()) // interval)
