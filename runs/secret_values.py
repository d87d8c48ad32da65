"""Secrets that nodes may use: named in a definition, kept in the environment, told to nobody.

``NODE_SECRET_<NAME>`` holds one. ``NODE_SECRETS_HOSTS`` may bind some to hosts, such as
``ERP=erp.example``: whoever writes a workflow cannot send these elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

MASK = "•••"
# Shorter ones would mask what is no secret.
LEAST = 6
# Of the portal's own: a password that is a common word would be masked wherever that word stands.
LEAST_OWN = 12
# Tokens of the API, of which the beginning may be shown, and secrets of webhooks.
_OURS = re.compile(r"(\bruns_[a-z0-9]{6}_|\bwhsec_)[A-Za-z0-9_+/=-]{20,}")
# A password that stands in an address: postgresql://name:password@host.
_IN_ADDRESS = re.compile(r"(://[^\s/?#:@\"']{0,200}:)[^\s/?#@\"']{1,200}@")


class SecretMissing(LookupError):  # noqa: N818
    """No secret of that name, or it is not meant for that host."""


def value_of(name: str, url: str) -> str:
    """The secret `name`, to be sent to `url`. Raises SecretMissing."""
    value = settings.NODE_SECRETS.get(name)
    if value is None:
        raise SecretMissing(f"there is no secret “{name}”; set NODE_SECRET_{name} for the workers")
    hosts = settings.NODE_SECRETS_HOSTS.get(name)
    if hosts is not None and urlsplit(url).hostname not in hosts:
        raise SecretMissing(f"the secret “{name}” is not meant for {urlsplit(url).hostname}")
    return value


def masked(value: Any) -> Any:
    """What people read, a text or the texts of a JSON value, without the secrets in it: those that
    the portal knows, and what looks like one wherever it comes from."""
    return _each(value, _without_any)


def without_known(value: Any) -> Any:
    """What the next node takes, without the secrets that the portal knows. What only looks like one
    may be what that node is to work with."""
    return _each(value, _without_known)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_each(key, change): _each(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(item, change) for item in value]
    return value


def _without_known(text: str) -> str:
    pattern = _pattern()
    return text if pattern is None else pattern.sub(MASK, text)


def _without_any(text: str) -> str:
    text = _without_known(text)
    # Most texts hold none: to look for what all of a kind have is cheaper than to look for them.
    if "runs_" in text or "whsec_" in text:
        text = _OURS.sub(rf"\1{MASK}", text)
    if "://" in text and "@" in text:
        text = _IN_ADDRESS.sub(rf"\1{MASK}@", text)
    return text


@cache
def _pattern() -> re.Pattern[str] | None:
    values = {v for v in settings.NODE_SECRETS.values() if len(v) >= LEAST}
    values |= {v for v in _own() if len(v) >= LEAST_OWN}
    if not values:
        return None
    # The longest first: one may begin as another does.
    return re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))))


def _own() -> set[str]:
    """What the portal itself signs and signs in with; as it is, and as it stands in an address."""
    found = {settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, settings.METRICS_TOKEN}
    for given in (*settings.DATABASES.values(), settings.EVENTSTREAM_REDIS):
        found.add(given.get("PASSWORD") or given.get("password") or "")
    for storage in settings.STORAGES.values():
        found.add(storage.get("OPTIONS", {}).get("secret_key") or "")
    return found | {quote(value, safe="") for value in found}
