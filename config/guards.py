"""Headers that every answer bears, whichever part of the portal gives it: pages and the API by
Django, streams, probes and refusals by what stands beside it.

An answer that says something of its own keeps it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from config.policy import NOTHING

Application = Callable[[Any, Any, Any], Awaitable[None]]

# What pages have no use for, and so nothing that got into one either.
_FEATURES = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation",
    "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment",
    "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
GUARDS = {
    b"content-security-policy": NOTHING.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": ", ".join(f"{name}=()" for name in _FEATURES).encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    # All but the files of the pages is for whoever asked; those say how long they may be kept.
    b"cache-control": b"private, no-store",
}
_HSTS = b"strict-transport-security"


class Guarded:
    """In front of all."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_guards(scope, message.get("headers", ()))}
            await send(message)

        await self._application(scope, receive, guarded)


def _with_guards(scope: Any, given: Any) -> list[tuple[bytes, bytes]]:
    headers = list(given)
    there = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in GUARDS.items() if name not in there]
    if settings.SECURE_HSTS_SECONDS and _HSTS not in there and _is_secure(scope):
        headers.append((_HSTS, _hsts()))
    return headers


def _is_secure(scope: Any) -> bool:
    if settings.BEHIND_PROXY:
        return dict(scope["headers"]).get(b"x-forwarded-proto") == b"https"
    return scope.get("scheme") == "https"


def _hsts() -> bytes:
    words = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        words.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        words.append("preload")
    return "; ".join(words).encode()
