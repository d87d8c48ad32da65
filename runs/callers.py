"""Where a request comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from runs.models import User


def address_of(request: HttpRequest) -> str | None:
    """The caller's IP address.

    Each proxy adds to X-Forwarded-For the address that it was called from, so only as many of
    them, from the end, are to be believed as there are proxies of ours; the rest is the caller's.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    return _believed(forwarded, request.META.get("REMOTE_ADDR", ""))


def address_in(headers: Iterable[tuple[bytes, bytes]], caller: str) -> str | None:
    """The same, of a request that is not Django's."""
    forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
    return _believed(b",".join(forwarded).decode("latin-1"), caller)


def _believed(forwarded: str, caller: str) -> str | None:
    if settings.PROXIES:
        hops = forwarded.split(",")
        found = _clean(hops[-min(settings.PROXIES, len(hops))])
        if found:
            return found
    return _clean(caller)


def _clean(text: str) -> str | None:
    """An address as some proxies write it: with a port, or in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


class AddressMiddleware:
    """Tells the account that is signed in where it acts from, for the audit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            user.address = address_of(request)
        return self.get_response(request)
