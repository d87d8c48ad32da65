"""A workflow's page: its definition in an editor, the drawn graph, its versions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from runs import drafts, json_text
from runs.drafts import Draft
from runs.models import Workflow, WorkflowVersion
from runs.views.workflow_base import (
    WorkflowView,
    is_elsewhere,
    newest_of,
    note_in,
    number_in,
    version_of,
)
from runs.views.workflow_drawing import draw
from runs.views.workflow_example import example
from runs.views.workflow_list import runs_url
from runs.views.workflow_snippets import offered

VERSIONS_SHOWN = 20


class WorkflowPage(WorkflowView):
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        workflow = self.workflow(slug)
        if run := request.GET.get("run"):  # “run again” of a run's page
            url = reverse("admin:runs_workflow_run", args=[slug])
            return redirect(f"{url}?{urlencode({'run': run})}")
        newest = newest_of(workflow)
        source = newest
        if text := request.GET.get("from"):
            source = version_of(workflow, number_in(text))
        draft = drafts.read(json_text.write(source.definition if source else example()))
        copied = source if source != newest else None
        return self._shown(workflow, newest, draft, {"copied": copied})

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        if not self.may("change_workflow"):
            raise PermissionDenied
        workflow = self.workflow(slug)
        draft = drafts.read(request.POST.get("definition", ""))
        note = note_in(request.POST)
        base = request.POST.get("base", "")
        number = int(base) if base.isdecimal() and len(base) < 9 else None
        if "format" in request.POST:
            context = {"base": base, "note": note, "is_unsaved": True}
            return self._shown(workflow, newest_of(workflow), formatted(draft), context)
        if not draft.is_sound:
            context = {"base": base, "is_refused": True, "note": note}
            return self._shown(workflow, newest_of(workflow), draft, context, status=422)
        try:
            version, is_new = drafts.publish(workflow, draft, base=number, by=self.user, note=note)
        except drafts.Outdated as outdated:
            context = {
                "base": outdated.newest.number,
                "outdated": outdated.newest,
                "based_on": number,
                "note": note,
            }
            return self._shown(workflow, outdated.newest, draft, context, status=409)
        if is_new:
            messages.success(request, f"Saved as v{version.number}.")
        else:
            said = f"Nothing was changed, so there is no new version: v{version.number} stays."
            messages.info(request, said)
        return redirect("admin:runs_workflow_page", slug)

    def _shown(
        self,
        workflow: Workflow,
        newest: WorkflowVersion | None,
        draft: Draft,
        more: dict[str, Any],
        status: int = 200,
    ) -> HttpResponse:
        context = {
            "title": workflow.slug,
            "workflow": workflow,
            "version": newest,
            "is_elsewhere": is_elsewhere(newest),
            "base": newest.number if newest else "",
            "next_number": newest.number + 1 if newest else 1,
            "is_editable": self.may("change_workflow"),
            "check_url": reverse("admin:runs_workflow_check", args=[workflow.slug]),
            "runs_url": runs_url(workflow.slug),
            **judged(draft),
            **(offered() if self.may("change_workflow") else {}),
            **self._versions(workflow),
            **more,
        }
        return self.page("runs/workflow_page.html", context, status)

    def _versions(self, workflow: Workflow) -> dict[str, Any]:
        """The newest versions, or those before a number."""
        versions = workflow.versions.select_related("created_by").order_by("-number")
        before = self.request.GET.get("before", "")
        if before:
            versions = versions.filter(number__lt=number_in(before))
        found = list(versions.defer("definition")[: VERSIONS_SHOWN + 1])
        notes = drafts.notes(workflow, [version.number for version in found])
        shown = [(each, notes.get(each.number, "")) for each in found[:VERSIONS_SHOWN]]
        return {
            "versions": shown,
            # What is compared where nobody chooses: the newest with the one before.
            "compared": [each.number for each, _ in shown[:2]],
            "before": before,
            "older": found[VERSIONS_SHOWN - 1].number if len(found) > VERSIONS_SHOWN else None,
        }


class WorkflowCheck(WorkflowView):
    """What is wrong with the text in the editor, and its graph, as one types."""

    permission_required = "runs.change_workflow"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG002
        return checked(self, request)


class WorkflowById(WorkflowView):
    """The admin links to a workflow by its number."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, object_id: int) -> HttpResponse:  # noqa: ARG002
        slug = Workflow.objects.filter(pk=object_id).values_list("slug", flat=True).first()
        if slug is None:
            raise Http404
        return redirect("admin:runs_workflow_page", slug)


def checked(view: WorkflowView, request: HttpRequest) -> HttpResponse:
    """What is wrong with the text in the editor; or, asked for that, the text formatted."""
    draft = drafts.read(request.POST.get("definition", ""))
    if "format" not in request.POST:
        return view.part("runs/workflow/check.html", judged(draft))
    if draft.definition is None:
        said = f"{draft.findings[0].message} It can be formatted once that is mended."
        return HttpResponse(said, content_type="text/plain; charset=utf-8", status=422)
    return HttpResponse(formatted(draft).text, content_type="text/plain; charset=utf-8")


def formatted(draft: Draft) -> Draft:
    """The same as the portal writes it; a text that cannot be read stays as it is."""
    if draft.definition is None:
        return draft
    return drafts.read(json_text.write(draft.definition))


def judged(draft: Draft) -> dict[str, Any]:
    """A draft for a template: its text, what is wrong with it, and its graph."""
    return {"draft": draft, "drawing": draw(draft.definition, draft.text, draft.bad_nodes)}
