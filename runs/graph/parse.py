"""From a definition to its graph, or to all that is wrong with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from runs import input_schema, paths
from runs.graph import links
from runs.graph.fields import Fields, Problems
from runs.graph.flow import Graph
from runs.graph.kinds import KINDS
from runs.graph.spec import DefinitionError, NodeSpec, Problem

NODE_ID = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
MAX_NODES = 1_000
MAX_START_DEADLINE = 30 * 86_400.0
_TOP = {"description", "input_schema", "nodes", "output", "start_deadline_seconds"}
_TOP_ELSEWHERE = {"description", "executed"}
# The whole definition of a workflow whose runs are executed by another system and reported.
ELSEWHERE: dict[str, Any] = {"executed": "elsewhere"}


def parse(
    definition: Any,
    executors: Collection[str] | None = None,
    queues: Collection[str] | None = None,
) -> Graph:
    """The graph of a definition. Raises DefinitionError with every problem found.

    `executors` are the names that are registered, `queues` those that workers may take from; None
    accepts any (a version that was checked when it was saved).
    """
    problems = Problems(executors, queues)
    if not isinstance(definition, dict):
        raise DefinitionError([Problem("", "a workflow is a JSON object with a list of “nodes”")])
    if definition.get("executed") == "elsewhere" and definition.keys() <= _TOP_ELSEWHERE:
        return Graph({}, {}, {}, None, elsewhere=True)
    if unknown := sorted(set(definition) - _TOP):
        problems.say("", f"unknown field {', '.join(unknown)}")
    rows = definition.get("nodes")
    if not isinstance(rows, list) or not rows:
        raise DefinitionError(
            [*problems.found, Problem("", "a workflow needs a list of “nodes”, at least one")]
        )
    if len(rows) > MAX_NODES:
        raise DefinitionError([Problem("", f"more than {MAX_NODES:,} nodes")])
    nodes: dict[str, NodeSpec] = {}
    for position, raw in enumerate(rows):
        spec = _node(problems, raw, position)
        if spec is None:
            continue
        if spec.id in nodes:
            problems.say(spec.id, "stands twice")
        nodes[spec.id] = spec
    links.check(problems, nodes)
    schema = definition.get("input_schema", {})
    output = definition.get("output", {})
    deadline = definition.get("start_deadline_seconds")
    _check_rest(problems, schema, output, deadline, nodes)
    if problems.found:
        raise DefinitionError(problems.found)
    return Graph(nodes, schema, output, deadline)


def _node(problems: Problems, raw: Any, position: int) -> NodeSpec | None:
    if not isinstance(raw, dict):
        problems.say("", f"node {position + 1} is not an object")
        return None
    key = raw.get("id")
    if not isinstance(key, str) or not NODE_ID.match(key):
        problems.say(
            "",
            f"node {position + 1} needs an “id” of small letters, digits and underscores"
            f" that begins with a letter, not {key!r}",
        )
        return None
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problems.say(key, f"unknown kind {kind!r}; known are {', '.join(KINDS)}")
        return None
    known, read = KINDS[kind]
    if unknown := sorted(set(raw) - known):
        problems.say(key, f"unknown field {', '.join(unknown)} for a node of kind {kind}")
    fields = Fields(problems, key, raw)
    return NodeSpec(key, kind, position, fields.needs(), **read(fields))


def _check_rest(
    problems: Problems, schema: Any, output: Any, deadline: Any, nodes: dict[str, NodeSpec]
) -> None:
    if complaint := input_schema.complaint(schema):
        problems.say("", f"“input_schema” {complaint}")
    if not isinstance(output, dict):
        problems.say("", "“output” maps names to paths")
    else:
        for path in paths.mentioned(output):
            try:
                paths.check(path)
            except paths.PathError as error:
                problems.say("", str(error))
            source = paths.node_of(path)
            if source and source not in nodes:
                problems.say("", f"“output” reads the unknown node “{source}”")
    if deadline is not None:
        problems.number("", "start_deadline_seconds", deadline, 0, MAX_START_DEADLINE, above=0)
