"""A preview as its page shows it: the saved policy and the changed one side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from retention.previewed import Amount, Line, Preview, Side
from runs.templatetags.runs_ui import size

# Lines of workflows and states; what is beyond is said in one figure.
MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    saved: str
    changed: str | None = None
    # One of the design's states: what cannot be undone.
    look: str = ""

    @property
    def is_changed(self) -> bool:
        return self.changed is not None and self.changed != self.saved


@dataclass(frozen=True, slots=True)
class Row:
    line: Line
    runs: str
    changed_runs: str | None
    events: str
    size: str
    held: int

    @property
    def is_changed(self) -> bool:
        return self.changed_runs is not None and self.changed_runs != self.runs


@dataclass(frozen=True, slots=True)
class Shown:
    at: datetime
    changed_at: datetime | None
    figures: list[Figure]
    moments: list[tuple[str, datetime | None, datetime | None]]
    rows: list[Row]
    more: int
    has_changed: bool
    is_estimated: bool
    runs: int
    goes: bool


def shown(found: Preview) -> Shown:
    sides = [found.saved, *([found.changed] if found.changed else [])]
    last = sides[-1]
    rows = _rows(found)
    amounts = [each for side in sides for each in (side.events, side.bytes, side.gone.runs)]
    return Shown(
        at=found.at,
        changed_at=found.changed_at,
        figures=_figures(found),
        moments=[
            (
                label,
                getattr(found.saved, name),
                getattr(found.changed, name) if found.changed else None,
            )
            for label, name in (("Oldest ended", "oldest"), ("Newest ended", "newest"))
        ],
        rows=rows[:MOST_LINES],
        more=len(rows) - MOST_LINES if len(rows) > MOST_LINES else 0,
        has_changed=found.changed is not None,
        is_estimated=not all(each.is_exact for each in amounts),
        runs=last.runs,
        goes=bool(last.gone.runs.value or last.then_gone),
    )


def count_words(amount: Amount) -> str:
    if amount.value is None:
        return "not known"
    return f"{amount.value:,}" if amount.is_exact else f"about {_rounded(amount.value):,}"


def size_words(amount: Amount) -> str:
    if amount.value is None:
        return "not known"
    if amount.is_exact:
        return size(amount.value)
    # Two digits, here as well.
    return f"about {size(_rounded(amount.value))}".replace(".0 ", " ")


def _short(words: str) -> str:
    """In a column of a table."""
    return words.replace("about ", "~")


def _rounded(value: int) -> int:
    """Two digits: an estimate must not look like a count."""
    places = max(0, len(str(value)) - 2)
    return round(value, -places)


def _figures(found: Preview) -> list[Figure]:
    least = " or more" if found.held_is_capped else ""
    asked: tuple[tuple[str, Callable[[Side], str], str], ...] = (
        ("Runs archived", lambda side: f"{side.runs:,}", ""),
        ("Events moved", lambda side: count_words(side.events), ""),
        ("Space freed in the database", lambda side: size_words(side.bytes), ""),
        ("Under legal hold, left alone", lambda side: f"{side.held:,}{least}", ""),
        ("Runs deleted for good", _gone_words, "failed"),
        ("Archives deleted", lambda side: size_words(side.gone.bytes), "failed"),
    )
    sides = (found.saved, found.changed or found.saved)
    return [
        Figure(
            label,
            words(found.saved),
            words(found.changed) if found.changed else None,
            look if any(side.gone.runs.value or side.then_gone for side in sides) else "",
        )
        for label, words, look in asked
    ]


def _gone_words(side: Side) -> str:
    """What is archived already and past its second term, and what is past both tonight."""
    gone = side.gone.runs
    total = Amount(None if gone.value is None else gone.value + side.then_gone, gone.is_exact)
    return count_words(total)


def _rows(found: Preview) -> list[Row]:
    saved = {(line.workflow, line.state): line for line in found.saved.lines}
    changed = (
        {(line.workflow, line.state): line for line in found.changed.lines}
        if found.changed
        else None
    )
    rows = []
    for key in {**saved, **(changed or {})}:
        old, new = saved.get(key), (changed or {}).get(key)
        # The figures beside the runs are of what is asked about: the changed policy, if any.
        line = (new if changed is not None else old) or old
        assert line is not None
        is_none = changed is not None and new is None
        rows.append(
            Row(
                line=line,
                runs=f"{old.runs if old else 0:,}",
                changed_runs=None if changed is None else f"{new.runs if new else 0:,}",
                events="0" if is_none else _short(count_words(line.events)),
                size="0 B" if is_none else _short(size_words(line.bytes)),
                held=0 if is_none else line.held,
            )
        )
    return sorted(rows, key=lambda row: (-row.line.runs, row.line.workflow, row.line.state))
