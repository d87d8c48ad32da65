"""Failures that have their fingerprint in common, and what people say of them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from analytics.models.rollups import Rollup, rollup_indexes
from runs.fingerprint import public


class Mark(models.TextChoices):
    NEW = "new", "New"
    KNOWN = "known", "Known"
    RESOLVED = "resolved", "Resolved"


class FailureGroup(models.Model):
    """There from the first run that failed so. Runs go; their group stays, with what was said."""

    # The fingerprint: see `runs.fingerprint`.
    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=100)
    node = models.CharField(max_length=64, blank=True)
    # With # for what differs; and one as it was.
    message = models.CharField(max_length=300)
    sample = models.CharField(max_length=500)
    sample_run = models.UUIDField(null=True)
    # By the ends of the runs.
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    mark = models.CharField(max_length=10, choices=Mark, default=Mark.NEW)
    marked_at = models.DateTimeField(null=True)
    marked_by = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=500, blank=True)
    # When it came back after it was said to be resolved.
    reopened_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "analytics_failure_groups"
        ordering = ["-last_seen", "id"]
        default_permissions = ()
        permissions = [("mark_failuregroup", "Can mark failure groups as known or resolved")]
        constraints = [
            models.CheckConstraint(condition=Q(mark__in=Mark.values), name="analytics_mark"),
        ]
        indexes = [models.Index(fields=["-last_seen", "id"], name="analytics_last_seen")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def public_id(self) -> str:
        return public(self.id)


class FailureRollup(Rollup):
    """Runs that failed, by version and group."""

    group = models.BigIntegerField()
    runs = models.IntegerField()
    retried = models.IntegerField(default=0)
    recovered = models.IntegerField(default=0)
    # From start, or from creation where it never started, to the end.
    steps = ArrayField(models.SmallIntegerField(), default=list)
    counts = ArrayField(models.IntegerField(), default=list)
    to_failure_ms = models.BigIntegerField(default=0)
    last_seen = models.DateTimeField()

    class Meta(Rollup.Meta):
        db_table = "analytics_failures"
        indexes = [
            *rollup_indexes("failures"),
            models.Index(fields=["group", "span", "at"], name="analytics_failures_group"),
        ]
