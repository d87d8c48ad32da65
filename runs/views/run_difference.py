"""What differs between two runs of a lineage: their input by path, their version by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runs import cold_reading, ids, json_difference
from runs.json_difference import Change
from runs.models import Archive, Event, Run, WorkflowVersion
from runs.templatetags.runs_ui import short
from runs.views import run_history
from runs.whole_log import AT_ONCE_BYTES

# Differences that are shown.
MOST = 200
# Inputs that are larger, in bytes as stored, are not compared on the page.
COMPARED_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    before: Run
    after: Run
    input: list[Change]
    definition: list[Change]
    # Why the inputs were not compared.
    refusal: str = ""
    more: bool = False


def difference(chain: list[Run], one: str, other: str) -> Difference | None:
    """From one run of `chain` to another; None where it has no such two."""
    by_id = {ids.encode("run", run.pk): run for run in chain}
    before, after = by_id.get(one), by_id.get(other)
    if before is None or after is None or before is after:
        return None
    refusal, inputs = _inputs(before, after)
    definitions = _definitions(before, after)
    found = [json_difference.changes(*pair, MOST + 1) for pair in (inputs, definitions)]
    more = any(len(each) > MOST for each in found)
    return Difference(before, after, found[0][:MOST], found[1][:MOST], refusal, more)


def _inputs(before: Run, after: Run) -> tuple[str, tuple[Any, Any]]:
    if sum(run_history.stored_bytes(run.pk, {1}) for run in (before, after)) > COMPARED_BYTES:
        return "The inputs are too large to be compared here.", (None, None)
    rows = Event.objects.filter(run__in=[before.pk, after.pk], seq=1)
    found = dict(rows.values_list("run_id", "data__input"))
    away = [run for run in (before, after) if run.pk not in found and not run.has_log]
    if away:
        archives = Archive.objects.filter(pk__in=[run.pk for run in away])
        if sum(archives.values_list("unpacked", flat=True)) > AT_ONCE_BYTES:
            return "An input is in an archived log that is too long to be read here.", (None, None)
        archived = cold_reading.inputs_of([run.pk for run in away])
        for run in away:
            if run.pk not in archived.found:
                why = archived.missing.get(run.pk, "its log is archived")
                return f"The input of {short(run.public_id)} cannot be read: {why}.", (None, None)
            found[run.pk] = archived.input_of(run.pk)
    return "", (found.get(before.pk), found.get(after.pk))


def _definitions(before: Run, after: Run) -> tuple[Any, Any]:
    if before.version_id == after.version_id:
        return None, None
    rows = WorkflowVersion.objects.filter(pk__in=[before.version_id, after.version_id])
    found = dict(rows.values_list("pk", "definition"))
    return _by_node(found[before.version_id]), _by_node(found[after.version_id])


def _by_node(definition: Any) -> Any:
    """Nodes under their ids instead of their places, so that one that moved is not another."""
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        return definition
    named = {str(node.get("id", place)): node for place, node in enumerate(nodes)}
    return {**definition, "nodes": named}
