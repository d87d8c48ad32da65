"""Where the log of a run lies once it has left the database for storage."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from runs.models.run import Run


class ArchiveQuerySet(models.QuerySet["Archive"]):
    def expired(self, now: datetime) -> ArchiveQuerySet:
        """Those whose restored events may leave the database again."""
        return self.filter(expires_at__lte=now).order_by("expires_at", "run_id")


class Archive(models.Model):
    """A run's object in storage, which holds its events from the first to number `last_seq`.

    There is one for every run whose `logs` are not live. Events that come later stay in the
    database until the next object, with all of them, takes its place.
    """

    run = models.OneToOneField(
        Run, on_delete=models.DO_NOTHING, primary_key=True, related_name="archive"
    )
    # Its object in storage, which is nobody else's.
    name = models.CharField(max_length=200, unique=True)
    last_seq = models.IntegerField()
    # The lines of the events, unpacked, and the object as it lies there.
    unpacked = models.BigIntegerField()
    bytes = models.BigIntegerField()
    # Of these lines: see `coldstore`.
    sha256 = models.CharField(max_length=64)
    archived_at = models.DateTimeField()
    # When it was last read back and found whole; what was wrong when it was not.
    verified_at = models.DateTimeField()
    problem = models.CharField(max_length=300, blank=True, db_default="")
    # While its events are in the database too: since when, and until when.
    restored_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    # The run's, for those that go for good by their age.
    completed_at = models.DateTimeField()
    # By what the events are known that others reported, when they come again: hashes of their
    # ids there. Only of those who report; null for runs that are executed here.
    senders = ArrayField(models.BigIntegerField(), null=True)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        db_table = "archives"
        default_permissions = ()
        indexes = [
            models.Index(fields=["completed_at", "run"], name="archives_age"),
            models.Index(fields=["verified_at", "run"], name="archives_verified"),
            models.Index(
                fields=["expires_at", "run"],
                name="archives_expiring",
                condition=models.Q(expires_at__isnull=False),
            ),
            models.Index(fields=["run"], name="archives_problem", condition=~models.Q(problem="")),
        ]

    def __str__(self) -> str:
        return self.name
