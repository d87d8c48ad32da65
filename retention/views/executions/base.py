"""What the pages of executions share."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect

from retention import executions
from runs.views.bulk.base import BulkView


class ExecutionView(BulkView):
    """Mount it in `admin_view`."""

    permission_required = executions.PERMISSION

    def lead(self, url: str) -> HttpResponse:
        if self.request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(url)
        return redirect(url)
