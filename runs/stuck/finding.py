"""What is in a run's way."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from runs.models.stuck import Rescue, StuckKind, StuckRun

__all__ = ["Fact", "Finding", "Rescue", "StuckKind"]


class Fact(NamedTuple):
    """Of what speaks for a finding: its name, and words, a moment, or both."""

    label: str
    words: str = ""
    at: datetime | None = None


@dataclass(slots=True)
class Finding:
    run_id: uuid.UUID
    workflow_id: int
    # "" where it is the run as a whole.
    node: str
    kind: StuckKind
    since: datetime
    # What is wrong, and what a person can do about it.
    words: str
    act: str = ""
    rescue: Rescue = Rescue.NONE
    facts: list[Fact] = field(default_factory=list)
    # The attempt that a rescue would end; another one's is not touched.
    attempt: int | None = None
    # What to enter at a shell or the database, and what is asked before a rescue.
    command: str = ""
    confirm: str = ""

    @property
    def key(self) -> tuple[uuid.UUID, str]:
        return self.run_id, self.node

    @property
    def fails(self) -> bool:
        """Whether what helps fails the run, which is what is asked before."""
        return self.rescue == Rescue.RERUN and bool(self.confirm)

    @property
    def details(self) -> dict[str, Any]:
        return {
            "facts": [
                [fact.label, fact.words, fact.at.isoformat() if fact.at else None]
                for fact in self.facts
            ],
            "attempt": self.attempt,
            "command": self.command,
            "confirm": self.confirm,
        }


def of_row(row: StuckRun) -> Finding:
    """As it was kept."""
    told = row.details
    return Finding(
        row.run_id, row.workflow_id, row.node, StuckKind(row.kind), row.since, row.words, row.act,
        Rescue(row.rescue),
        [
            Fact(label, words, datetime.fromisoformat(at) if at else None)
            for label, words, at in told.get("facts", [])
        ],
        told.get("attempt"), told.get("command", ""), told.get("confirm", ""),
    )  # fmt: skip
