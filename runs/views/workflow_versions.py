"""Versions of a workflow: one as it was saved, two compared, an older one made the newest again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from runs import drafts, json_text
from runs.definition_difference import difference
from runs.models import Workflow, WorkflowVersion
from runs.models.audit import REASON_LENGTH
from runs.views.workflow_base import (
    WorkflowView,
    is_elsewhere,
    newest_of,
    note_in,
    number_in,
    version_of,
)
from runs.views.workflow_list import runs_url
from runs.views.workflow_page import judged

# Versions that a menu offers; older ones are chosen in the list of versions.
VERSIONS_OFFERED = 100


class WorkflowVersionPage(WorkflowView):
    """One version as it was saved."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, slug: str, number: int) -> HttpResponse:  # noqa: ARG002
        workflow = self.workflow(slug)
        version = version_of(workflow, number)
        newest = newest_of(workflow)
        draft = drafts.read(json_text.write(version.definition))
        is_newest = newest == version
        context = {
            "title": f"{slug} v{number}",
            "version_label": f"v{number}",
            "workflow": workflow,
            "version": version,
            "version_note": drafts.notes(workflow, [number]).get(number, ""),
            "newest": newest,
            "is_newest": is_newest,
            "is_elsewhere": is_elsewhere(version),
            "can_restore": self.may("change_workflow") and not is_newest and draft.is_sound,
            "is_editable": False,
            "runs_url": runs_url(slug),
            **judged(draft),
        }
        return self.page("runs/workflow_version.html", context)


class CompareVersions(WorkflowView):
    """From one version to another: its nodes, arrows and text."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        newest = newest_of(workflow)
        if newest is None:
            return redirect("admin:runs_workflow_page", slug)
        after = self._version(workflow, request.GET.get("to", "")) or newest
        before = self._version(workflow, request.GET.get("from", "")) or self._before(after)
        numbers = list(
            workflow.versions.order_by("-number").values_list("number", flat=True)[
                :VERSIONS_OFFERED
            ]
        )
        chosen = {before.number, after.number}
        notes = drafts.notes(workflow, chosen)
        context = {
            "title": f"{slug}: v{before.number} and v{after.number}",
            "workflow": workflow,
            "before": before,
            "after": after,
            "newest": newest,
            "numbers": sorted({*numbers, *chosen}, reverse=True),
            "sides": [
                (side, version, notes.get(version.number, ""))
                for side, version in (("from", before), ("to", after))
            ],
            "difference": difference(before.definition, after.definition),
            "can_restore": self.may("change_workflow") and newest in (before, after),
            "older": min(before, after, key=lambda version: version.number),
        }
        return self.page("runs/workflow_compare.html", context)

    def _version(self, workflow: Workflow, number: str) -> WorkflowVersion | None:
        return version_of(workflow, number_in(number)) if number else None

    def _before(self, version: WorkflowVersion) -> WorkflowVersion:
        """The one before it; the first has none but itself."""
        earlier = version.workflow.versions.filter(number__lt=version.number)
        found = earlier.select_related("created_by").order_by("-number").first()
        return found or version


class RestoreVersion(WorkflowView):
    """Asks whether an older version is to be the newest again, and publishes it once more."""

    permission_required = ("runs.view_workflow", "runs.change_workflow")
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, slug: str, number: int) -> HttpResponse:  # noqa: ARG002
        return self._asked(self.workflow(slug), number)

    def post(self, request: HttpRequest, slug: str, number: int) -> HttpResponse:
        workflow = self.workflow(slug)
        version = version_of(workflow, number)
        base = number_in(request.POST.get("base", ""))
        draft = drafts.read(json_text.write(version.definition))
        if not draft.is_sound:
            return self._asked(workflow, number, status=422)
        note = note_in(request.POST)
        try:
            made, is_new = drafts.publish(workflow, draft, base=base, by=self.user, note=note)
        except drafts.Outdated as outdated:
            words = f"v{outdated.newest.number} was saved meanwhile: look again."
            return self._asked(workflow, number, words, status=409)
        if is_new:
            messages.success(request, f"v{made.number} is v{number} again, and the newest.")
        else:
            messages.info(request, f"v{made.number} is the same as v{number}: nothing was saved.")
        return redirect("admin:runs_workflow_page", slug)

    def _asked(
        self, workflow: Workflow, number: int, problem: str = "", status: int = 200
    ) -> HttpResponse:
        version, newest = version_of(workflow, number), newest_of(workflow)
        assert newest is not None  # there is `version`
        draft = drafts.read(json_text.write(version.definition))
        context: dict[str, Any] = {
            "title": f"Restore {version}",
            "workflow": workflow,
            "version": version,
            "newest": newest,
            "next_number": newest.number + 1,
            "draft": draft,
            "difference": difference(newest.definition, version.definition),
            "problem": problem,
            "note": note_in(self.request.POST) or f"v{number} again",
            "note_length": REASON_LENGTH,
        }
        return self.page("runs/workflow_restore.html", context, status)
