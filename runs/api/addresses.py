"""Addresses under /api/ with and without the slash at their end."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import is_valid_path

from runs.api.problems import PREFIX


class SlashMiddleware:
    """Takes an address that lacks its last slash for the one that has it.

    A redirect would do for a page. A program that posts follows it with a GET, or not at all.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        is_ours = path.startswith(PREFIX) and not path.endswith("/")
        if is_ours and not is_valid_path(path) and is_valid_path(f"{path}/"):
            request.path_info = f"{path}/"
            request.path = f"{request.path}/"
        return self.get_response(request)
