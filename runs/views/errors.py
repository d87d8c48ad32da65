"""What is shown where a page is missing, forbidden or cannot be asked for like this."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from runs.api import problems

# An exception's own words are shown where they are a sentence of ours.
MOST_WORDS = 300


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(problems.PREFIX):
        return problems.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        said = "What was sent is larger than the portal accepts, so nothing of it was stored."
        return _answer(request, 413, "This is too large", said, "scale")
    said = "The address, or what was sent with it, could not be understood. Nothing was stored."
    return _answer(request, 400, "This request makes no sense here", said, "help")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(problems.PREFIX):
        return problems.permission_denied(request, exception)
    said = _own_words(exception, PermissionDenied) or (
        "Your account does not have the permission for it. An administrator can give it."
    )
    return _answer(request, 403, "You may not do this", said, "lock")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(problems.PREFIX):
        return problems.not_found(request, exception)
    said = _own_words(exception, Http404) or (
        "The address may be mistyped, or what it named is gone."
    )
    return _answer(request, 404, "There is no such page", said, "search_off")


def _own_words(exception: Exception, kind: type[Exception]) -> str:
    words = str(exception) if type(exception) is kind else ""
    return words if words.endswith(".") and len(words) <= MOST_WORDS else ""


def _answer(request: HttpRequest, status: int, heading: str, said: str, icon: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A whole page would not fit into the part that was asked for.
        return HttpResponse(said, status=status, content_type="text/plain; charset=utf-8")
    context = {"title": heading, "said": said, "icon": icon, "now": timezone.now()}
    user = getattr(request, "user", None)
    if user is None:  # refused before it was asked who calls
        return render(request, "runs/plain.html", context, status=status)
    known = user.is_active and user.is_staff
    template = "runs/error.html" if known else "runs/error_bare.html"
    context = {**admin.site.each_context(request), **context}
    # The first page that this person may see: the front door itself may be what refused them.
    groups: Any = context.get("sidebar_navigation") if known else None
    context["start"] = next((item["link"] for group in groups or () for item in group["items"]), "")
    context["is_known"] = known
    return render(request, template, context, status=status)
