"""What a call to a webhook brings: what of it a rule's paths may lead into. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_ENTRIES = 50
MAX_CHARACTERS = 1_000
_KEPT = re.compile(r"content-type|user-agent|webhook-(id|timestamp)|x-[a-z0-9_-]+\Z")
# What lets somebody in, and what proxies say of the way the call took.
_LEFT_OUT = re.compile(r"signature|token|secret|password|passwd|api-?key|auth|cookie|csrf|session")
_OF_PROXIES = ("x-forwarded", "x-real-ip", "x-client-ip", "x-original-")


def payload(body: Any, headers: Mapping[str, str], query: Mapping[str, Any]) -> dict[str, Any]:
    """``{"body": …, "headers": …, "query": …}``."""
    kept = ((name, text) for name, text in headers.items() if _is_kept(name))
    return {"body": body, "headers": _bounded(kept), "query": _bounded(query.items())}


def _is_kept(name: str) -> bool:
    """A header by its name in small letters."""
    if not _KEPT.match(name) or name.startswith(_OF_PROXIES):
        return False
    return not _LEFT_OUT.search(name)


def _bounded(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The first so many; what is too long is left out rather than cut: half a value misleads."""
    found: dict[str, str] = {}
    for name, text in pairs:
        if len(name) > MAX_CHARACTERS or len(text) > MAX_CHARACTERS:
            continue
        if len(found) < MAX_ENTRIES:
            found[_storable(name)] = _storable(text)
    return found


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
