"""A new workflow: its id, and a first definition that already works."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from runs import drafts, json_text
from runs.drafts import Draft
from runs.engine import registry
from runs.models import Workflow
from runs.views.workflow_base import WorkflowView
from runs.views.workflow_page import judged

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
        if form.is_valid() and draft.is_sound:
            slug = form.cleaned_data["slug"]
            try:
                drafts.create(slug, draft, by=self.user)
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
            **judged(draft),
        }
        return self.page("runs/workflow_new.html", context, status)


class NewWorkflowCheck(WorkflowView):
    permission_required = "runs.add_workflow"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        draft = drafts.read(request.POST.get("definition", ""))
        return self.part("runs/workflow/check.html", judged(draft))


def example() -> dict[str, Any]:
    """A definition to begin with, which runs as it is.

    Where the samples' executors are not there, it names one that is.
    """
    names = registry.names()
    if {node["executor"] for node in _EXAMPLE["nodes"] if "executor" in node} <= names:
        return _EXAMPLE
    first = min(names, default="my_app.do_something")
    return {
        "description": "What this workflow does, in a sentence.",
        "input_schema": {"type": "object"},
        "nodes": [{"id": "first_step", "kind": "executor", "executor": first}],
    }


_EXAMPLE: dict[str, Any] = {
    "description": "Reads an invoice and adds up the lines of a large one.",
    "input_schema": {
        "type": "object",
        "properties": {
            "document": {
                "type": "string",
                "description": "Key of a PDF in the portal's storage.",
                "default": "samples/invoices/inv-1001.pdf",
            }
        },
        "required": ["document"],
    },
    "nodes": [
        {
            "id": "extract_text",
            "kind": "executor",
            "executor": "samples.extract_text",
            "input": {"document": "$.data.document"},
            "retries": 1,
            "backoff_seconds": 2,
            "timeout_seconds": 120,
        },
        {
            "id": "extract_fields",
            "kind": "executor",
            "executor": "samples.extract_fields",
            "needs": ["extract_text"],
            "input": {"text_key": "$.nodes.extract_text.output.text_key"},
        },
        {
            "id": "extract_items",
            "kind": "executor",
            "executor": "samples.extract_items",
            "needs": ["extract_text"],
            "input": {"text_key": "$.nodes.extract_text.output.text_key"},
        },
        {
            "id": "is_large",
            "kind": "branch",
            "needs": ["extract_fields", "extract_items"],
            "paths": [
                {
                    "name": "large",
                    "when": {
                        "value": "$.nodes.extract_fields.output.total",
                        "greater_than": 1000,
                    },
                    "to": ["check_totals"],
                }
            ],
        },
        {
            "id": "check_totals",
            "kind": "executor",
            "executor": "samples.check_totals",
            "needs": ["is_large"],
            "input": {
                "fields": "$.nodes.extract_fields.output",
                "items_key": "$.nodes.extract_items.output.items_key",
            },
        },
    ],
    "output": {"total": "$.nodes.extract_fields.output.total"},
}
