"""Sums of runs by the hour and by the day, UTC, in which the runs were created.

Percentiles don't add, so durations are kept as histograms: see `histogram`. Times are sums of
milliseconds, money is US dollars. Every row can be made anew from runs, nodes, attempts and model
calls: a bucket is one workflow's hour or day, and is always made as a whole.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from runs.models import Workflow, WorkflowVersion


class Span(models.IntegerChoices):
    HOUR = 0, "hour"
    DAY = 1, "day"


def _money() -> models.Field:
    return models.DecimalField(max_digits=30, decimal_places=10, default=0)


def _number() -> models.Field:
    return models.BigIntegerField(default=0)


class Bucket(models.Model):
    """What is counted together, and whether it has to be counted anew."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    span = models.SmallIntegerField(choices=Span)
    at = models.DateTimeField()
    # Since when something of it has changed, and when it is counted; null: it is up to date.
    dirty_since = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)
    # Milliseconds that counting took: what takes long is counted less often.
    took_ms = models.IntegerField(default=0)

    class Meta:
        db_table = "analytics_buckets"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workflow", "span", "at"], name="analytics_bucket"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="analytics_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                fields=["-at"], name="analytics_due_newest", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                fields=["dirty_since"],
                name="analytics_dirty",
                condition=Q(dirty_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.at:%Y-%m-%d %H}"


class Rollup(models.Model):
    """What all have in common. Read by time over all workflows, and by workflow."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    version = models.ForeignKey(
        WorkflowVersion,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    span = models.SmallIntegerField(choices=Span)
    at = models.DateTimeField()

    class Meta:
        abstract = True
        default_permissions = ()


def rollup_indexes(name: str) -> list[models.Index]:
    return [
        models.Index(fields=["span", "at", "workflow"], name=f"analytics_{name}_at"),
        models.Index(fields=["workflow", "span", "at"], name=f"analytics_{name}_of"),
    ]


class Durations(models.Model):
    # Steps of the histogram that something is in, ascending, and how much.
    steps = ArrayField(models.SmallIntegerField(), default=list)
    counts = ArrayField(models.IntegerField(), default=list)
    duration_ms = _number()
    longest_ms = _number()

    class Meta:
        abstract = True


class RunRollup(Rollup, Durations):
    """Runs by version, state and whether they repeat another one."""

    state = models.CharField(max_length=12)
    is_retry = models.BooleanField()
    runs = models.IntegerField()
    # Of those that ended after they had started; the others are in no duration.
    timed = models.IntegerField(default=0)
    # From creation to start.
    waited_ms = _number()
    cost = _money()
    # What the most expensive of them cost.
    dearest = _money()
    input_tokens = _number()
    output_tokens = _number()
    cached_tokens = _number()
    # Of runs that failed: how many were retried, and how many of these have a retry that completed.
    retried = models.IntegerField(default=0)
    recovered = models.IntegerField(default=0)

    class Meta(Rollup.Meta):
        db_table = "analytics_runs"
        indexes = rollup_indexes("runs")


class SampleRollup(Rollup):
    """What of the time that runs took was work, from a sample of those that completed.

    `ideal_ms`: what they would have taken had each node begun as soon as those that it needs had
    ended. The rest is time in which nothing was executed, by what it was spent on.
    """

    runs = models.IntegerField()
    actual_ms = _number()
    ideal_ms = _number()
    # All nodes' work, one after the other.
    work_ms = _number()
    queued_ms = _number()
    person_ms = _number()
    backoff_ms = _number()
    other_ms = _number()

    class Meta(Rollup.Meta):
        db_table = "analytics_samples"
        indexes = rollup_indexes("samples")


class NodeRollup(Rollup, Durations):
    """Nodes that were executed, by version and key. What was reused is not executed."""

    node = models.CharField(max_length=64)
    kind = models.CharField(max_length=12)
    # Nodes; by how they ended. `timed`: those with a start and an end.
    executed = models.IntegerField()
    completed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    timed = models.IntegerField(default=0)
    attempts = _number()
    # Waiting for a worker; between attempts.
    queued_ms = _number()
    backoff_ms = _number()

    class Meta(Rollup.Meta):
        db_table = "analytics_nodes"
        indexes = rollup_indexes("nodes")


class CallRollup(Rollup):
    """Model calls by version, node and model."""

    node = models.CharField(max_length=64)
    model = models.CharField(max_length=128)
    calls = models.IntegerField()
    input_tokens = _number()
    output_tokens = _number()
    cached_tokens = _number()
    cost = _money()
    # Of it: in attempts that failed, were lost or came late; in runs that repeat another one.
    failed_cost = _money()
    retry_cost = _money()

    class Meta(Rollup.Meta):
        db_table = "analytics_calls"
        indexes = rollup_indexes("calls")


class UserRollup(models.Model):
    """Runs by who caused them. By the day only: there may be as many people as runs an hour."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    version = models.ForeignKey(
        WorkflowVersion,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    at = models.DateTimeField()
    triggered_by = models.CharField(max_length=150)
    runs = models.IntegerField()
    failed = models.IntegerField(default=0)
    cost = _money()
    tokens = _number()

    class Meta:
        db_table = "analytics_users"
        default_permissions = ()
        indexes = [
            models.Index(fields=["at", "workflow"], name="analytics_users_at"),
            models.Index(fields=["workflow", "at"], name="analytics_users_of"),
        ]
