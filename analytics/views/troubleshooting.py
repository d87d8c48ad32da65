"""INFRASTRUCTURE → Troubleshooting: stuck runs, missing logs, failures, slow runs, each judged."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import View

from analytics import upkeep
from analytics.troubleshooting import troubles
from analytics.views.base import FAR_BEHIND
from runs.timeouts import was_stopped

logger = logging.getLogger(__name__)


class TroubleshootingPage(PermissionRequiredMixin, View):
    """Mount it in `admin_view`. `run` names one whose log is to be checked."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        asked = request.GET.get("run", "").strip()[:100]
        context: dict[str, Any] = {"asked": asked}
        status = 200
        try:
            context["found"] = troubles(now, asked)
            context["fresh_until"] = fresh = upkeep.fresh_until(now)
            context["is_far_behind"] = now - fresh >= FAR_BEHIND
        except DatabaseError as error:
            status = 503
            context |= {"is_away": True, "is_stopped": was_stopped(error)}
            if not was_stopped(error):
                logger.warning("the troubleshooting page cannot be made: %s", error)
        request.current_app = admin.site.name
        frame = admin.site.each_context(request)
        common = {
            "now": now,
            "title": "Troubleshooting",
            "here": request.path,
            "runs_url": reverse("admin:runs_run_changelist"),
        }
        answer = render(
            request, "analytics/troubleshooting.html", {**frame, **common, **context}, status=status
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer
