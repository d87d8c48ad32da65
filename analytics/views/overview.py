"""The admin's home: what runs now, how the last day went, what changed."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from analytics import documents, overview, trend, upkeep
from analytics.changes import ICONS
from analytics.overview import Overview, WorkflowDay
from analytics.views.base import BEHIND, FAR_BEHIND
from runs.models import Workflow
from runs.timeouts import was_stopped
from runs.views.bulk.words import Said

logger = logging.getLogger(__name__)

# Whose colours mean a state; by the design's names of them.
_SHADES = {"completed": "done", "failed": "fail", "terminated": "ended", "active": "now"}


class OverviewPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`. With `HX-Request` it answers with what changes from moment to
    moment."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002  (as Django calls it)
        self.now = timezone.now()
        try:
            found = overview.overview(self.now)
            fresh_until = upkeep.fresh_until(self.now)
        except DatabaseError as error:
            if not was_stopped(error):
                logger.warning("the overview cannot be read: %s", error)
            answer = self._unanswered(was_stopped=was_stopped(error))
        else:
            answer = self._answered(found, fresh_until)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _answered(self, found: Overview, fresh_until: Any) -> HttpResponse:
        if self.request.GET.get("as") == "json":
            return JsonResponse(documents.plain(documents.overview(found, fresh_until)))
        context = {
            "found": found,
            "fresh_until": fresh_until,
            "is_behind": self.now - fresh_until >= BEHIND,
            "is_far_behind": self.now - fresh_until >= FAR_BEHIND,
            "changes": [
                (change, documents.address_of(change), ICONS[change.kind])
                for change in found.changes
            ],
            "operations": [Said(operation, self.now) for operation in found.operations],
            "cap": overview.CAP,
        }
        if self.request.headers.get("HX-Request"):
            return self._render("analytics/_overview_now.html", context)
        series = [
            trend.Series(label, found.by_state[state], _SHADES[state])
            for state, label in (*overview.STATES, ("active", "Running"))
        ]
        context["chart"] = trend.chart(found.scope, found.bars, series, kind="bars", unit="count")
        context["states"] = [
            (state, label, sum(found.by_state[state]), found.scope.link(state=word), shade)
            for state, label, word, shade in (
                *((state, label, state, _SHADES[state]) for state, label in overview.STATES),
                ("active", "Running", "running", _SHADES["active"]),
                ("created", "Queued", "queued", ""),
            )
        ]
        context["days"] = [(day, self._links(found, day)) for day in found.workflows]
        context["more_workflows"] = found.workflow_count - len(found.workflows)
        context["bar_words"] = trend.bar_words(found.scope.bar)
        if not found.has_runs:
            context["workflow_count"] = Workflow.objects.count()
        return self._page(context)

    def _links(self, found: Overview, day: WorkflowDay) -> dict[str, str]:
        """To its runs, and to each page of the analysis of it."""
        own = found.scope.narrowed(workflow=day.workflow)
        pages = ("failures", "duration", "cost")
        return {
            "runs": own.query(),
            "failed": own.with_(state="failed").query(),
            **{page: reverse(documents.PAGES[page]) + own.query() for page in pages},
        }

    def _unanswered(self, *, was_stopped: bool) -> HttpResponse:
        if self.request.GET.get("as") == "json":
            return JsonResponse({"detail": "The figures cannot be read now."}, status=503)
        return self._page({"is_stopped": was_stopped, "is_away": True}, 503)

    def _page(self, context: dict[str, Any], status: int = 200) -> HttpResponse:
        self.request.current_app = admin.site.name
        frame = admin.site.each_context(self.request)
        context = {**frame, "title": "Overview", **context}
        return self._render("analytics/overview.html", context, status)

    def _render(self, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        common = {
            "now": self.now,
            "runs_url": reverse("admin:runs_run_changelist"),
            "here": self.request.path,
        }
        return render(self.request, template, {**common, **context}, status=status)
