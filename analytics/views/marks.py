"""Marking a failure group; leads back to the page of failures."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from analytics import marking
from analytics.models.failures import Mark
from runs.fingerprint import parsed


class MarkGroup(PermissionRequiredMixin, View):
    permission_required = ("runs.view_run", "analytics.mark_failuregroup")
    raise_exception = True
    http_method_names = ["post"]

    def post(self, request: HttpRequest, group: str) -> HttpResponse:
        number, to = parsed(group), request.POST.get("mark", "")
        if number is None or to not in Mark.values:
            raise Http404("There is no such failure group or mark.")
        by = request.user.as_actor()  # type: ignore[union-attr]  # staff, by admin_view
        note = request.POST.get("note", "")
        found = marking.mark(number, Mark(to), by=by, note=note, now=timezone.now())
        if found is None:
            raise Http404("There is no such failure group.")
        said = "not marked any more" if to == Mark.NEW else f"marked as {Mark(to).label.lower()}"
        messages.success(request, f"{found.kind}: {said}.")
        query = request.POST.get("back", "")
        path = reverse("analysis_failures")
        return redirect(path + query if query.startswith("?") else path)
