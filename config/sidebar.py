"""The portal's sidebar and stylesheets, as the admin theme wants them."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def stylesheet(request: HttpRequest) -> str:  # noqa: ARG001
    return static("runs/design.css")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that hold something the person may see; what is not built is not listed."""
    return []
