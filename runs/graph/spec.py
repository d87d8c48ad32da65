"""What a workflow's definition says, once it is checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs import conditions, paths

# The Celery queue of what names no other, and those of the portal itself.
USUAL_QUEUE = "runs"
_OWN_QUEUES = frozenset({"control"})
_QUEUE = re.compile(r"[a-z][a-z0-9_.-]{0,62}\Z")
# The longest pause between two attempts, however often it was doubled.
MAX_BACKOFF = 3_600.0


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and with which node ("" for the whole definition)."""

    node: str
    message: str

    def __str__(self) -> str:
        return f"{self.node}: {self.message}" if self.node else self.message


class DefinitionError(ValueError):
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class BranchPath:
    name: str
    when: dict[str, Any]
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeSpec:
    id: str
    kind: str
    position: int
    needs: tuple[str, ...] = ()
    executor: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    backoff_seconds: float = 1.0
    timeout_seconds: float = 300.0
    idempotent: bool = True
    # The Celery queue whose workers take it; "": that of its executor.
    queue: str = ""
    # Of a branch. `every`: all paths whose condition holds are taken, not only the first.
    paths: tuple[BranchPath, ...] = ()
    default: tuple[str, ...] = ()
    every: bool = False
    # What only this kind of node has, as its kind's module in `kinds` documents it.
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> frozenset[str]:
        """What a branch chooses among."""
        return frozenset(self.default).union(*(path.to for path in self.paths))

    def backoff(self, attempt: int) -> float:
        """Seconds to wait after this many failures: doubling each time, up to MAX_BACKOFF."""
        return min(self.backoff_seconds * 2.0 ** (attempt - 1), MAX_BACKOFF)

    def reads(self) -> frozenset[str]:
        """The nodes whose outputs this one needs."""
        found = paths.mentioned(self.input)
        for path in self.paths:
            found += conditions.mentioned(path.when)
        return frozenset(node for node in map(paths.node_of, found) if node)


def queue_complaint(name: object) -> str:
    """What is wrong with the name of a queue; "" where nothing is."""
    if not isinstance(name, str) or not _QUEUE.match(name):
        return "is a name of small letters, digits, “_”, “-” and “.” that begins with a letter"
    return f"cannot be “{name}”: the portal itself works there" if name in _OWN_QUEUES else ""
