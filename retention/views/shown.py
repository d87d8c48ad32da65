"""A preview as its page shows it: the saved policy and the changed one side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from retention.previewed import Amount, Gone, Line, Preview, Side
from runs.templatetags.runs_ui import size

# Lines of workflows and states; what is beyond is said in one figure.
MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    saved: str
    changed: str | None = None
    # Of each, one of the design's states: what cannot be undone.
    saved_look: str = ""
    changed_look: str = ""

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
    # Deleted for good: those that are archived already, and those that are archived before.
    gone: str = ""

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
    # How many runs go for good by the last side, in words.
    gone: str
    is_off: bool
    will_be_off: bool

    @property
    def is_all_off(self) -> bool:
        return self.is_off and (self.will_be_off or not self.has_changed)


def shown(found: Preview, *, is_on: bool = True, will_be_on: bool = True) -> Shown:
    """A night that is off does nothing, whatever the days are."""
    found = replace(
        found,
        saved=found.saved if is_on else Side([], Gone()),
        changed=found.changed if will_be_on or not found.changed else Side([], Gone()),
    )
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
        goes=_goes(last),
        gone=_gone_words(last),
        is_off=not is_on,
        will_be_off=not will_be_on,
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
    return "–" if words == "not known" else words.replace("about ", "~")


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
        ("Restored logs that leave again", _expired_words, ""),
        ("Runs deleted for good", _gone_words, "failed"),
        ("Archives deleted", _archives_words, "failed"),
    )
    changed = found.changed
    return [
        Figure(
            label,
            words(found.saved),
            words(changed) if changed else None,
            look if _goes(found.saved) else "",
            look if changed and _goes(changed) else "",
        )
        for label, words, look in asked
    ]


def _goes(side: Side) -> bool:
    return bool(side.gone.runs.value or side.then_gone)


def _expired_words(side: Side) -> str:
    return f"{side.expired.value or 0:,}" + ("" if side.expired.is_exact else " or more")


def _archives_words(side: Side) -> str:
    """Those that are made this very night, and deleted, have no size before."""
    if not side.then_gone:
        return size_words(side.gone.bytes)
    return f"{size_words(side.gone.bytes)} and more" if side.gone.bytes.value else "not known yet"


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
                gone="" if is_none else _gone_of(line, found),
            )
        )
    return sorted(rows, key=lambda row: (-row.line.runs, row.line.workflow, row.line.state))


def _gone_of(line: Line, found: Preview) -> str:
    gone = (found.changed or found.saved).gone.runs
    count = Amount(line.gone + line.then_gone, gone.is_exact or not line.gone)
    return _short(count_words(count)) if count.value else ""
