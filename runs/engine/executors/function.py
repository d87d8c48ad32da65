"""Kind ``executor``: a registered Python callable."""

from typing import Any

from runs.engine import registry
from runs.engine.context import Context
from runs.engine.errors import ExecutorMissing
from runs.engine.executors.result import Result
from runs.graph import NodeSpec


def run(
    spec: NodeSpec,
    inputs: dict[str, Any],
    data: dict[str, Any],
    context: Context,
) -> Result:
    function = registry.find(spec.executor)
    if function is None:
        raise ExecutorMissing(f"no executor “{spec.executor}” is registered on this worker")
    return Result(function(context, **inputs))
