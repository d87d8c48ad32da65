"""Which content a browser may take in and run on the portal's pages: the Content-Security-Policy.

Pages get the policy of the settings; what is no page gets one under which nothing runs at all.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from typing import Any

from csp.constants import SELF
from csp.utils import build_policy
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template import Context, Template
from django.template.loader import get_template

from runs.api.problems import PREFIX

HEADER = "Content-Security-Policy"
# Of what is data: opened as a page, or taken for one, it does nothing.
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Under the API's addresses, but a page like the others.
_DOCS = f"{PREFIX}docs"
# The templates with a stylesheet in them, ours and the theme's: only those stylesheets count.
STYLED = (
    "runs/frame.html",
    "runs/plain.html",
    "runs/services/down.html",
    "unfold/layouts/skeleton.html",
    "admin/change_list.html",
)
_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>", re.DOTALL)


class PolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response.headers.setdefault(HEADER, policy_of(request.path_info, response))
        return response


def policy_of(path: str, response: HttpResponseBase) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return NOTHING
    return page_policy(evaluates=not path.startswith(PREFIX) or path.startswith(_DOCS))


@cache
def page_policy(*, evaluates: bool) -> str:
    """`evaluates`: whether the page has the theme's sidebar, whose Alpine evaluates attributes."""
    replaced: dict[str, Any] = {"style-src-elem": [SELF, *_style_hashes()]}
    if not evaluates:
        replaced["script-src"] = [SELF]
    return build_policy(replace=replaced)


def _style_hashes() -> Iterator[str]:
    theme: Any = admin.site  # its types do not tell all that it has
    look = {
        "border_radius": theme._get_config("BORDER_RADIUS"),
        "colors": theme._get_colors("COLORS"),
    }
    for name in STYLED:
        source = get_template(name).template.source  # type: ignore[attr-defined]
        for found in _STYLE.findall(source):
            text = Template(found).render(Context(look))
            yield f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
