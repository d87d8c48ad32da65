"""An execution's work, slice by slice: whoever is killed, the next one goes on."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.db import Error
from django.utils import timezone

from retention import archive_work, check, dry_run, expected, sweep, taken
from retention.models import Execution
from retention.models.execution import ExecutionKind
from retention.taken import Taken
from runs.context import stamp
from runs.engine.clock import clock
from runs.engine.patience import is_passing
from runs.objects import StorageAway

logger = logging.getLogger(__name__)

# Seconds for which a task works on before it makes room for other work of its queue.
SLICE = 2.0
# Of what was in an execution's way, so many times are kept.
MOST_WAITS = 20
# One that has moved less lately than this may have lost its message.
REST = timedelta(seconds=5)


class Worked(NamedTuple):
    """Whether a message is to be sent for it, and what was begun after it."""

    goes_on: bool = False
    begun: tuple[Execution, ...] = ()


_STEPS: dict[str, Callable[[Taken], bool]] = {
    ExecutionKind.ARCHIVE: archive_work.step,
    ExecutionKind.SWEEP: sweep.step,
    ExecutionKind.CHECK: check.step,
}


def _before_it_starts(execution: Execution) -> None:
    # What is due goes by when it was begun: a host whose clock is ahead must not make due what is
    # not, and have it deleted.
    clock.keep()
    execution.created_at = min(execution.created_at, clock.now())
    if execution.expected is None:
        execution.expected = there = expected.of(execution)
        most = execution.options.get("most")
        if execution.kind == ExecutionKind.CHECK and there is not None:
            execution.report = {"there": there}
            execution.expected = there if most is None else min(there, most)
    execution.save(update_fields=["created_at", "expected", "report"])


def _remember(mine: Taken) -> None:
    """What was in its way until now, for its record: the first step that succeeds takes the
    trouble away."""
    execution = mine.execution
    if not execution.trouble or execution.trouble_since is None:
        return
    since = stamp(execution.trouble_since)
    before = [each for each in execution.waits or [] if each["since"] != since]
    now = {"since": since, "until": stamp(timezone.now()), "why": execution.trouble}
    execution.waits = [*before, now][-MOST_WAITS:]
    execution.save(update_fields=["waits"])


def work(execution_id: uuid.UUID, seconds: float = SLICE) -> Worked:
    mine = taken.take(execution_id, seconds)
    if mine is None:
        return Worked()
    step = _STEPS[mine.execution.kind]
    if mine.execution.dry_run and mine.execution.kind == ExecutionKind.ARCHIVE:
        step = dry_run.step
    try:
        _remember(mine)
        if not mine.cursor:
            _before_it_starts(mine.execution)
        while step(mine):
            if mine.is_over:
                mine.release()
                return Worked(goes_on=True)
            if not mine.keep():
                return Worked()
        return Worked(begun=tuple(mine.finish()))
    except StorageAway as error:
        logger.warning("%s waits for storage: %s", mine.execution.public_id, error)
        mine.wait(str(error))
    except Exception as error:
        if isinstance(error, Error) and is_passing(error):
            raise  # its lease ends by itself
        logger.exception("%s does not move", mine.execution.public_id)
        mine.wait(f"{type(error).__name__}: {error}")
    return Worked()
