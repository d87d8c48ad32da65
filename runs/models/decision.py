"""What waits for a person: one row for each human node that was reached."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from runs.models.node import Node
from runs.models.run import Run
from runs.models.user import User
from runs.states import DecisionAct

DECIDE = "runs.decide_decision"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def open(self) -> DecisionQuerySet:
        return self.filter(decided_at=None)

    def past(self) -> DecisionQuerySet:
        return self.exclude(decided_at=None)

    def overdue(self, now: datetime) -> DecisionQuerySet:
        return self.open().filter(due_at__lte=now)

    def for_person(self, user: User) -> DecisionQuerySet:
        """Those that this person may answer: named, of a named group, or nobody is named."""
        if not user.has_perm(DECIDE):
            return self.none()
        if user.is_superuser:
            return self
        groups = list(user.groups.values_list("name", flat=True))
        return self.filter(
            models.Q(people=[], groups=[])
            | models.Q(people__contains=[user.get_username()])
            | models.Q(groups__overlap=groups)
        )


class Decision(models.Model):
    """Written by the recorder only. What was asked and answered stands in the log."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    title = models.CharField(max_length=200)
    # User names and names of groups; both empty: whoever may decide.
    people = ArrayField(models.CharField(max_length=150))
    groups = ArrayField(models.CharField(max_length=150))
    asked_at = models.DateTimeField()
    # When it is decided by itself; null: it waits for ever.
    due_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    act = models.CharField(max_length=12, blank=True, choices=[(a, a) for a in DecisionAct])

    objects = DecisionQuerySet.as_manager()

    class Meta:
        db_table = "decisions"
        default_permissions = ()
        permissions = [("decide_decision", "Can decide what waits for a person")]
        indexes = [
            models.Index(
                fields=["asked_at", "node"],
                name="decisions_open",
                condition=models.Q(decided_at__isnull=True),
            ),
            models.Index(
                fields=["due_at"],
                name="decisions_due",
                condition=models.Q(decided_at__isnull=True, due_at__isnull=False),
            ),
            models.Index(
                fields=["-decided_at", "node"],
                name="decisions_past",
                condition=models.Q(decided_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title
