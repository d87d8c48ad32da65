"""Where Celery looks for tasks of this app."""

from runs.engine.tasks import execute, prune_outbox, tick
from runs.triggers.tasks import keep_schedules, listen_to_runs, prune_firings

__all__ = ["execute", "keep_schedules", "listen_to_runs", "prune_firings", "prune_outbox", "tick"]
