"""Walks through a shipped workflow with the engine's own pure parts, without a database."""

import inspect
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from runs import graph, input_schema, paths
from runs.engine import executors, registry
from runs.samples.install import definitions
from runs.states import NodeStatus


def parsed(slug: str) -> graph.Graph:
    return graph.parse(definitions()[slug], registry.names())


def walk(slug: str, data: dict[str, Any], ctx: Any) -> SimpleNamespace:
    """What the run gave, and each node's status and output. Raises the first node's error."""
    plan = parsed(slug)
    assert plan.check_input(data) == ""
    states: dict[str, tuple[str, Any]] = dict.fromkeys(plan.nodes, (NodeStatus.PENDING, None))
    outputs: dict[str, dict[str, Any]] = {}
    while True:
        ready, skipped = plan.advance(states)
        for key in skipped:
            states[key] = (NodeStatus.SKIPPED, None)
        if not ready:
            break
        # The last first: nothing may depend on the order of what runs in parallel.
        for key in reversed(ready):
            spec = plan.nodes[key]
            # As the engine has it: the output of a skipped node is null.
            read = {k: outputs.get(k, {"output": None}) for k in spec.reads()}
            context = {"data": data, "nodes": read}
            inputs = paths.fill(spec.input, context)
            if spec.kind == "human":
                outputs[key] = {"output": _approved(spec, inputs)}
                states[key] = (NodeStatus.COMPLETED, None)
                continue
            result = executors.run(
                executors.Work(spec, inputs, context, replace(ctx, node=key, steps=[]))
            )
            outputs[key] = {"output": result.output}
            states[key] = (NodeStatus.COMPLETED, result.selected)
    return SimpleNamespace(
        statuses={key: status for key, (status, _) in states.items()},
        outputs={key: value["output"] for key, value in outputs.items()},
        output=paths.fill(plan.output, {"data": data, "nodes": outputs}),
    )


def _approved(spec: graph.NodeSpec, inputs: dict[str, Any]) -> dict[str, Any]:
    """What a human node gives after its time is up, or somebody agreed."""
    assert spec.settings["on_timeout"] == "approve"
    value = inputs[spec.settings["correct"]]
    assert input_schema.violation(spec.settings["form"], value) == ""
    return {"decision": "approved", "value": value, "by": "engine", "comment": ""}


def unfitting_inputs(spec: graph.NodeSpec) -> str:
    """Why the executor can't be called with the node's inputs; "" where it can."""
    function = registry.find(spec.executor)
    assert function is not None
    try:
        inspect.signature(function).bind(None, **spec.input)
    except TypeError as error:
        return f"{spec.id}: {error}"
    return ""
