"""Where Celery looks for tasks of this app."""

from runs.bulk.tasks import bulk_count, bulk_tick, bulk_work, sweep_storage
from runs.engine.tasks import execute, process_ended, prune_outbox, tick
from runs.services.tasks import probe_services
from runs.stuck.tasks import find_stuck
from runs.triggers.tasks import keep_schedules, listen_to_runs, prune_firings

__all__ = [
    "bulk_count",
    "bulk_tick",
    "bulk_work",
    "execute",
    "find_stuck",
    "keep_schedules",
    "listen_to_runs",
    "probe_services",
    "process_ended",
    "prune_firings",
    "prune_outbox",
    "sweep_storage",
    "tick",
]
