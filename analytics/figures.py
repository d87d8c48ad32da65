"""What a page says at its top: four figures, and how each compares with another time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from runs.templatetags.runs_ui import duration_words, money_words

SAME = "same as before"


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    # As it is read, and as it is counted.
    words: str
    value: int | float | Decimal | None
    before: int | float | Decimal | None = None
    change: str = ""
    is_worse: bool = False
    # The runs behind it, as the list's query string.
    link: str = ""
    note: str = ""


def percent(share: float | None) -> str:
    """``1.9 %``, ``58 %``."""
    if share is None:
        return "–"
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %"


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def growth(now: float | Decimal, before: float | Decimal | None) -> str:
    """``+61 %``; of what there was nothing before, nothing can be said in per cent."""
    if before is None:
        return ""
    if now == before:
        return SAME
    if not before:
        return "none before"
    change = round(100 * (float(now) / float(before) - 1))
    if not change:
        return SAME
    return f"×{float(now) / float(before):.0f}" if change >= 1000 else _signed(change, "%")


def count(label: str, now: int, before: int | None, link: str, *, bad: bool = False) -> Figure:
    """`bad`: more of it is worse."""
    change = growth(now, before)
    worse = bad and before is not None and now > before and change != SAME
    return Figure(label, f"{now:,}", now, before, change, worse, link)


def share(
    label: str, now: float | None, before: float | None, link: str, *, bad: bool, note: str = ""
) -> Figure:
    change, worse = "", False
    if now is not None and before is not None:
        points = round(100 * (now - before), 1)
        change = _signed(points, "points") if points else SAME
        worse = points > 0 if bad else points < 0
    return Figure(label, percent(now), now, before, change, worse, link, note)


def money(
    label: str, now: Decimal, before: Decimal | None, link: str, *, bad: bool = True
) -> Figure:
    change = growth(now, before)
    worse = bad and before is not None and now > before and change != SAME
    return Figure(label, dollars(now), now, before, change, worse, link)


def length(
    label: str, now: float | None, before: float | None, link: str, *, bad: bool = True
) -> Figure:
    """Milliseconds. Histograms tell apart what differs by five per cent, no less."""
    if now is None:
        return Figure(label, "–", None, before, link=link)
    words = duration_words(timedelta(milliseconds=now))
    if before is None:
        return Figure(label, words, now, link=link)
    if abs(now - before) < 0.05 * before:
        return Figure(label, words, now, before, SAME, link=link)
    sign = "+" if now > before else "−"
    change = sign + duration_words(timedelta(milliseconds=abs(now - before)))
    return Figure(label, words, now, before, change, bad and now > before, link)


def dollars(amount: Decimal) -> str:
    return money_words(amount) if amount else "$0"


def per(amount: Decimal, runs: int) -> Decimal:
    """What one of them cost on average, to the ledger's last digit."""
    if not runs:
        return Decimal(0)
    return (amount / runs).quantize(Decimal("0.0000000001"), ROUND_HALF_UP)


def _signed(number: float, unit: str) -> str:
    text = f"{abs(number):,g}" if isinstance(number, float) else f"{abs(number):,}"
    return f"{'+' if number > 0 else '−'}{text} {unit}"
