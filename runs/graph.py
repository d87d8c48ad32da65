"""A workflow's definition: check it, and tell which nodes are next. Pure.

Every complaint is a Problem that names the node, so that an editor can point at it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from runs import conditions, input_schema, paths
from runs.states import NODE_FINAL, NodeStatus

NODE_ID = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
KINDS = ("executor", "branch")
MAX_NODES = 1_000
MAX_RETRIES = 20
MAX_SECONDS = 86_400.0
# The longest pause between two attempts, however often it was doubled.
MAX_BACKOFF = 3_600.0
MAX_START_DEADLINE = 30 * 86_400.0
_COMMON = {"id", "kind", "needs", "label"}
_FIELDS = {
    "executor": _COMMON
    | {"executor", "input", "retries", "backoff_seconds", "timeout_seconds", "idempotent"},
    "branch": _COMMON | {"paths", "default"},
}
_TOP = {"description", "input_schema", "nodes", "output", "start_deadline_seconds"}
_TOP_ELSEWHERE = {"description", "executed"}
# The whole definition of a workflow whose runs are executed by another system and reported.
ELSEWHERE: dict[str, Any] = {"executed": "elsewhere"}


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
    paths: tuple[BranchPath, ...] = ()
    default: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: Mapping[str, NodeSpec]
    input_schema: dict[str, Any]
    output: dict[str, Any]
    start_deadline_seconds: float | None
    # Executed by another system: its nodes appear in each run as they are heard of.
    elsewhere: bool = False

    @property
    def roots(self) -> list[str]:
        return [node.id for node in self.nodes.values() if not node.needs]

    def check_input(self, value: Any) -> str:
        """What is wrong with a run's input; "" where it fits the workflow's schema."""
        return input_schema.violation(self.input_schema, value)

    def _edge(self, source: str, target: str, states: Mapping[str, tuple[str, Any]]) -> bool | None:
        """Whether a dependency is live; None while that is open."""
        status, selected = states[source]
        if status == NodeStatus.COMPLETED:
            spec = self.nodes[source]
            if spec.kind == "branch" and target in spec.targets:
                return target in (selected or ())
            return True
        return False if status in NODE_FINAL else None

    def advance(self, states: Mapping[str, tuple[str, Any]]) -> tuple[list[str], list[str]]:
        """The pending nodes that can now run, and those that never will.

        `states` maps each node to its status and, for a branch, what it selected. A node runs
        when all its dependencies are settled and at least one is live; when none is, it is
        skipped, and so on down the graph.
        """
        now = dict(states)
        ready: list[str] = []
        skipped: list[str] = []
        open_ids = [key for key, (status, _) in states.items() if status == NodeStatus.PENDING]
        changed = True
        while changed:
            changed = False
            for key in list(open_ids):
                edges = [self._edge(source, key, now) for source in self.nodes[key].needs]
                if None in edges:
                    continue
                open_ids.remove(key)
                if edges and not any(edges):
                    skipped.append(key)
                    now[key] = (NodeStatus.SKIPPED, None)
                    changed = True
                else:
                    ready.append(key)
        return ready, skipped


class _Checker:
    """Collects every problem of a definition, so that a person can mend all at once."""

    def __init__(self, executors: Collection[str] | None) -> None:
        self.executors = executors
        self.problems: list[Problem] = []

    def say(self, node: str, message: str) -> None:
        self.problems.append(Problem(node, message))

    def node(self, raw: Any, position: int) -> NodeSpec | None:
        if not isinstance(raw, dict):
            self.say("", f"node {position + 1} is not an object")
            return None
        key = raw.get("id")
        if not isinstance(key, str) or not NODE_ID.match(key):
            self.say(
                "",
                f"node {position + 1} needs an “id” of small letters, digits and underscores"
                f" that begins with a letter, not {key!r}",
            )
            return None
        kind = raw.get("kind")
        if kind not in KINDS:
            self.say(key, f"unknown kind {kind!r}; known are {', '.join(KINDS)}")
            return None
        if unknown := sorted(set(raw) - _FIELDS[kind]):
            self.say(key, f"unknown field {', '.join(unknown)} for a node of kind {kind}")
        needs = self.ids(key, "needs", raw.get("needs", []))
        if kind == "branch":
            branch_paths, default = self.branch(key, raw)
            return NodeSpec(key, kind, position, needs, paths=branch_paths, default=default)
        return NodeSpec(
            key,
            kind,
            position,
            needs,
            executor=self.executor(key, raw.get("executor")),
            input=self.input(key, raw.get("input", {})),
            retries=int(self.number(key, raw, "retries", 0, MAX_RETRIES, whole=True)),
            backoff_seconds=self.number(key, raw, "backoff_seconds", 1, MAX_BACKOFF),
            timeout_seconds=self.number(key, raw, "timeout_seconds", 300, MAX_SECONDS, above=0),
            idempotent=self.flag(key, raw, "idempotent"),
        )

    def ids(self, key: str, what: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.say(key, f"“{what}” is a list of node ids")
            return ()
        if len(set(value)) != len(value):
            self.say(key, f"“{what}” names a node twice")
        return tuple(dict.fromkeys(value))

    def executor(self, key: str, name: Any) -> str:
        if not isinstance(name, str) or not name:
            self.say(key, "needs an “executor”")
            return ""
        if self.executors is not None and name not in self.executors:
            self.say(key, f"unknown executor “{name}”")
        return name

    def input(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.say(key, "“input” maps names to paths or values")
            return {}
        for path in paths.mentioned(value):
            self.path(key, path)
        return value

    def path(self, key: str, path: str) -> None:
        try:
            paths.check(path)
        except paths.PathError as error:
            self.say(key, str(error))

    def number(
        self,
        key: str,
        raw: dict[str, Any],
        name: str,
        default: float,
        most: float,
        *,
        above: float = -1,
        whole: bool = False,
    ) -> float:
        value = raw.get(name, default)
        numeric = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not numeric or not max(above, -0.5) < value <= most:
            kind = "a whole number" if whole else "a number"
            least = "from 0" if above < 0 else "above 0, up"
            self.say(key, f"“{name}” is {kind} {least} to {most:,.0f}")
            return default
        return value

    def flag(self, key: str, raw: dict[str, Any], name: str) -> bool:
        value = raw.get(name, True)
        if not isinstance(value, bool):
            self.say(key, f"“{name}” is true or false")
            return True
        return value

    def branch(
        self, key: str, raw: dict[str, Any]
    ) -> tuple[tuple[BranchPath, ...], tuple[str, ...]]:
        rows = raw.get("paths")
        if not isinstance(rows, list) or not rows:
            self.say(key, "a branch needs “paths”")
            rows = []
        found = []
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or not isinstance(row.get("name", ""), str):
                self.say(key, f"path {number} is an object with a name, a condition and targets")
                continue
            try:
                conditions.check(row.get("when"))
            except (conditions.ConditionError, paths.PathError) as error:
                self.say(key, f"path {number}: {error}")
                continue
            to = self.ids(key, "to", row.get("to", []))
            found.append(BranchPath(row.get("name") or f"path {number}", row["when"], to))
        return tuple(found), self.ids(key, "default", raw.get("default", []))

    def edges(self, nodes: dict[str, NodeSpec]) -> None:
        for node in nodes.values():
            for other in node.needs:
                if other == node.id:
                    self.say(node.id, "needs itself")
                elif other not in nodes:
                    self.say(node.id, f"needs the unknown node “{other}”")
            for target in sorted(node.targets):
                if target not in nodes:
                    self.say(node.id, f"leads to the unknown node “{target}”")
                elif node.id not in nodes[target].needs:
                    self.say(node.id, f"leads to “{target}”, which does not list it under “needs”")
            self.unreachable(node, nodes)

    def unreachable(self, node: NodeSpec, nodes: dict[str, NodeSpec]) -> None:
        sources = [nodes[other] for other in node.needs if other in nodes]
        if sources and all(
            source.kind == "branch" and node.id not in source.targets for source in sources
        ):
            names = ", ".join(source.id for source in sources)
            self.say(node.id, f"is unreachable: no path of {names} leads to it")

    def order(self, nodes: dict[str, NodeSpec]) -> list[str]:
        try:
            sorter = TopologicalSorter(
                {node.id: [n for n in node.needs if n in nodes] for node in nodes.values()}
            )
            return list(sorter.static_order())
        except CycleError as error:
            ring = list(reversed(error.args[1]))
            self.say(ring[0], f"is part of a cycle: {' → '.join(ring)}")
            return []

    def reads(self, nodes: dict[str, NodeSpec], order: list[str]) -> None:
        """A node may read only what must have been settled before it starts."""
        above: dict[str, set[str]] = {}
        for key in order:
            known = [need for need in nodes[key].needs if need in nodes]
            above[key] = set(known).union(*(above[need] for need in known))
            for other in sorted(nodes[key].reads() - above[key]):
                if other not in nodes:
                    self.say(key, f"reads the output of the unknown node “{other}”")
                else:
                    self.say(key, f"reads the output of “{other}”, which does not run before it")


def parse(definition: Any, executors: Collection[str] | None = None) -> Graph:
    """The graph of a definition. Raises DefinitionError with every problem found.

    `executors` are the names that are registered; None accepts any (a version that was checked
    when it was saved).
    """
    checker = _Checker(executors)
    if not isinstance(definition, dict):
        raise DefinitionError([Problem("", "a workflow is a JSON object with a list of “nodes”")])
    if definition.get("executed") == "elsewhere" and definition.keys() <= _TOP_ELSEWHERE:
        return Graph({}, {}, {}, None, elsewhere=True)
    if unknown := sorted(set(definition) - _TOP):
        checker.say("", f"unknown field {', '.join(unknown)}")
    rows = definition.get("nodes")
    if not isinstance(rows, list) or not rows:
        raise DefinitionError(
            [*checker.problems, Problem("", "a workflow needs a list of “nodes”, at least one")]
        )
    if len(rows) > MAX_NODES:
        raise DefinitionError([Problem("", f"more than {MAX_NODES:,} nodes")])
    nodes: dict[str, NodeSpec] = {}
    for position, raw in enumerate(rows):
        spec = checker.node(raw, position)
        if spec is None:
            continue
        if spec.id in nodes:
            checker.say(spec.id, "stands twice")
        nodes[spec.id] = spec
    checker.edges(nodes)
    checker.reads(nodes, checker.order(nodes))
    schema = definition.get("input_schema", {})
    output = definition.get("output", {})
    deadline = definition.get("start_deadline_seconds")
    _check_rest(checker, schema, output, deadline, nodes)
    if checker.problems:
        raise DefinitionError(checker.problems)
    return Graph(nodes, schema, output, deadline)


def _check_rest(
    checker: _Checker, schema: Any, output: Any, deadline: Any, nodes: dict[str, NodeSpec]
) -> None:
    if complaint := input_schema.complaint(schema):
        checker.say("", f"“input_schema” {complaint}")
    if not isinstance(output, dict):
        checker.say("", "“output” maps names to paths")
    else:
        for path in paths.mentioned(output):
            checker.path("", path)
            source = paths.node_of(path)
            if source and source not in nodes:
                checker.say("", f"“output” reads the unknown node “{source}”")
    if deadline is not None:
        checker.number("", {"start_deadline_seconds": deadline}, "start_deadline_seconds",
                       0, MAX_START_DEADLINE, above=0)  # fmt: skip
