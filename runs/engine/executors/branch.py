"""Kind ``branch``: takes the first path whose condition holds, else the default."""

from typing import Any

from runs import conditions, paths
from runs.engine.context import Context
from runs.engine.executors.result import Result
from runs.graph import NodeSpec


def run(
    spec: NodeSpec,
    inputs: dict[str, Any],
    data: dict[str, Any],
    context: Context,
) -> Result:
    for path in spec.paths:
        if conditions.holds(path.when, lambda where: paths.resolve(where, data)):
            return Result({"path": path.name, "to": list(path.to)}, path.name, path.to)
    return Result({"path": "default", "to": list(spec.default)}, "default", spec.default)
