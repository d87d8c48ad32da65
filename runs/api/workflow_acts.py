"""Workflows as all APIs make and publish them, and why one cannot be."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from runs import drafts, json_text
from runs.api.acts import find_workflow
from runs.api.problems import Conflict, Outdated
from runs.drafts import Draft
from runs.models import User, WorkflowVersion

# Versions of a workflow that it lists, newest first.
MAX_VERSIONS = 200


def detailed(slug: str) -> Any:
    """A workflow with all that WorkflowDetailSerializer shows."""
    workflow: Any = find_workflow(slug)
    versions = workflow.versions.order_by("-number")
    newest = versions.filter(number=workflow.newest)
    workflow.definition = newest.values_list("definition", flat=True).first()
    listed = versions.defer("definition").select_related("created_by")
    workflow.versions_shown = listed[:MAX_VERSIONS]
    return workflow


def versions_of(slug: str) -> QuerySet[WorkflowVersion]:
    """Without their definitions."""
    return find_workflow(slug).versions.defer("definition").select_related("created_by")


def version_of(slug: str, number: int) -> WorkflowVersion:
    versions = find_workflow(slug).versions.select_related("created_by")
    # Beyond, it fits no column.
    found = versions.filter(number=number).first() if number < 2**31 else None
    if found is None:
        raise NotFound(f"There is no version {str(number)[:20]} of {slug}.")
    return found


def create(given: dict[str, Any], *, by: User) -> None:
    """`given` is what MakeWorkflowSerializer takes."""
    try:
        drafts.create(given["id"], _sound(given["definition"]), by=by)
    except drafts.SlugTaken:
        raise Conflict(f"There is a workflow “{given['id']}” already.") from None


def publish(slug: str, given: dict[str, Any], *, by: User) -> tuple[WorkflowVersion, bool]:
    """The newest version, and whether this made it; `given` is what MakeVersionSerializer takes."""
    workflow = find_workflow(slug)
    try:
        return drafts.publish(workflow, _sound(given["definition"]), base=given["base"], by=by)
    except drafts.Outdated as outdated:
        raise Outdated(outdated.newest.number) from None


def _sound(definition: Any) -> Draft:
    """A definition that can be published; raises ValidationError with all that is wrong."""
    draft = drafts.read(json_text.write(definition))
    if draft.is_sound:
        return draft
    found: dict[str, Any] = {}
    for finding in draft.findings:
        found.setdefault(finding.node, []).append(finding.message)
    whole = found.pop("", [])
    nodes = {f"definition.{node}": said for node, said in found.items()}
    raise ValidationError({**({"definition": whole} if whole else {}), **nodes})
