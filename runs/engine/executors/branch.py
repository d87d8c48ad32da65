"""Kind ``branch``: takes the first path whose condition holds, or all such, else the default."""

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
    taken = [
        path
        for path in spec.paths
        if conditions.holds(path.when, lambda where: paths.resolve(where, data))
    ]
    if not taken:
        return Result({"path": "default", "to": list(spec.default)}, "default", spec.default)
    if not spec.every:
        del taken[1:]
    name = ", ".join(path.name for path in taken)
    to = tuple(dict.fromkeys(target for path in taken for target in path.to))
    return Result({"path": name, "to": list(to)}, name, to)
