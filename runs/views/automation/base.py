"""What the pages of triggers share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.generic import View

from runs.models import Trigger, User


class TriggerView(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required: str | tuple[str, ...] = "runs.view_trigger"
    raise_exception = True

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.now = timezone.now()

    @property
    def user(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    def may(self, permission: str) -> bool:
        return self.user.has_perm(f"runs.{permission}")

    def trigger(self, trigger_id: int) -> Trigger:
        found = Trigger.objects.select_related("created_by").filter(pk=trigger_id).first()
        if found is None:
            raise Http404("That trigger is not there; it may have been deleted.")
        return found

    def page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        frame = admin.site.each_context(self.request)
        may = {
            "add": self.may("add_trigger"),
            "change": self.may("change_trigger"),
            "delete": self.may("delete_trigger"),
            "fire": self.may("fire_trigger"),
            "view_runs": self.may("view_run"),
        }
        given = {**frame, "now": self.now, "may": may, **context}
        answer = render(self.request, template, given, status=status)
        # A webhook's page holds its secret.
        answer.headers["Cache-Control"] = "no-store"
        return answer
