"""The Celery tasks of operations: short, and safe to run twice."""

import logging
import uuid

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from runs import doomed
from runs.bulk import exports, operations, work
from runs.engine import hints
from runs.engine.patience import is_passing
from runs.engine.trouble import Trouble
from runs.models import BulkOperation
from runs.models.bulk import BulkState
from runs.objects import StorageAway

logger = logging.getLogger(__name__)
_trouble = Trouble(logger, "bulk operations wait")
_storage = Trouble(logger, "objects in storage wait for their deletion")
# Operations that are woken in one tick.
MOST_WOKEN = 100


@shared_task(name="runs.bulk_work", ignore_result=True)
def bulk_work(operation_id: str) -> None:
    """Some steps; then a message for the next ones, so that operations take turns."""
    try:
        goes_on = work.work(uuid.UUID(operation_id))
    except Exception as error:
        connection.close_if_unusable_or_obsolete()
        if not is_passing(error):
            _tell(operation_id, error)
        # The tick wakes it again.
        _trouble.met(error)
        return
    _trouble.over()
    if goes_on:
        send(operation_id)


@shared_task(name="runs.bulk_count", ignore_result=True)
def bulk_count(operation_id: str) -> None:
    operation = BulkOperation.objects.filter(pk=operation_id).first()
    if operation is not None and operation.is_open:
        operations.count(operation)


@shared_task(name="runs.bulk_tick", ignore_result=True)
def bulk_tick() -> None:
    """Go on with what rests: its message was lost, or its worker."""
    resting = BulkOperation.objects.at_rest(timezone.now() - work.REST)
    for operation_id in list(resting.values_list("pk", flat=True)[:MOST_WOKEN]):
        send(str(operation_id))


@shared_task(name="runs.sweep_storage", ignore_result=True)
def sweep_storage() -> None:
    """Delete what is past its time in storage."""
    now = timezone.now()
    operations.abort_stale(now)
    exports.sweep(now)
    try:
        doomed.sweep(now)
    except Exception as error:  # storages raise whatever their libraries do
        _storage.met(error)
    else:
        _storage.over()


def begin(operation: BulkOperation) -> None:
    """Let workers at it, once the present transaction is committed."""

    def tell() -> None:
        send(str(operation.pk))
        if operation.total is None:
            hints.post(bulk_count, str(operation.pk))

    transaction.on_commit(tell, robust=True)


def send(operation_id: str) -> None:
    hints.post(bulk_work, operation_id)  # else the tick does it


def _tell(operation_id: str, error: Exception) -> None:
    """What is in its way, on its page; it is tried again all the same."""
    if isinstance(error, StorageAway):  # which is said once for all, and not every few seconds
        said = f"Storage does not answer as it should. {error}"
    else:
        logger.exception("bulk operation %s does not move", operation_id)
        said = f"{type(error).__name__}: {error}"
    # Paused or aborted meanwhile, it does not wait for this.
    running = BulkOperation.objects.filter(pk=operation_id, state=BulkState.RUNNING)
    running.update(trouble=said[:500], moved_at=timezone.now())
