"""A run as one JSON: its job, the context of its nodes, its output."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, Case, F, Func, JSONField, Sum, When, Window

from runs import ids, paths
from runs.definitions import graph_of
from runs.models import Event, Node, Run
from runs.states import NodeStatus, RunState

if TYPE_CHECKING:
    from runs.whole_log import WholeLog

# Payloads of one context together, in bytes as stored. What goes beyond is left out and marked.
PAYLOAD_BYTES = 16_000_000
# The size of an event's data as stored; known without unpacking it.
STORED_BYTES = Func(F("data"), function="pg_column_size", output_field=BigIntegerField())


def stamp(at: datetime | None) -> str | None:
    """UTC with milliseconds and “Z”."""
    if at is None:
        return None
    text = at.isoformat(timespec="milliseconds")
    if not text.endswith("+00:00"):  # as it does as read from the database
        text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return f"{text[:-6]}Z"


def milliseconds(begin: datetime | None, end: datetime | None) -> int | None:
    """From `begin` to `end`, each cut to whole milliseconds: the difference of their stamps."""
    if begin is None or end is None:
        return None
    passed, cut = end - begin, begin.microsecond % 1000 - end.microsecond % 1000
    return (passed.days * 86_400 + passed.seconds) * 1000 + (passed.microseconds + cut) // 1000


def job_of(run: Run) -> dict[str, Any]:
    """The scheduler's handle on the run. These keys and no others are promised."""
    return {
        "job_id": run.job_id,
        "dag_id": f"{run.workflow.slug}_v{run.version.number}",
        "state": run.state,
        "created_at": stamp(run.created_at),
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "total_duration_ms": milliseconds(run.started_at, run.completed_at),
        "ref_id": run.ref_id or None,
        "ref_type": run.ref_type or None,
    }


def context_of(run: Run, log: WholeLog | None = None) -> dict[str, Any]:
    """The run's input, and what went into and came out of each node, in definition order.

    Of a run whose log is archived it needs that `log`, opened; what is not given is left out.
    """
    nodes = list(Node.objects.filter(run=run.pk).order_by("position"))
    wanted = {1}
    for node in nodes:
        wanted.update(seq for seq in (node.input_seq, node.output_seq, _error_seq(node)) if seq)
    if log is not None and log.archive is not None:
        payloads = log.data_of(wanted, PAYLOAD_BYTES)
    else:
        payloads = _payloads(run.pk, wanted)
    return {
        "run_id": run.public_id,
        "workflow_id": run.workflow.slug,
        "workflow_version": run.version.number,
        "input_data": _part(payloads, 1, "input"),
        "nodes": {node.key: _node(node, payloads) for node in nodes},
    }


def output_of(run: Run) -> dict[str, Any] | None:
    """What the definition's “output” gathers from a completed run; None for any other.

    A name whose path leads to nothing is None: its node was on a path not taken.
    """
    if run.state != RunState.COMPLETED:
        return None
    mapping = graph_of(run.version_id).output
    wanted = {node for node in map(paths.node_of, paths.mentioned(mapping)) if node}
    rows = Node.objects.filter(run=run.pk, key__in=wanted, output_seq__isnull=False)
    seqs = {key: seq for key, seq in rows.values_list("key", "output_seq") if seq}
    payloads = _payloads(run.pk, {1, *seqs.values()})
    found = {
        "data": _part(payloads, 1, "input"),
        "nodes": {key: {"output": _part(payloads, seq, "output")} for key, seq in seqs.items()},
    }
    return {name: _filled(value, found) for name, value in mapping.items()}


def _filled(value: Any, found: dict[str, Any]) -> Any:
    try:
        return paths.fill(value, found)
    except LookupError:
        return None


def _error_seq(node: Node) -> int | None:
    """Where its latest error stands, unless it completed after all."""
    return None if node.status == NodeStatus.COMPLETED else node.error_seq


def _node(node: Node, payloads: dict[int, dict[str, Any] | None]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "duration_ms": milliseconds(node.started_at, node.completed_at),
        "executor": node.executor or None,
        "kind": node.kind,
        "status": node.status,
        "attempts": node.attempts,
    }
    if (error_seq := _error_seq(node)) is not None:
        metadata["error"] = _part(payloads, error_seq, "error") or {
            "kind": node.error_kind,
            "message": node.error_message,
        }
    if node.reused_from is not None:
        metadata["reused_from"] = ids.encode("run", node.reused_from)
    seqs = {"input": node.input_seq, "output": node.output_seq}
    if omitted := [name for name, seq in seqs.items() if seq and payloads.get(seq) is None]:
        metadata["omitted"] = omitted
    return {
        "started_at": stamp(node.started_at),
        "completed_at": stamp(node.completed_at),
        "input": _part(payloads, node.input_seq, "input"),
        "output": _part(payloads, node.output_seq, "output"),
        "metadata": metadata,
    }


def _part(payloads: dict[int, dict[str, Any] | None], seq: int | None, name: str) -> Any:
    return (payloads.get(seq) or {}).get(name) if seq else None


def _payloads(run_id: uuid.UUID, seqs: Collection[int]) -> dict[int, dict[str, Any] | None]:
    """The data of these events; None for each past PAYLOAD_BYTES in order of number."""
    events = Event.objects.filter(run=run_id, seq__in=seqs).annotate(
        so_far=Window(Sum(STORED_BYTES), order_by="seq")
    )
    within = Case(When(so_far__lte=PAYLOAD_BYTES, then=F("data")), output_field=JSONField())
    return dict(events.order_by("seq").values_list("seq", within))
