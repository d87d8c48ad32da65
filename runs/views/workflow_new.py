"""A new workflow: its id, and a first definition that already works."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from runs import drafts, json_text
from runs.drafts import Draft
from runs.models import Workflow
from runs.views.workflow_base import WorkflowView, note_in
from runs.views.workflow_example import example
from runs.views.workflow_page import checked, formatted, judged
from runs.views.workflow_snippets import offered

# The address of this page, so no workflow's id.
RESERVED = "add"
TAKEN = "There is a workflow of this name already."


class SlugForm(forms.ModelForm):
    class Meta:
        model = Workflow
        fields = ("slug",)
        error_messages = {"slug": {"unique": TAKEN, "required": "A workflow needs a name."}}

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug == RESERVED:
            raise forms.ValidationError(f"“{RESERVED}” is taken by this page's address.")
        return slug


class NewWorkflow(WorkflowView):
    permission_required = "runs.add_workflow"
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        draft = drafts.read(json_text.write(example()))
        return self._shown(SlugForm(), draft)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SlugForm(request.POST)
        draft = drafts.read(request.POST.get("definition", ""))
        if "format" in request.POST:
            return self._shown(SlugForm(initial=request.POST.dict()), formatted(draft))
        if form.is_valid() and draft.is_sound:
            slug = form.cleaned_data["slug"]
            try:
                drafts.create(slug, draft, by=self.user, note=note_in(request.POST))
            except drafts.SlugTaken:
                form.add_error("slug", TAKEN)
            else:
                messages.success(request, "Saved as v1.")
                return redirect("admin:runs_workflow_page", slug)
        return self._shown(form, draft, status=422)

    def _shown(self, form: SlugForm, draft: Draft, status: int = 200) -> HttpResponse:
        context = {
            "title": "New workflow",
            "form": form,
            "is_editable": True,
            "check_url": reverse("admin:runs_workflow_add_check"),
            "note": note_in(self.request.POST),
            **judged(draft),
            **offered(),
        }
        return self.page("runs/workflow_new.html", context, status)


class NewWorkflowCheck(WorkflowView):
    permission_required = "runs.add_workflow"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return checked(self, request)
