"""The steps of a run, their attempts, and what the engine keeps for those under way."""

from django.core.validators import MinValueValidator
from django.db import models

from runs.models.run import Run
from runs.states import AttemptStatus, NodeStatus


class Node(models.Model):
    """One step of one run. Its input, output and error stand in the log, at these numbers."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="nodes", db_index=False)
    key = models.CharField(max_length=64)
    # Place in the workflow's definition, from 0.
    position = models.IntegerField()
    kind = models.CharField(max_length=12)
    executor = models.CharField(max_length=128, blank=True)
    # The Celery queue that its hints go to; empty: the usual one.
    queue = models.CharField(max_length=64, blank=True, db_default="")
    status = models.CharField(max_length=12, choices=[(s, s) for s in NodeStatus])
    # Attempts begun so far; the newest one's number is the node's fencing token.
    attempts = models.SmallIntegerField(default=0)
    # Those of them that ended in an error; attempts lost with their worker are not counted.
    failures = models.SmallIntegerField(default=0)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    input_seq = models.IntegerField(null=True)
    output_seq = models.IntegerField(null=True)
    error_seq = models.IntegerField(null=True)
    error_kind = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    # For a branch: the ids of the nodes it chose.
    selected = models.JSONField(null=True)
    # The run whose result this is, where it was not executed in this one.
    reused_from = models.UUIDField(null=True)
    progress_done = models.BigIntegerField(null=True)
    progress_total = models.BigIntegerField(null=True)
    cost = models.DecimalField(max_digits=20, decimal_places=10, default=0)

    class Meta:
        db_table = "nodes"
        ordering = ["run_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="nodes_key"),
            models.CheckConstraint(
                condition=models.Q(status__in=list(NodeStatus)), name="nodes_status"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Attempt(models.Model):
    node = models.ForeignKey(
        Node, on_delete=models.CASCADE, related_name="attempt_set", db_index=False
    )
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    number = models.SmallIntegerField()
    status = models.CharField(max_length=12, choices=[(s, s) for s in AttemptStatus])
    worker = models.CharField(max_length=128, blank=True)
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    # When the next attempt may begin, where this one failed and is to be repeated.
    retry_at = models.DateTimeField(null=True)
    error_kind = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    # Numbers of the events with its input, and its output or error.
    input_seq = models.IntegerField()
    result_seq = models.IntegerField(null=True)

    class Meta:
        db_table = "attempts"
        ordering = ["node_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["node", "number"], name="attempts_number"),
            models.CheckConstraint(
                condition=models.Q(status__in=list(AttemptStatus)), name="attempts_status"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node.key} #{self.number}"


class ReadyNode(models.Model):
    """A queued node that waits for a worker. Celery gets hints of at most a window of these, for
    each queue."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    ready_at = models.DateTimeField()
    # When a hint is due again if no worker claims the node; null: none was sent yet.
    hint_due = models.DateTimeField(null=True)
    hints = models.SmallIntegerField(default=0)
    queue = models.CharField(max_length=64, blank=True, db_default="")
    # The limit that it is subject to, as `engine.gates` names it, and whether it waits for that:
    # what is held stands in no index that is read for hints.
    gate = models.CharField(max_length=160, blank=True, db_default="")
    held = models.BooleanField(default=False, db_default=False)
    # Since when workers gave it back that do not know its executor.
    declined_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ready_nodes"
        indexes = [
            models.Index(
                fields=["queue", "ready_at", "node"],
                name="ready_nodes_open",
                condition=models.Q(hint_due__isnull=True, held=False),
            ),
            models.Index(
                fields=["queue", "hint_due"],
                name="ready_nodes_of_queue",
                condition=models.Q(hint_due__isnull=False),
            ),
            models.Index(
                fields=["gate", "held", "ready_at", "node"],
                name="ready_nodes_gate",
                condition=~models.Q(gate=""),
            ),
            models.Index(
                fields=["declined_at"],
                name="ready_nodes_declined",
                condition=models.Q(declined_at__isnull=False),
            ),
        ]


class Lease(models.Model):
    """A worker's hold on the attempt it executes. Heartbeats touch this table only."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    attempt = models.SmallIntegerField()
    worker = models.CharField(max_length=128)
    renewed_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    # The node's timeout: the lease is never renewed past it.
    deadline = models.DateTimeField()

    class Meta:
        db_table = "leases"


class ExecutorLimit(models.Model):
    """Nodes of an executor that may be in flight at once, over all workers. What stands here goes
    before what the executor itself declares."""

    executor = models.CharField(max_length=128, unique=True)
    most = models.PositiveIntegerField(
        "limit", validators=[MinValueValidator(1)], help_text="Nodes in flight over all workers."
    )

    class Meta:
        db_table = "executor_limits"
        ordering = ["executor"]

    def __str__(self) -> str:
        return f"{self.executor}: {self.most}"
