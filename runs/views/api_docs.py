"""The page that shows the API's document, with requests that can be tried out."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.generic import View


class ApiDocs(PermissionRequiredMixin, View):
    """Mount it in `admin_view`."""

    permission_required = "runs.view_run"
    raise_exception = True
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        context = {**admin.site.each_context(request), "title": "API"}
        return render(request, "runs/api_docs.html", context)
