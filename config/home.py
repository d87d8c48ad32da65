"""The portal's front door: the first page of the sidebar."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.sidebar import navigation


def home(request: HttpRequest) -> HttpResponse:
    """Mounted where the theme has its index: that lists models, which nobody comes for."""
    groups = navigation(request)
    if not groups:
        raise PermissionDenied("Your account has no permissions yet. An administrator gives them.")
    return redirect(groups[0]["items"][0]["link"])
