"""What the four sections of troubleshooting have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    is_fine: bool
    words: str


@dataclass(frozen=True, slots=True)
class Said:
    """A figure: its name, its words, what stands beside it, and where it leads."""

    label: str
    words: str
    note: str = ""
    is_worse: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """As APIs tell the section's rows."""

    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    title: str
    verdict: Verdict
    figures: list[Said] = field(default_factory=list)
    # The pages that help: (label, address).
    links: list[tuple[str, str]] = field(default_factory=list)
    table: Table = Table()
