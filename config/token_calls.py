"""Calls of the API by token, and of webhooks: to their views past the middleware of pages.

Who shows a token is whoever the token says, or nobody; a cookie that comes along counts nothing.
Who calls a webhook is nobody: its view asks for a signature.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from runs.api.problems import PREFIX
from runs.bearer import digest_in

# Under the API's addresses, but a page.
DOCS = f"{PREFIX}docs"
HOOKS = f"{PREFIX}hooks/"


class TokenCalls(BaseHandler):
    # None of the middleware here asks to see more than requests and responses.
    _view_middleware = _template_response_middleware = _exception_middleware = ()

    def __init__(self) -> None:
        own: Any = self  # its types do not tell all that it has
        chain: Any = convert_exception_to_response(own._get_response)
        for name in reversed(settings.MIDDLEWARE):
            if name not in settings.PAGES_ONLY:
                chain = convert_exception_to_response(import_string(name)(chain))
        self._middleware_chain = chain

    def serves(self, request: HttpRequest) -> bool:
        path = request.path_info
        if not path.startswith(PREFIX) or path.startswith(DOCS):
            return False
        if path.startswith(HOOKS):
            return True
        return digest_in(request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1")) is not None

    def get_response(self, request: Any) -> HttpResponseBase:
        request.session = {}
        return super().get_response(request)
