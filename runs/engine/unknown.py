"""Nodes whose executor a worker does not know, as while releases are exchanged: others may."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings

from runs import recorder
from runs.engine import dispatch, steps
from runs.engine.clock import clock
from runs.engine.reading import Ready
from runs.rows import NewEvent
from runs.states import Kind

logger = logging.getLogger(__name__)


def decline(node: Ready, worker: str) -> None:
    """Give the node back for another worker; where none took it for long enough, its run fails."""
    now = clock.now()
    since = dispatch.decline(node.id, now)
    patience = timedelta(seconds=settings.ENGINE_MISSING_EXECUTOR_SECONDS)
    if now - since >= patience:
        minutes = f"{patience.total_seconds() / 60:g} minutes"
        error = {
            "kind": "ExecutorMissing",
            "message": (
                f"no worker knows the executor “{node.executor}”: it was offered to them for"
                f" {minutes}, last to {worker}. Install the app that registers it for the workers"
                " (EXTRA_APPS), restart them, then retry the run"
            ),
            "trace": "",
        }
        recorder.transact(
            [node.run_id], lambda found: steps.reject(found, node.key, error, now), now=now
        )
    elif since == now:
        said = f"worker {worker} does not know the executor “{node.executor}”; it waits for one"
        logger.warning("%s: %s: %s that does", node.run_id, node.key, said)
        line = NewEvent(
            Kind.LOG, node=node.key, data={"level": "warning", "message": f"{said} that does"}
        )
        recorder.record({node.run_id: [line]}, now=now)
