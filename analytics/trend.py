"""Bars of a chart and the table beside it: some series over the bars of a scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from analytics.scope import DAY, HOUR, Scope

# Bars are told from here on, as PostgreSQL's date_bin does.
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each bar, None where there is nothing to tell."""

    name: str
    values: Sequence[Any]
    # Its share of the hue: s1 is the strongest.
    shade: str = "s1"


def bars(scope: Scope) -> list[datetime]:
    """The beginnings of all bars of the scope, also of those that hold nothing."""
    width = scope.bar
    begin = _ORIGIN + (scope.since - _ORIGIN) // width * width
    count = -((begin - scope.until) // width)
    return [begin + number * width for number in range(count)]


def along(at: Sequence[datetime], found: Mapping[datetime, Any], empty: Any = 0) -> list[Any]:
    return [found.get(each, empty) for each in at]


def peak(at: Sequence[datetime], values: Sequence[Any]) -> datetime:
    """The bar with the most."""
    return max(zip(at, values, strict=True), key=lambda each: each[1])[0]


def bar_words(width: timedelta) -> str:
    """``per hour``, ``per 3 hours``, ``per day``."""
    if width >= DAY:
        return "per day"
    hours = int(width / HOUR)
    return "per hour" if hours == 1 else f"per {hours} hours"


def chart(
    scope: Scope,
    at: Sequence[datetime],
    series: Sequence[Series],
    *,
    kind: str,
    unit: str,
    **narrower: Any,
) -> dict[str, Any]:
    """What charts.js draws. `kind`: bars that stand on each other, or lines; `unit` says how a
    value is written: count, money or ms. Each bar leads to its runs, narrowed by `narrower`."""
    days = scope.bar >= DAY
    locals_ = [timezone.localtime(each) if not days else each for each in at]
    several = scope.until - scope.since > DAY
    return {
        "kind": kind,
        "unit": unit,
        "links": [scope.link(at=each, **narrower) for each in at],
        "labels": [_label(each, days=days, several=several) for each in locals_],
        "series": [
            {"name": each.name, "shade": each.shade, "values": [_plain(v) for v in each.values]}
            for each in series
        ],
    }


def _label(moment: datetime, *, days: bool, several: bool) -> str:
    day = f"{moment.day} {moment:%b}"
    if days:
        return day
    return f"{day} {moment:%H:%M}" if several else f"{moment:%H:%M}"


def _plain(value: Any) -> float | None:
    """A chart's pixels need no more; the table beside it has the figure itself."""
    return None if value is None else float(value)
