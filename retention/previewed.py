"""What a preview tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Amount:
    """`value` None: not known. Not exact: from a sample, to be called “about”."""

    value: int | None
    is_exact: bool = True


@dataclass(slots=True)
class Line:
    """One workflow's runs in one final state."""

    workflow: str
    state: str
    # Those that ended before this.
    before: datetime
    runs: int = 0
    # Of these: past their second term too, so that they go for good once they are archived.
    then_gone: int = 0
    # Archived already, and past their second term; as exact as all that are gone.
    gone: int = 0
    held: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    events: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))


@dataclass(slots=True)
class Gone:
    """Archived runs past their second term: rows and archives of theirs go for good."""

    runs: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))
    # By workflow and state.
    parts: dict[tuple[int, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class Side:
    """What comes of one policy; `lines` are those with something in it."""

    lines: list[Line]
    gone: Gone
    runs: int = 0
    then_gone: int = 0
    held: int = 0
    # Restored logs whose time is over then; not exact: that many or more.
    expired: Amount = field(default_factory=lambda: Amount(0))
    events: Amount = field(default_factory=lambda: Amount(0))
    bytes: Amount = field(default_factory=lambda: Amount(0))
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(slots=True)
class Preview:
    """`changed` is None where nothing else is asked for; each at the night that it begins with."""

    at: datetime
    saved: Side
    changed_at: datetime | None = None
    changed: Side | None = None
    # More runs are held than were looked at: these figures are the least.
    held_is_capped: bool = False
