"""A workflow's definition: check it, and tell which nodes are next. Pure.

Every complaint is a Problem that names the node, so that an editor can point at it.
"""

from runs.graph.flow import Graph, Resumed
from runs.graph.kinds import KINDS
from runs.graph.parse import ELSEWHERE, MAX_NODES, NODE_ID, parse
from runs.graph.spec import (
    MAX_BACKOFF,
    USUAL_QUEUE,
    BranchPath,
    DefinitionError,
    NodeSpec,
    Problem,
    queue_complaint,
)

__all__ = [
    "ELSEWHERE",
    "KINDS",
    "MAX_BACKOFF",
    "MAX_NODES",
    "NODE_ID",
    "USUAL_QUEUE",
    "BranchPath",
    "DefinitionError",
    "Graph",
    "NodeSpec",
    "Problem",
    "Resumed",
    "parse",
    "queue_complaint",
]
