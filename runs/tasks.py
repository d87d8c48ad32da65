"""Where Celery looks for tasks of this app."""

from runs.engine.tasks import execute, prune_outbox, tick

__all__ = ["execute", "prune_outbox", "tick"]
