"""What was found of a service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runs.models.service import Kind, Status

__all__ = ["Finding", "Kind", "Status", "age_words", "bytes_words", "span_words"]


@dataclass(slots=True)
class Finding:
    key: str
    kind: Kind
    name: str
    status: Status
    # How it is, in a few words; and what a person can do about it.
    words: str = ""
    act: str = ""
    latency_ms: float | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    # Of a worker: what it is at. {"task": …, "since": seconds, "node": id or None}
    tasks: list[dict[str, Any]] = field(default_factory=list)
    # The page that helps: (label, address, permission to see it).
    link: tuple[str, str, str] | None = None

    @property
    def details(self) -> dict[str, Any]:
        return {
            "facts": [list(fact) for fact in self.facts],
            "tasks": self.tasks,
            "link": self.link,
        }


def span_words(seconds: float) -> str:
    """“8 s”, “3 min”, “5 h”, “2 days”."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= (2 * size if size == 86_400 else size):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def age_words(age: timedelta) -> str:
    return span_words(age.total_seconds())


def bytes_words(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
