"""JSON as it is stored: strict, without what jsonb refuses, and bounded. Pure."""

import json
from typing import Any


class PayloadError(ValueError):
    """A value that cannot be stored; the message says why and is fit for a person."""


class PayloadTooLarge(PayloadError):  # noqa: N818
    """JSON, but more of it than is stored in one event."""


# Kept: `json.dumps` makes an encoder anew for each value that it does not write its own way.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _clean(value: Any) -> Any:
    """`value` without NUL characters, which jsonb refuses."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def dump(value: Any) -> str:
    """Compact JSON text of `value`. Raises PayloadError for NaN, sets, cycles and the like."""
    try:
        text = _encode(value)
        if "\\u0000" in text:
            text = _encode(_clean(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"not JSON: {error}") from error
    # Lone surrogates cannot be sent to the database.
    return text.encode("utf-8", "replace").decode()


def bounded(value: Any, limit: int, what: str) -> Any:
    """`value`, if its JSON takes at most `limit` bytes."""
    size = len(dump(value).encode())
    if size > limit:
        raise PayloadTooLarge(f"{what} is {size:,} bytes of JSON; the limit is {limit:,}")
    return value
