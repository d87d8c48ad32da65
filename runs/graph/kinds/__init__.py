"""The kinds of nodes: which fields each has, and how they are checked. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from runs.graph.fields import Fields
from runs.graph.kinds import branch, executor, http, human, llm

COMMON = frozenset({"id", "kind", "needs", "label"})


class Reader(NamedTuple):
    fields: frozenset[str]
    # The fields of a NodeSpec that this kind fills.
    read: Callable[[Fields], dict[str, Any]]


KINDS = {
    module.__name__.rpartition(".")[2]: Reader(COMMON | module.FIELDS, module.read)
    for module in (executor, branch, http, llm, human)
}
