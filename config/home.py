"""The portal's front door: the overview, or the first page that one may see; and the search."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from analytics.views.overview import OverviewPage
from config.sidebar import navigation


def home(request: HttpRequest) -> HttpResponseBase:
    """Mounted where the theme has its index: that lists models, which nobody comes for."""
    if request.user.has_perm(OverviewPage.permission_required):
        return OverviewPage.as_view()(request)
    groups = navigation(request)
    if not groups:
        raise PermissionDenied("Your account has no permissions yet. An administrator gives them.")
    return redirect(groups[0]["items"][0]["link"])


def search(request: HttpRequest) -> HttpResponseBase:
    """The theme's, which takes it for granted that there is the page that is asked for."""
    theme: Any = admin.site  # its types do not tell all that it has
    try:
        return theme.search(request)
    except (InvalidPage, ValueError):
        raise Http404("There is no such page of results.") from None
