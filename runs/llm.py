"""What a model call costs: its tokens by the node's own prices, or by the kept list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import genai_prices

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Tokens:
    """`cached` are those of `input` that the server had read before."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @classmethod
    def told(cls, usage: Any) -> Tokens | None:
        """Of the “usage” in an answer; None where it tells nothing of use."""
        if not isinstance(usage, dict):
            return None
        given, made = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        if given is None or made is None:
            return None
        details = usage.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        return cls(given, made, min(cached or 0, given))


def cost(
    model: str, tokens: Tokens, *, base_url: str, prices: Mapping[str, float] | None
) -> Decimal | None:
    """US dollars; None where no price is known.

    `prices` are dollars for a million tokens: input, output and, if they differ, cached.
    """
    if prices is not None:
        fresh, made = _exact(prices["input"]), _exact(prices["output"])
        cached = _exact(prices.get("cached", prices["input"]))
        total = (tokens.input - tokens.cached) * fresh + tokens.cached * cached
        return (total + tokens.output * made) / _MILLION
    usage = genai_prices.Usage(
        input_tokens=tokens.input, output_tokens=tokens.output, cache_read_tokens=tokens.cached
    )
    try:
        found = genai_prices.calc_price(usage, model_ref=model, provider_api_url=base_url)
    except LookupError:
        try:
            found = genai_prices.calc_price(usage, model_ref=model)
        except LookupError:
            return None
    return found.total_price


def _exact(price: float) -> Decimal:
    return Decimal(str(price))


def _count(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if fits else None
