"""Drawing by shares, fast: ten million runs draw a hundred million times."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
_SIZE = 10_000


class Urn(Generic[T]):
    """Things as often as their shares say, to one in ten thousand."""

    def __init__(self, shares: Mapping[T, float]) -> None:
        total, self._things, reached = sum(shares.values()), list[T](), 0.0
        for thing, share in shares.items():
            reached += share
            more = round(reached / total * _SIZE) - len(self._things)
            self._things += [thing] * more

    def draw(self, rng: random.Random) -> T:
        return self._things[int(rng.random() * _SIZE)]
