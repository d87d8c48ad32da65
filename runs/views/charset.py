"""Forms are UTF-8, as all pages are."""

import codecs
from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse


class CharsetMiddleware:
    """Django refuses another charset in one kind of form; in the other it would try to decode
    with whatever Python has under that name, which need not be one of text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        named = request.encoding if request.content_type == "multipart/form-data" else None
        if named and codecs.lookup(named).name != "utf-8":
            raise BadRequest("The form is not UTF-8.")
        return self.get_response(request)
