"""What the pages of workflows share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.generic import View

from runs.models import User, Workflow, WorkflowVersion


class WorkflowView(PermissionRequiredMixin, View):
    """Mount it in the admin: ``SomeView.as_view(model_admin=self)``."""

    model_admin: Any = None
    permission_required: str | tuple[str, ...] = "runs.view_workflow"
    raise_exception = True

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.now = timezone.now()

    @property
    def user(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # the admin lets nobody else in
        return user

    def may(self, permission: str) -> bool:
        return self.user.has_perm(f"runs.{permission}")

    def workflow(self, slug: str) -> Workflow:
        workflow = Workflow.objects.filter(slug=slug).first()
        if workflow is None:
            raise Http404(f"There is no workflow {slug}.")
        return workflow

    def page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = self.model_admin.admin_site.name
        frame = self.model_admin.admin_site.each_context(self.request)
        given = {"now": self.now, "may": self._permissions(), **context}
        answer = render(self.request, template, {**frame, **given}, status=status)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def part(self, template: str, context: dict[str, Any]) -> HttpResponse:
        return render(self.request, template, {"now": self.now, **context})

    def _permissions(self) -> dict[str, bool]:
        return {
            "add": self.may("add_workflow"),
            "change": self.may("change_workflow"),
            "execute": self.may("execute_workflow"),
            "view_runs": self.may("view_run"),
        }


def number_in(text: str) -> int:
    """A version's number in an address."""
    if not text.isdecimal() or len(text) > 9:
        raise Http404
    return int(text)


def note_in(posted: Mapping[str, str]) -> str:
    """What a person says of a version, on one line."""
    return " ".join(posted.get("note", "").replace("\0", "").split())


def version_of(workflow: Workflow, number: int) -> WorkflowVersion:
    version = workflow.versions.select_related("created_by").filter(number=number).first()
    if version is None:
        raise Http404(f"{workflow.slug} has no version {number}.")
    version.workflow = workflow
    return version


def is_elsewhere(version: WorkflowVersion | None) -> bool:
    """Its runs are executed by another system, which is where they are started."""
    definition = version.definition if version is not None else None
    return isinstance(definition, dict) and definition.get("executed") == "elsewhere"


def newest_of(workflow: Workflow) -> WorkflowVersion | None:
    version = workflow.versions.select_related("created_by").order_by("-number").first()
    if version is not None:
        version.workflow = workflow
    return version
