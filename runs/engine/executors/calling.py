"""What nodes share that call a service: headers with secrets, and how long it wants to be left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django.utils import timezone

from runs import placeholders
from runs.engine.errors import HttpRefused
from runs.secret_values import SecretMissing, value_of


def filled_headers(headers: Mapping[str, str], inputs: dict[str, Any], url: str) -> dict[str, str]:
    """Raises HttpRefused for a secret that is missing, and for what would be several lines."""

    def lookup(name: str, is_secret: bool) -> Any:
        try:
            return value_of(name, url) if is_secret else inputs[name]
        except SecretMissing as error:
            raise HttpRefused(str(error.args[0])) from None

    found = {}
    for name, value in headers.items():
        text = placeholders.as_text(placeholders.filled(value, lookup))
        if not text.isprintable() or not text.isascii():
            raise HttpRefused(f"the header “{name}” would hold what no header can")
        found[name] = text
    return found


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a header that tells seconds or a date; None where it tells neither."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - _now()).total_seconds())


def _now() -> datetime:
    return timezone.now()
