"""Workflows and their numbered, immutable versions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import pgtrigger
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Now

from runs.graph import ELSEWHERE
from runs.models.user import User


def _text(definition: dict[str, Any]) -> str:
    """For telling definitions apart: to Python, true, 1 and 1.0 are the same."""
    return json.dumps(definition, sort_keys=True)


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def publish(
        self, slug: str, definition: dict[str, Any], by: User | None = None
    ) -> WorkflowVersion:
        """The newest version, which is a new one where `definition` differs from it.

        The definition is stored as given: check it with `graph.parse` first.
        """
        with transaction.atomic():
            workflow, _ = self.get_or_create(slug=slug)
            # Two who publish at once get two numbers, one after the other.
            self.select_for_update().get(pk=workflow.pk)
            newest = workflow.versions.order_by("-number").first()
            if newest is not None and _text(newest.definition) == _text(definition):
                return newest
            return workflow.versions.create(
                number=newest.number + 1 if newest else 1, definition=definition, created_by=by
            )

    def elsewhere(self, slugs: Iterable[str]) -> dict[str, WorkflowVersion]:
        """For each workflow its newest version that is executed elsewhere; one that is new, or has
        no version yet, gets it. Left out are workflows that only this portal executes.
        """
        wanted = sorted(set(slugs))
        found = self.executed_elsewhere(wanted)
        if missing := [slug for slug in wanted if slug not in found]:
            with transaction.atomic():
                # In order of name: two who make the same ones must not deadlock.
                new = [Workflow(slug=slug) for slug in missing]
                Workflow.objects.bulk_create(new, ignore_conflicts=True)
                bare = self.filter(slug__in=missing, versions=None).order_by("slug")
                WorkflowVersion.objects.bulk_create(
                    [
                        WorkflowVersion(workflow=workflow, number=1, definition=ELSEWHERE)
                        for workflow in bare
                    ],
                    ignore_conflicts=True,
                )
            found = self.executed_elsewhere(wanted)
        return found

    def executed_elsewhere(self, slugs: Collection[str]) -> dict[str, WorkflowVersion]:
        """For each workflow that has one, its newest version that is executed elsewhere."""
        versions = WorkflowVersion.objects.filter(
            workflow__slug__in=slugs, definition__executed="elsewhere"
        )
        newest = versions.order_by("number").select_related("workflow")
        return {version.workflow.slug: version for version in newest}


class Workflow(models.Model):
    slug = models.CharField(
        "workflow",
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z][a-z0-9_]*\Z",
                "Begin with a letter; use small letters, digits and underscores only.",
            )
        ],
        help_text="Its id, such as invoice_processing. It cannot be changed later.",
    )
    description = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Runs that may be active at once; the others wait, queued. None: any number.
    max_active = models.PositiveIntegerField(null=True, blank=True, editable=False)
    # While it is paused its queued runs wait; the active ones go on.
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_by = models.CharField(max_length=150, blank=True, db_default="", editable=False)
    pause_reason = models.CharField(max_length=500, blank=True, db_default="", editable=False)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        db_table = "workflows"
        ordering = ["slug"]
        permissions = [("execute_workflow", "Can start runs of a workflow")]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_gated(self) -> bool:
        """Whether its queued runs may have to wait."""
        return self.is_paused or self.max_active is not None


class WorkflowVersion(models.Model):
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "workflow_versions"
        ordering = ["workflow_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "number"], name="workflow_version_number"),
            # What jobs refer to, so that a run's workflow and version always fit.
            models.UniqueConstraint(fields=["id", "workflow"], name="workflow_version_of"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="immutable",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__definition__df=pgtrigger.F("new__definition"))
                | pgtrigger.Q(old__number__df=pgtrigger.F("new__number"))
                | pgtrigger.Q(old__workflow__df=pgtrigger.F("new__workflow")),
                func="RAISE EXCEPTION 'a workflow version never changes' USING ERRCODE = '23514';",
            )
        ]

    def __str__(self) -> str:
        return f"{self.workflow.slug} v{self.number}"
