"""Kind ``executor``: a registered Python callable. Pure."""

from __future__ import annotations

from typing import Any

from runs.graph.fields import Fields
from runs.graph.kinds import attempted

FIELDS = attempted.FIELDS | {"executor"}


def read(fields: Fields) -> dict[str, Any]:
    return {"executor": _name(fields), **attempted.read(fields)}


def _name(fields: Fields) -> str:
    name, known = fields.raw.get("executor"), fields.problems.executors
    if not isinstance(name, str) or not name:
        fields.say("needs an “executor”")
        return ""
    if known is not None and name not in known:
        fields.say(f"unknown executor “{name}”")
    return name
