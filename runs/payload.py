"""JSON as it is stored: strict, without what jsonb refuses, and bounded. Pure."""

import json
from typing import Any

# Objects and arrays within each other in one payload: what reads JSON recursively, here or
# elsewhere, must get through it.
MAX_DEPTH = 100
# And in one event, which says beside a payload whose it is.
EVENT_DEPTH = MAX_DEPTH + 4
_NESTS = (dict, list, tuple)


class PayloadError(ValueError):
    """A value that cannot be stored; the message says why and is fit for a person."""


class PayloadTooLarge(PayloadError):  # noqa: N818
    """JSON, but more of it than is stored in one event."""


class PayloadTooDeep(PayloadError):  # noqa: N818
    """JSON, but nested deeper than is stored."""


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


def dump(value: Any, what: str = "it", depth: int = EVENT_DEPTH) -> str:
    """Compact JSON text of `value`. Raises PayloadError for NaN, sets, cycles and the like."""
    try:
        text = _encode(value)
        if "\\u0000" in text:
            text = _encode(_clean(value))
    except RecursionError:
        raise _too_deep(what, depth) from None
    except (TypeError, ValueError) as error:
        raise PayloadError(f"not JSON: {error}") from error
    # With fewer brackets than levels there is nothing to look for.
    if text.count("{") + text.count("[") > depth and _is_deeper(value, depth):
        raise _too_deep(what, depth)
    # Lone surrogates cannot be sent to the database.
    return text.encode("utf-8", "replace").decode()


def bounded(value: Any, limit: int, what: str) -> Any:
    """`value`, if its JSON takes at most `limit` bytes and is nested at most MAX_DEPTH deep."""
    size = len(dump(value, what, MAX_DEPTH).encode())
    if size > limit:
        raise PayloadTooLarge(f"{what} is {size:,} bytes of JSON; the limit is {limit:,}")
    return value


def check_depth(value: Any, what: str) -> None:
    """Raises PayloadTooDeep for a JSON value that is nested more than MAX_DEPTH deep."""
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep(what, MAX_DEPTH)


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value] if isinstance(value, _NESTS) else []
    for _ in range(depth):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, _NESTS)
        ]
    return bool(level)


def _too_deep(what: str, depth: int) -> PayloadTooDeep:
    return PayloadTooDeep(f"{what} is nested more than {depth} levels deep")
