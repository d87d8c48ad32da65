"""The portal's front door: the overview, or the first page that somebody may see."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
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
