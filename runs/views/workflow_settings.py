"""What concerns all runs of a workflow: the limit of active ones, and whether it is paused."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from runs import workflow_state
from runs.models import Run, Workflow
from runs.states import RunState
from runs.views.workflow_base import WorkflowView
from runs.views.workflow_list import runs_url

# How far runs are counted.
COUNTED = 10_000


class LimitForm(forms.Form):
    max_active = forms.IntegerField(
        min_value=1,
        max_value=workflow_state.MOST_ACTIVE,
        required=False,
        error_messages={
            "min_value": "From 1; to start none, pause the workflow.",
            "invalid": "A whole number, or nothing for no limit.",
        },
    )


class PauseForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        strip=True,
        error_messages={"required": "Say why: whoever waits for a run reads it on its page."},
    )


class WorkflowSettings(WorkflowView):
    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG002
        return self._shown(self.workflow(slug), {})

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        if not self.may("change_workflow"):
            raise PermissionDenied
        workflow = self.workflow(slug)
        acts = {"limit": self._limit, "pause": self._pause, "resume": self._resume}
        act = acts.get(request.POST.get("act", ""))
        if act is None:
            return self._shown(workflow, {}, 400)
        return act(workflow) or redirect("admin:runs_workflow_settings", slug)

    def _limit(self, workflow: Workflow) -> HttpResponse | None:
        form = LimitForm(self.request.POST)
        if not form.is_valid():
            return self._shown(workflow, {"limit_form": form}, 422)
        most = form.cleaned_data["max_active"]
        if workflow_state.limit(workflow, most, by=self.user.as_actor()):
            said = (
                f"At most {most:,} runs are active at once." if most else "There is no limit now."
            )
            messages.success(self.request, said)
        return None

    def _pause(self, workflow: Workflow) -> HttpResponse | None:
        form = PauseForm(self.request.POST)
        if not form.is_valid():
            return self._shown(workflow, {"pause_form": form}, 422)
        reason = form.cleaned_data["reason"]
        if workflow_state.pause(workflow, by=self.user.as_actor(), reason=reason, now=self.now):
            messages.success(self.request, f"{workflow.slug} is paused.")
        else:
            messages.info(self.request, f"{workflow.slug} was paused already.")
        return None

    def _resume(self, workflow: Workflow) -> None:
        if workflow_state.resume(workflow, by=self.user.as_actor()):
            messages.success(self.request, f"{workflow.slug} is resumed: its queued runs start.")

    def _shown(self, workflow: Workflow, more: dict[str, Any], status: int = 200) -> HttpResponse:
        context = {
            "title": f"Settings of {workflow.slug}",
            "workflow": workflow,
            "most": workflow_state.MOST_ACTIVE,
            "is_editable": self.may("change_workflow"),
            "queued": self._count(workflow, RunState.CREATED),
            "active": self._count(workflow, RunState.ACTIVE),
            "queued_url": runs_url(workflow.slug, state="created"),
            "active_url": runs_url(workflow.slug, state="active"),
            **more,
        }
        return self.page("runs/workflow_settings.html", context, status)

    def _count(self, workflow: Workflow, state: RunState) -> str:
        runs = Run.objects.filter(workflow=workflow, state=state, source=None).order_by()
        count = runs[: COUNTED + 1].count()
        return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"
