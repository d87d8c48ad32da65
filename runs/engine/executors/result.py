from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """A node's output; for a branch also the path taken and the nodes it leads to."""

    output: Any
    path: str | None = None
    selected: tuple[str, ...] | None = None
