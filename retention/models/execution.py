"""What was done by the policy: a row for each night, sweep and check, and what these found."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

from runs import ids


class ExecutionKind(models.TextChoices):
    ARCHIVE = "archive", "Archive"
    # Objects without rows and rows without objects.
    SWEEP = "sweep", "Orphan sweep"
    # Objects read again and compared.
    CHECK = "check", "Integrity check"


class ExecutionState(models.TextChoices):
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    ABORTED = "aborted", "Aborted"
    # It gave up: what it met stands in `trouble`.
    FAILED = "failed", "Failed"


class Execution(models.Model):
    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    kind = models.CharField(max_length=10, choices=ExecutionKind)
    state = models.CharField(max_length=10, choices=ExecutionState, default=ExecutionState.RUNNING)
    # Nothing is written or deleted: it only counts.
    dry_run = models.BooleanField(default=False)
    # The night that it is of, as a date in the policy's zone; null for one that a person began.
    night = models.DateField(null=True)
    started_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)
    # The policy as it was at the start; of a night when it was due; of a check how much.
    options = models.JSONField(default=dict)

    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # When it moved last; until when a worker has it for itself.
    moved_at = models.DateTimeField()
    taken_until = models.DateTimeField(null=True)
    # Where it stands, as what carries it out writes it.
    cursor = models.JSONField(default=dict)
    # What keeps it from moving: since when, how often in a row, when it is tried again.
    trouble = models.CharField(max_length=500, blank=True)
    trouble_since = models.DateTimeField(null=True)
    tries = models.IntegerField(default=0, db_default=0)
    next_at = models.DateTimeField(null=True)
    # What was in its way before: since when, until when it was tried again, why; the last ones.
    waits = models.JSONField(null=True)
    # Who ended it by hand, and why.
    aborted_by = models.CharField(max_length=150, blank=True, db_default="")
    abort_reason = models.CharField(max_length=500, blank=True, db_default="")
    # The time that it was worked at.
    worked = models.DurationField(default=timedelta, db_default=timedelta())

    # Runs (of a sweep: objects) that were looked at; archived; read back and found whole.
    seen = models.BigIntegerField(default=0)
    archived = models.BigIntegerField(default=0)
    verified = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    # Events that left the database; restored logs that expired; runs that went for good by age.
    events = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    deleted_runs = models.BigIntegerField(default=0)
    # Of the events' lines, and of the objects that hold them.
    unpacked_bytes = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    # How many it will look at, about; null while that is not known.
    expected = models.BigIntegerField(null=True)
    # All that it found: of so many, not all are kept as rows.
    found = models.BigIntegerField(default=0, db_default=0)
    # What more it has to tell, such as what a dry run counted, term by term.
    report = models.JSONField(default=dict)

    class Meta:
        db_table = "retention_executions"
        default_permissions = ()
        ordering = ["-created_at", "-id"]
        constraints = [
            # Two beats begin one night.
            models.UniqueConstraint(
                fields=["night"],
                name="retention_night",
                condition=Q(night__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ExecutionKind.values), name="retention_kind"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ExecutionState.values), name="retention_state"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="retention_newest"),
            models.Index(
                fields=["moved_at"], name="retention_running", condition=Q(state="running")
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return ids.encode("exec", self.id)

    @property
    def is_running(self) -> bool:
        return self.state == ExecutionState.RUNNING


class Finding(models.Model):
    """What an execution met that a person should know: a run or an object, and what is with it."""

    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="findings", db_index=False
    )
    at = models.DateTimeField()
    # One of them or both.
    run_id = models.UUIDField(null=True)
    object_name = models.CharField(max_length=300, blank=True)
    problem = models.CharField(max_length=500)
    # What was done about it, if anything.
    act = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "retention_findings"
        default_permissions = ()
        ordering = ["id"]
        indexes = [models.Index(fields=["execution", "id"], name="retention_findings_of")]

    def __str__(self) -> str:
        return self.problem
