"""One run as it is asked for, what a person may do with it, and the frame of its pages."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from runs import holds, ids
from runs.actors import Actor
from runs.models import DeletedRun, Run, WorkflowVersion
from runs.states import RunState
from runs.templatetags.runs_ui import short
from runs.views import run_alike, run_archive
from runs.views.run_address import Address
from runs.views.run_forms import SHORT


class RunView(PermissionRequiredMixin, View):
    """What showing a run and acting on it have in common."""

    model_admin: Any = None
    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "post", "options"]
    run: Run

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.now = timezone.now()
        answer = super().dispatch(request, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def find(self, public_id: str) -> bool:
        uuid = ids.decode("run", public_id)
        newest = WorkflowVersion.objects.filter(workflow=OuterRef("workflow")).order_by("-number")
        runs = (
            Run.objects.select_related("workflow", "version")
            .defer("version__definition")
            .annotate(newest_version=Subquery(newest.values("number")[:1]))
        )
        found = runs.filter(pk=uuid).first() if uuid else None
        if found is not None:
            self.run = found
        return found is not None

    @cached_property
    def address(self) -> Address:
        return Address(self.request.GET)

    @cached_property
    def log(self) -> run_archive.Archived | None:
        return run_archive.archived(self.run, self.now)

    @property
    def is_part(self) -> bool:
        """Whether a module asks, which puts the answer into a dialog."""
        return bool(self.request.headers.get("HX-Request"))

    @property
    def by(self) -> Actor:
        return self.request.user.as_actor()  # type: ignore[union-attr]  # staff, by admin_view

    def can(self, act: str) -> bool:
        user = self.request.user
        if act == "retry":
            return self.run.can_retry and user.has_perm("runs.retry_run")
        if act == "terminate":
            return self.run.can_terminate and user.has_perm("runs.terminate_run")
        if act == "delete":
            return self.run.can_delete and user.has_perm("runs.delete_run")
        if act == "hold":
            return user.has_perm("runs.hold_run")
        if act == "restore":
            return bool(self.log and self.log.can_restore) and user.has_perm("runs.restore_run")
        if act == "prolong":
            return bool(self.log and self.log.can_prolong) and user.has_perm("runs.restore_run")
        if act == "export":
            return user.has_perm("runs.export_run")
        return not self.run.is_elsewhere and user.has_perm("runs.execute_workflow")

    def framed(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = self.model_admin.admin_site.name
        frame = self.model_admin.admin_site.each_context(self.request)
        return render(self.request, template, {**frame, "now": self.now, **context}, status=status)

    def missing(self, public_id: str) -> HttpResponse:
        run_id = ids.decode("run", public_id)
        deleted = DeletedRun.objects.filter(pk=run_id).first() if run_id else None
        title = "Deleted run" if deleted else "No such run"
        context = {"title": title, "asked": public_id[:100], "deleted": deleted}
        return self.framed("runs/run/missing.html", context, 404)

    def base_context(self) -> dict[str, Any]:
        run = self.run
        return {
            "now": self.now,
            "run": run,
            "title": short(run.public_id),
            "can_retry": self.can("retry"),
            "retry_from_url": self.address.link(confirm="retry_from"),
            "can_terminate": self.can("terminate"),
            "can_start": self.can("start"),
            "can_export": self.can("export"),
            "can_delete": self.can("delete"),
            "is_kept": self.run.is_final
            and self.run.is_held
            and self.request.user.has_perm("runs.delete_run"),
            "can_hold": self.can("hold"),
            "held_why": holds.why(run),
            "can_restore": self.can("restore"),
            "can_prolong": self.can("prolong"),
            "prolong_url": self.address.link(confirm="prolong"),
            "log": self.log,
            "keep_url": self.address.link(),
            "hold_url": self.address.link(confirm="hold"),
            "short_end": run.public_id[-SHORT:],
            # The same input would fail again: then the likeliest next act is to change it.
            "input_error": run.error_kind == "InputInvalid",
            "page_url": reverse("admin:runs_run_page", args=[run.public_id]),
            "terminate_url": self.address.link(confirm="terminate"),
            "delete_url": self.address.link(confirm="delete"),
            "support_url": settings.SUPPORT_URL,
            "alike_url": run_alike.list_url(run) if run.state == RunState.FAILED else "",
        }
