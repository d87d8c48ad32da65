"""The engine's Celery tasks."""

from celery import shared_task
from django.utils import timezone

from runs import outbox
from runs.engine import dispatch, rescue, worker


@shared_task(name="runs.execute", ignore_result=True)
def execute(node_id: int) -> None:
    """A hint that a node is ready. Lost or repeated hints do no harm."""
    worker.work_off(node_id)


@shared_task(name="runs.tick", ignore_result=True)
def tick() -> None:
    """The engine's pulse: rescue what stopped, hint at what became due."""
    now = timezone.now()
    rescue.expired_leases(now)
    rescue.missed_deadlines(now)
    dispatch.forget_unheeded(now)
    dispatch.send(dispatch.take(now))


@shared_task(name="runs.prune_outbox", ignore_result=True)
def prune_outbox() -> None:
    outbox.prune_all(timezone.now())
