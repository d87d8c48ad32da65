"""What a workflow's definition says, once it is checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs import conditions, paths

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
