"""What a retry from the failed node would take over and do anew, before anybody says so."""

from __future__ import annotations

from typing import Any

from runs.graph import DefinitionError
from runs.models import Run
from runs.reuse import plan_of

# Nodes that are named; of more their number is said.
NAMED = 12


def retry_plan(run: Run) -> dict[str, Any]:
    if not run.has_log:
        said = "Its log, with the results that would be taken over, is archived."
        return {"plan": {"refusal": said, "is_archived": True}}
    try:
        plan = plan_of(run)
    except DefinitionError as problem:
        said = f"v{run.version.number} no longer passes the checks, so it cannot go on from there:"
        return {"plan": {"refusal": f"{said} {problem}"}}
    anew = [*plan.ready, *plan.waiting]
    shown = {
        "kept": plan.kept[:NAMED],
        "kept_count": len(plan.kept),
        "more_kept": max(len(plan.kept) - NAMED, 0),
        "anew": anew[:NAMED],
        "anew_count": len(anew),
        "more_anew": max(len(anew) - NAMED, 0),
    }
    return {"plan": shown}
