"""For how many days after its end a run's log stays in the database, and the run at all."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from runs.models import Workflow

# A hundred years: far enough for anybody, and no date overflows.
MOST_DAYS = 36_500
_DAYS = [MinValueValidator(1), MaxValueValidator(MOST_DAYS)]


def _days(default: int | None = None) -> models.Field:
    """Days from 1; null in an override means the portal's own."""
    if default is None:
        return models.PositiveIntegerField(null=True, blank=True, validators=_DAYS)
    return models.PositiveIntegerField(default=default, db_default=default, validators=_DAYS)


def _from_one(*names: str) -> Q:
    """None of them is zero; null is allowed."""
    return Q(*(Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 1}) for name in names))


class Policy(models.Model):
    """The portal's own: one row, from the first migration on."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    # Queued and active runs are in no term.
    completed_days = _days(90)
    failed_days = _days(180)
    terminated_days = _days(30)
    # Days after its end after which an archived run goes for good, with its archive; null: never.
    delete_days = _days()
    # For how many days a restored log stays.
    restore_days = _days(7)
    # When the night's work begins, in this zone; whether it does.
    hour = models.PositiveSmallIntegerField(default=2, db_default=2)
    zone = models.CharField(max_length=64, default="UTC", db_default="UTC")
    is_on = models.BooleanField(default=True, db_default=True)
    # Nights before this are not made up for: the portal was not there yet, or they were switched
    # on, or set to another hour, after it.
    nights_from = models.DateTimeField(null=True, db_default=Now())
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        db_table = "retention_policy"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="retention_policy_one"),
            models.CheckConstraint(condition=Q(hour__lte=23), name="retention_policy_hour"),
            models.CheckConstraint(
                condition=Q(
                    completed_days__gte=1,
                    failed_days__gte=1,
                    terminated_days__gte=1,
                    restore_days__gte=1,
                ),
                name="retention_policy_days",
            ),
            models.CheckConstraint(
                condition=_from_one("delete_days"), name="retention_policy_delete_days"
            ),
        ]

    def __str__(self) -> str:
        return "retention"


class WorkflowPolicy(models.Model):
    """What is otherwise for one workflow; null is as the portal's own."""

    workflow = models.OneToOneField(
        Workflow, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    completed_days = _days()
    failed_days = _days()
    terminated_days = _days()
    delete_days = _days()
    # Whatever the portal's own says, this workflow's runs are never deleted by their age.
    never_deleted = models.BooleanField(default=False, db_default=False)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        db_table = "retention_workflow_policy"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=_from_one(
                    "completed_days", "failed_days", "terminated_days", "delete_days"
                ),
                name="retention_workflow_policy_days",
            ),
        ]

    def __str__(self) -> str:
        return f"retention of {self.workflow_id}"
