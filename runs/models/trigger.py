"""What starts runs by itself, and what came of it each time."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from runs import states
from runs.models.run import Run

NAME_LENGTH = 100
# How long it is kept what a trigger did. By its key something that comes again is known as long.
FIRINGS_KEPT = timedelta(days=30)


def new_hook() -> str:
    """The last part of a webhook's address: nobody guesses it."""
    return secrets.token_urlsafe(18)


def new_salt() -> str:
    return secrets.token_urlsafe(24)


class TriggerKind(models.TextChoices):
    """The names are those of `states.Trigger`: a run says by which kind it was started."""

    SCHEDULE = states.Trigger.SCHEDULE.value, "Schedule"
    WEBHOOK = states.Trigger.WEBHOOK.value, "Webhook"
    EVENT = states.Trigger.EVENT.value, "Event"
    AUTOMATION = states.Trigger.AUTOMATION.value, "Automation"


class Source(models.TextChoices):
    """What a trigger waits for."""

    TIME = "time", "A time"
    CALL = "call", "A call from outside"
    RUN_END = "run_end", "A run's end"
    RUN_EVENT = "run_event", "An event within a run"


OF_RUNS = (Source.RUN_END, Source.RUN_EVENT)


class TriggerQuerySet(models.QuerySet["Trigger"]):
    def due(self, now: datetime) -> TriggerQuerySet:
        return self.filter(next_due_at__lte=now).order_by("next_due_at", "id")

    def listening(self) -> TriggerQuerySet:
        """Those that are on and wait for something in the log."""
        return self.filter(enabled=True, source__in=OF_RUNS)

    def about(self, workflow: str) -> TriggerQuerySet:
        """Those that start runs of a workflow, or wait for something in them."""
        return self.filter(
            Q(rule__contains={"then": [{"start": workflow}]})
            | Q(rule__contains={"when": {"run_ends": {"workflow": workflow}}})
            | Q(rule__contains={"when": {"event": {"workflow": workflow}}})
        )


class Trigger(models.Model):
    """`rule` is what people write; the other columns follow from it: see `runs.triggers.rule`."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=12, choices=TriggerKind)
    source = models.CharField(max_length=12, choices=Source)
    rule = models.JSONField()
    # Counts the changes, so that of two people who change it at once the second one is told.
    revision = models.IntegerField(default=1)

    enabled = models.BooleanField("on", default=True)
    # Nothing that happened before is its business.
    enabled_at = models.DateTimeField()
    # Of a schedule that is on.
    next_due_at = models.DateTimeField(null=True)
    # Of a webhook: its address, and what makes its secret (with SECRET_KEY) one of its own.
    hook = models.CharField(max_length=32, null=True, unique=True)  # noqa: DJ001
    salt = models.CharField(max_length=64, default=new_salt)

    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    changed_at = models.DateTimeField(db_default=Now())

    objects = TriggerQuerySet.as_manager()

    class Meta:
        db_table = "triggers"
        ordering = ["name"]
        permissions = [("fire_trigger", "Can switch triggers on and off, and test them")]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TriggerKind.values), name="triggers_kind"),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="triggers_source"),
            # A schedule that is on has a next time, and nothing else has one.
            models.CheckConstraint(
                condition=Q(next_due_at__isnull=True) | Q(enabled=True, source="time"),
                name="triggers_due",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_due_at", "id"],
                name="triggers_next",
                condition=Q(next_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FiringStatus(models.TextChoices):
    STARTED = "started", "Started"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


class Firing(models.Model):
    """Something for which the trigger waited happened, and this is what it did or why not."""

    trigger = models.ForeignKey(
        Trigger, on_delete=models.CASCADE, related_name="firings", db_index=False
    )
    # What happened, so that it counts once: a due time, a call's id, a run's event.
    key = models.CharField(max_length=200)
    fired_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=FiringStatus)
    reason = models.CharField(max_length=500, blank=True)
    # For each target, in the rule's order: {"target": …, "run": a public id or "", "why": …}.
    outcomes = models.JSONField(default=list)
    payload = models.JSONField(null=True)
    # How many alike stand in this row: those passed over are not written one by one.
    count = models.IntegerField(default=1)
    is_test = models.BooleanField(default=False)
    # The run whose event it was; how many triggers led here, and the firing it began with.
    cause = models.UUIDField(null=True)
    depth = models.SmallIntegerField(default=1)
    root = models.BigIntegerField(null=True)

    class Meta:
        db_table = "firings"
        default_permissions = ()
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["trigger", "key"], name="firings_key")]
        indexes = [
            models.Index(fields=["trigger", "-id"], name="firings_newest"),
            models.Index(fields=["trigger", "status", "-id"], name="firings_by_status"),
            models.Index(fields=["fired_at"], name="firings_age"),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.key}"


class TriggeredRun(models.Model):
    """Which firing started a run. Outlives the run: deleted ones count for a chain as well."""

    run = models.OneToOneField(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True,
        related_name="triggered",
    )  # fmt: skip
    firing = models.ForeignKey(Firing, on_delete=models.CASCADE, related_name="runs")
    trigger = models.ForeignKey(Trigger, on_delete=models.CASCADE, related_name="+", db_index=False)
    # The firing with which the chain began.
    root = models.BigIntegerField()

    class Meta:
        db_table = "triggered_runs"
        default_permissions = ()
        indexes = [
            models.Index(fields=["trigger", "-firing"], name="triggered_runs_newest"),
            models.Index(fields=["root"], name="triggered_runs_root"),
        ]
