"""Durations as histograms, which add: each step is five per cent wider than the one before. Pure.

A percentile that is read from one is at most two and a half per cent off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

GROWTH = 1.05
# In SQL: the step of a number of milliseconds. Below one there is nothing to tell apart.
STEP = "CASE WHEN {0} <= 1 THEN 0 ELSE ceil(ln({0}::float8) / ln(1.05))::int END"


def step(ms: float) -> int:
    return 0 if ms <= 1 else math.ceil(math.log(ms) / math.log(GROWTH))


def middle(number: int) -> float:
    """Milliseconds that stand for a step: as far, by share, from its one end as from the other."""
    return 0.5 if number == 0 else GROWTH ** (number - 0.5)


def merged(histograms: Iterable[tuple[Iterable[int], Iterable[int]]]) -> dict[int, int]:
    """The sum of histograms, each its steps and their counts."""
    found: dict[int, int] = {}
    for steps, counts in histograms:
        for number, count in zip(steps, counts, strict=True):
            found[number] = found.get(number, 0) + count
    return found


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Milliseconds below which a `share` (0 to 1) lies; None of nothing."""
    total = sum(histogram.values())
    if not total:
        return None
    wanted, passed = share * total, 0
    for number in sorted(histogram):
        passed += histogram[number]
        if passed >= wanted:
            return middle(number)
    return middle(max(histogram))
