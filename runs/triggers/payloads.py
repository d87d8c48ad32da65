"""What a rule's paths lead into: an excerpt of the run whose event it was.

Beside the run's row only what the rule mentions is read: outputs may be large.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models.fields.json import KeyTransform

from runs import context, paths
from runs.models import Event, Node, Run


def of_run(run: Run, mentioned: Collection[str]) -> dict[str, Any]:
    """``{"run": …, "data": …, "output": …, "nodes": …}``; the last three where mentioned.

    The run comes with its workflow and version.
    """
    roots = {paths.root_of(path) for path in mentioned}
    found: dict[str, Any] = {"run": _row(run)}
    if "data" in roots:
        first = Event.objects.filter(run=run.pk, seq=1)
        found["data"] = first.values_list(KeyTransform("input", "data"), flat=True).first()
    if "output" in roots:
        found["output"] = context.output_of(run)
    if keys := {key for path in mentioned if (key := paths.node_of(path))}:
        found["nodes"] = _outputs(run, keys)
    return found


def of_event(run: Run, event: Event, mentioned: Collection[str]) -> dict[str, Any]:
    """The same with ``event``."""
    return {**of_run(run, mentioned), "event": event_row(event)}


def event_row(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "kind": event.kind,
        "node": event.node,
        "attempt": event.attempt,
        "actor": event.actor,
        "at": context.stamp(event.at),
        "data": event.data,
    }


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.public_id,
        "job_id": run.job_id,
        "workflow": run.workflow.slug,
        "version": run.version.number,
        "state": run.state,
        "reason": run.reason,
        "error": {
            "node": run.error_node,
            "kind": run.error_kind,
            "message": run.error_message,
        },
        "ended_by": run.ended_by,
        "trigger": run.trigger,
        "triggered_by": run.triggered_by,
        "ref_type": run.ref_type or None,
        "ref_id": run.ref_id or None,
        "is_retry": run.retry_of_id is not None,
        "created_at": context.stamp(run.created_at),
        "started_at": context.stamp(run.started_at),
        "completed_at": context.stamp(run.completed_at),
        "duration_ms": context.milliseconds(run.started_at, run.completed_at),
        "cost": float(run.cost),
    }


def _outputs(run: Run, keys: set[str]) -> dict[str, Any]:
    """Null for a node that has none, as where nodes read each other."""
    found: dict[str, Any] = {key: {"output": None} for key in keys}
    rows = Node.objects.filter(run=run.pk, key__in=keys, output_seq__isnull=False)
    seqs = {seq: key for key, seq in rows.values_list("key", "output_seq") if seq}
    events = Event.objects.filter(run=run.pk, seq__in=seqs)
    for seq, output in events.values_list("seq", KeyTransform("output", "data")):
        found[seqs[seq]]["output"] = output
    return found
