"""Acts on any number of runs: what was asked for, how far it has come, and what became of each."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from runs import ids
from runs.models.run import Run

# Runs that are named one by one; more are meant by a filter.
MOST_CHOSEN = 10_000


class BulkKind(models.TextChoices):
    RETRY = "retry", "Retry"
    TERMINATE = "terminate", "Terminate"
    DELETE = "delete", "Delete"
    EXPORT = "export", "Export"
    HOLD = "hold", "Legal hold"
    RELEASE = "release", "End of legal hold"
    RESTORE = "restore", "Restore logs"
    RESCUE = "rescue", "Rescue"


class BulkState(models.TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    FINISHED = "finished", "Finished"
    ABORTED = "aborted", "Aborted"


OPEN = (BulkState.RUNNING, BulkState.PAUSED)


class BulkQuerySet(models.QuerySet["BulkOperation"]):
    def newest_first(self) -> BulkQuerySet:
        return self.order_by("-created_at", "-id")

    def summed_up(self) -> BulkQuerySet:
        """With how many runs are `named`, and without their ids, which are thousands."""
        named = models.Func("chosen", function="cardinality", output_field=models.IntegerField())
        return self.annotate(named=named).defer("chosen")

    def at_rest(self, before: datetime) -> BulkQuerySet:
        """Those that should go on and have not moved since: their message may be lost."""
        return self.filter(state=BulkState.RUNNING, moved_at__lt=before).order_by("moved_at")


class BulkOperation(models.Model):
    """Which runs is said in one of three ways: by a filter, by their ids, or as those of an earlier
    operation that failed there. In any case none that was created after `bound`."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    kind = models.CharField(max_length=12, choices=BulkKind)
    state = models.CharField(max_length=12, choices=BulkState, default=BulkState.RUNNING)
    reason = models.CharField(max_length=500, blank=True)

    # Who asked, as text: it outlives the account.
    actor = models.CharField(max_length=150)
    ref_type = models.CharField(max_length=64, blank=True)
    ref_id = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField(null=True)
    via = models.CharField(max_length=16, blank=True)

    created_at = models.DateTimeField()
    bound = models.DateTimeField()
    # As pairs of a RunFilter whose range is absolute.
    filter = models.JSONField(null=True)
    chosen = ArrayField(models.UUIDField(), null=True)
    failed_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    # What the kind needs beside: of an export its format, of a restore the days it lasts.
    options = models.JSONField(default=dict)
    # Runs a second at most; null: as fast as it goes.
    rate = models.IntegerField(null=True)

    # How far it has come: the key of the last run that was visited.
    cursor_at = models.DateTimeField(null=True)
    cursor_id = models.UUIDField(null=True)
    visited = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    # How many it was asked for: none less than `at_least`; `total` once they are counted.
    at_least = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True)

    # Runs a second, of late.
    pace = models.FloatField(null=True)
    # When it moved last; the time for which it was at work, pauses left out.
    moved_at = models.DateTimeField()
    worked = models.DurationField(default=timedelta)
    ended_at = models.DateTimeField(null=True)
    # Until when the worker that waits for storage has the next step for itself.
    taken_until = models.DateTimeField(null=True)
    # Why it does not move, where something is in its way.
    trouble = models.CharField(max_length=500, blank=True)

    objects = BulkQuerySet.as_manager()

    class Meta:
        db_table = "bulk_operations"
        ordering = ["-created_at", "-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=BulkKind.values), name="bulk_kind"),
            models.CheckConstraint(condition=Q(state__in=BulkState.values), name="bulk_state"),
            models.CheckConstraint(
                condition=Q(visited=models.F("done") + models.F("skipped") + models.F("failed")),
                name="bulk_counts",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="bulk_newest"),
            models.Index(fields=["moved_at"], name="bulk_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.encode("bulk", self.id)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def per_second(self) -> float | None:
        seconds = self.worked.total_seconds()
        if seconds <= 0 or not self.visited:
            return None
        if self.is_open and self.trouble:
            return 0.0
        # While it goes on, what it does now tells how long it will: a time in which the database
        # did not answer does not.
        pace = self.pace if self.is_open and self.pace else self.visited / seconds
        # The time at work leaves out that for which the limit makes it wait.
        return min(pace, self.rate or float("inf"))

    @property
    def left(self) -> timedelta | None:
        """About how long it still takes; None where that cannot be told."""
        if not self.is_open or self.total is None or not (rate := self.per_second):
            return None
        return timedelta(seconds=max(0, self.total - self.visited) / rate)


class OutcomeStatus(models.TextChoices):
    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


class BulkOutcome(models.Model):
    """What became of one run, written in the transaction that did it."""

    pk = models.CompositePrimaryKey("operation_id", "run_id")
    operation = models.ForeignKey(
        BulkOperation, on_delete=models.CASCADE, related_name="outcomes", db_index=False
    )
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    status = models.CharField(max_length=8, choices=OutcomeStatus)
    reason = models.CharField(max_length=300, blank=True)
    # When; null where that was not kept yet.
    at = models.DateTimeField(null=True)
    # The run that a retry made.
    new_run = models.UUIDField(null=True)

    class Meta:
        db_table = "bulk_outcomes"
        default_permissions = ()
        indexes = [
            models.Index(fields=["operation", "status", "run"], name="bulk_outcomes_status"),
            # What was done to a run.
            models.Index(fields=["run"], name="bulk_outcomes_run"),
        ]
