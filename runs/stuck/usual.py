"""How long the nodes of a workflow usually take, and its runs as a whole.

The app that counts runs tells it, by the setting USUAL_TIMES; where it knows too few, the newest
completed runs do. What was told is kept for some minutes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from runs.driver import plain_cursor
from runs.engine.trouble import Trouble
from runs.timeouts import statement_timeout

# Seconds for which an answer is kept, and that a question may take.
KEPT, SECONDS = 300.0, 2.0
# Workflows that are kept, and the newest runs of one that are looked at.
MOST, NEWEST = 500, 50
# Fewer tell nothing.
LEAST = 3
# The name under which a run as a whole stands.
WHOLE = ""

_NEWEST = """
WITH newest AS MATERIALIZED (
    SELECT id, started_at, completed_at FROM jobs
    WHERE workflow_id = %(workflow)s AND state = 'completed'
    ORDER BY created_at DESC, id DESC LIMIT %(newest)s
), took AS (
    SELECT '' AS key, completed_at - started_at AS time FROM newest WHERE started_at IS NOT NULL
    UNION ALL
    SELECT nodes.key, nodes.completed_at - nodes.started_at FROM newest
    JOIN nodes ON nodes.run_id = newest.id
    WHERE status = 'completed' AND reused_from IS NULL AND nodes.started_at IS NOT NULL
)
SELECT key, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM time))::float,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM time))::float, count(*)
FROM took GROUP BY key HAVING count(*) >= %(least)s
"""


class Usual(NamedTuple):
    """Seconds; of how many."""

    p50: float
    p95: float
    of: int


Times = Mapping[str, Usual]
_lock = threading.Lock()
_kept: dict[int, tuple[float, Times]] = {}
_trouble = Trouble(
    logging.getLogger(__name__), "what USUAL_TIMES names does not tell what is usual"
)


def _forget() -> None:
    global _lock  # noqa: PLW0603 (a child must not wait for a thread that its parent had)
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def usual(workflow_id: int, node: str, now: datetime) -> Usual | None:
    return times(workflow_id, now).get(node)


def times(workflow_id: int, now: datetime) -> Times:
    if is_kept(workflow_id):
        with _lock:
            if kept := _kept.get(workflow_id):
                return kept[1]
    found = {**_of_newest(workflow_id), **_counted(workflow_id, now)}
    with _lock:
        if len(_kept) >= MOST:
            _kept.clear()
        _kept[workflow_id] = time.monotonic(), found
    return found


def is_kept(workflow_id: int) -> bool:
    with _lock:
        kept = _kept.get(workflow_id)
    return kept is not None and time.monotonic() - kept[0] < KEPT


def forget() -> None:
    with _lock:
        _kept.clear()


def _counted(workflow_id: int, now: datetime) -> Times:
    tell: Callable[[int, datetime], Mapping[str, tuple[float, float, int]]]
    tell = import_string(settings.USUAL_TIMES)
    # Where it takes too long or is at fault, what is known without it has to do.
    try:
        with statement_timeout(SECONDS):
            found = {node: Usual(*told) for node, told in tell(workflow_id, now).items()}
    except DatabaseError:
        return {}
    except Exception as error:
        _trouble.met(error)
        return {}
    _trouble.over()
    return found


def _of_newest(workflow_id: int) -> Times:
    given = {"workflow": workflow_id, "newest": NEWEST, "least": LEAST}
    with plain_cursor() as cursor:
        rows = cursor.execute(_NEWEST, given).fetchall()
    return {key: Usual(*told) for key, *told in rows}
