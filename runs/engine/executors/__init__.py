"""Node kinds: how each is executed. All give a Result, or raise what failed the attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runs.engine.context import Context
from runs.engine.executors import branch, function, http, llm
from runs.engine.executors.result import Result
from runs.graph import NodeSpec


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt to be executed. `data` is what paths lead into."""

    spec: NodeSpec
    inputs: dict[str, Any]
    data: dict[str, Any]
    context: Context


KINDS: dict[str, Callable[[NodeSpec, dict[str, Any], dict[str, Any], Context], Result]] = {
    "executor": function.run,
    "branch": branch.run,
    "http": http.run,
    "llm": llm.run,
}


def run(work: Work) -> Result:
    return KINDS[work.spec.kind](work.spec, work.inputs, work.data, work.context)


__all__ = ["KINDS", "Result", "Work", "run"]
