"""Runs that do not get on, as they were found last: why, since when, and what speaks for it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from runs.models.run import Run
from runs.models.workflow import Workflow
from runs.states import FINAL_STATES


class StuckKind(models.TextChoices):
    """What is in a run's way, the likeliest to need a hand first."""

    LOCK = "lock", "Database lock"
    CRASH = "crash", "Worker lost"
    NETWORK = "network", "Network time-out"
    EXECUTOR = "executor", "Executor silent"
    QUEUE = "queue", "Queue"
    BROKEN = "broken", "Nothing under way"
    SOURCE = "source", "Source silent"
    LIMIT = "limit", "Limit"
    PAUSED = "paused", "Workflow paused"
    PERSON = "person", "Person"


class Rescue(models.TextChoices):
    """What one press does about it."""

    RERUN = "rerun", "Run it again"
    HINT = "hint", "Offer it again"
    SETTLE = "settle", "Go on"
    RESUME = "resume", "Resume"
    DECIDE = "decide", "Decide"
    CLOSE = "close", "Close it here"
    NONE = "", "–"


class StuckQuerySet(models.QuerySet["StuckRun"]):
    def open(self) -> StuckQuerySet:
        """Of runs that have not ended since they were found."""
        return self.exclude(run__state__in=FINAL_STATES)


class StuckRun(models.Model):
    """One finding for each run and node. Only `runs.stuck.record` writes here: a run that gets on
    is in it no more after the next look."""

    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="stuck"
    )
    # Empty where it is the run as a whole.
    node = models.CharField(max_length=64, blank=True)
    workflow = models.ForeignKey(
        Workflow, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField("class", max_length=8, choices=StuckKind)
    since = models.DateTimeField()
    found_at = models.DateTimeField()
    checked_at = models.DateTimeField()
    # What is wrong, in a sentence; and what a person can do about it.
    words = models.CharField(max_length=500)
    act = models.CharField(max_length=500, blank=True)
    rescue = models.CharField(max_length=8, choices=Rescue, blank=True)
    # {"facts": [[label, words], …], "attempt": number or null, "command": words to copy,
    #  "confirm": what is asked before}
    details = models.JSONField(default=dict)

    objects = StuckQuerySet.as_manager()

    class Meta:
        db_table = "stuck_runs"
        default_permissions = ()
        ordering = ["since", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "node"], name="stuck_runs_of"),
            models.CheckConstraint(condition=Q(kind__in=StuckKind.values), name="stuck_runs_kind"),
            models.CheckConstraint(condition=Q(rescue__in=Rescue.values), name="stuck_runs_rescue"),
        ]
        indexes = [
            models.Index(fields=["since", "id"], name="stuck_runs_since"),
            models.Index(fields=["kind", "since", "id"], name="stuck_runs_class"),
            models.Index(fields=["workflow", "since", "id"], name="stuck_runs_workflow"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.run_id} {self.node}"
