"""Kind ``branch``: the nodes that follow are chosen by conditions. Pure.

``mode`` is "first": the first path whose condition holds is taken; or "all": every such path is.
Where none holds, ``default`` is.
"""

from __future__ import annotations

from typing import Any

from runs import conditions, paths
from runs.graph.fields import Fields
from runs.graph.spec import BranchPath

FIELDS = frozenset({"paths", "default", "mode"})
MODES = ("first", "all")


def read(fields: Fields) -> dict[str, Any]:
    return {
        "paths": tuple(_paths(fields)),
        "default": fields.ids("default", fields.raw.get("default", [])),
        "every": fields.choice("mode", MODES, "first") == "all",
    }


def _paths(fields: Fields) -> list[BranchPath]:
    rows = fields.raw.get("paths")
    if not isinstance(rows, list) or not rows:
        fields.say("a branch needs “paths”")
        return []
    found = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("name", ""), str):
            fields.say(f"path {number} is an object with a name, a condition and targets")
            continue
        try:
            conditions.check(row.get("when"))
        except (conditions.ConditionError, paths.PathError) as error:
            fields.say(f"path {number}: {error}")
            continue
        to = fields.ids("to", row.get("to", []))
        found.append(BranchPath(row.get("name") or f"path {number}", row["when"], to))
    return found
