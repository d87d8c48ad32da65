"""What the pages of bulk operations share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.generic import View

from runs.bulk import kinds
from runs.models import BulkOperation, User
from runs.models.bulk import BulkKind


class BulkView(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required = "runs.view_run"
    raise_exception = True

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.now = timezone.now()

    @property
    def user(self) -> User:
        return self.request.user  # type: ignore[return-value]  # staff, by admin_view

    def may_act(self, operation: BulkOperation) -> bool:
        """Pause, abort or repeat it: who may do to runs what it does."""
        return self.user.has_perm(kinds.PERMISSIONS[BulkKind(operation.kind)])

    def page(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        frame = admin.site.each_context(self.request)
        given = {**frame, "now": self.now, **context}
        return self.plain(template, given, status)

    def plain(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        """A part of a page, without the frame."""
        given = {"now": self.now, **context}
        answer = render(self.request, template, given, status=status)
        answer.headers["Cache-Control"] = "no-store"
        return answer
