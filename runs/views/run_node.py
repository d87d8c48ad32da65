"""What the panel beside the timeline tells of one node: one attempt of it, one pane at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runs.models import Attempt, Event, LLMCall, Node, Run
from runs.states import AttemptStatus, Kind, NodeStatus
from runs.templatetags.runs_ui import duration_words
from runs.timeline import BACKOFF
from runs.views import run_history
from runs.views.event_words import Entry, Line, Teller, pretty
from runs.views.run_archive import Archived
from runs.views.run_overview import NodeLine, Overview

PANES = {"input": "Input", "output": "Output", "error": "Error", "logs": "Logs", "llm": "LLM calls"}
# Bytes of JSON that stand in the panel; a larger payload is fetched when asked for.
INLINE_BYTES = 20_000
# Log lines and model calls that the panel shows, and how far it counts them.
SHOWN_LOGS = 200
SHOWN_CALLS = 100
COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Payload:
    """An input or output as JSON text; without `text` it is too large to stand in the page, or,
    without a size too, archived."""

    seq: int
    text: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Panel:
    line: NodeLine
    pane: str
    attempts: Sequence[Attempt]
    # The attempt that the panes tell of; None before the first.
    attempt: Attempt | None
    counts: dict[str, str]
    meta: str
    payload: Payload | None = None
    error: dict[str, Any] | None = None
    logs: Sequence[Line] = ()
    earlier_logs: bool = False
    calls: Sequence[LLMCall] = ()
    # Whether what the pane would show is archived, and not there.
    is_archived: bool = False

    @property
    def node(self) -> Node:
        return self.line.node


def panel(
    shown: Overview,
    key: str,
    pane: str,
    number: int | None,
    teller: Teller,
    log: Archived | None,
) -> Panel | None:
    """None where the run has no such node."""
    line = shown.node(key)
    if line is None:
        return None
    run, attempts = shown.run, shown.attempts.get(key, ())
    attempt = next((a for a in attempts if a.number == number), attempts[-1] if attempts else None)
    pane = pane if pane in PANES else _default_pane(line.node, attempt)
    logs = Event.objects.filter(run=run.pk, node=key, kind=Kind.LOG)
    is_away = log is not None and log.is_away
    if log and log.last_seq:
        logs = logs.filter(seq__gt=log.last_seq)
    calls = LLMCall.objects.filter(run=run.pk, node=key)
    if len(attempts) > 1 and attempt is not None:
        logs, calls = logs.filter(attempt=attempt.number), calls.filter(attempt=attempt.number)
    found: dict[str, Any] = {}
    if pane in ("input", "output"):
        found["payload"] = _payload(run, line.node, attempt, pane, log)
    elif pane == "error":
        found["error"], found["is_archived"] = _error(run, line.node, attempt, log)
    elif pane == "logs":
        newest = logs.order_by("-seq").values_list(
            "seq", "kind", "node", "attempt", "actor", "at", "data"
        )[: SHOWN_LOGS + 1]
        entries = [Entry(*row, payload_bytes=None, payload_is_at_least=False) for row in newest]
        found["logs"] = [teller.line(entry) for entry in entries[:SHOWN_LOGS][::-1]]
        found["earlier_logs"] = len(entries) > SHOWN_LOGS
        found["is_archived"] = is_away
    elif pane == "llm":
        found["calls"] = list(calls.order_by("seq")[:SHOWN_CALLS])
    return Panel(
        line=line,
        pane=pane,
        attempts=attempts,
        attempt=attempt,
        # How many lines are archived nobody knows.
        counts={"logs": "" if is_away else _count(logs), "llm": _count(calls)},
        meta=_meta(line, attempts, attempt),
        **found,
    )


def _default_pane(node: Node, attempt: Attempt | None) -> str:
    if attempt is None:
        return "output" if node.reused_from else "input"
    if attempt.status in (AttemptStatus.FAILED, AttemptStatus.LOST):
        return "error"
    if attempt.status == AttemptStatus.RUNNING:
        return "logs"
    return "output" if node.status == NodeStatus.COMPLETED else "logs"


def _count(rows: Any) -> str:
    count = rows.order_by()[: COUNTED + 1].count()
    return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"


def _meta(line: NodeLine, attempts: Sequence[Attempt], attempt: Attempt | None) -> str:
    """``finance.check_totals · worker-2 · 13.3 s + 19.7 s back-off``."""
    pauses = sum(gap.seconds for gap in line.row.gaps if gap.cause == BACKOFF)
    ran = sum(
        ((a.completed_at - a.started_at) for a in attempts if a.completed_at is not None),
        timedelta(),
    )
    times = duration_words(ran) if ran else ""
    if times and pauses >= 0.001:
        times += f" + {duration_words(timedelta(seconds=pauses))} back-off"
    node = line.node
    kind = node.executor or node.kind
    return " · ".join(filter(None, (kind, attempt.worker if attempt else "", times)))


def _payload(
    run: Run, node: Node, attempt: Attempt | None, name: str, log: Archived | None
) -> Payload | None:
    if attempt is not None:
        seq = attempt.input_seq if name == "input" else attempt.result_seq
    else:
        seq = node.input_seq if name == "input" else node.output_seq
    if seq is None:
        return None
    if log and log.has(seq):
        return Payload(seq, None, None)
    found = Event.objects.filter(run=run.pk, seq=seq, data__has_key=name)
    size = run_history.payload_size(found, name)
    if size is None:
        return None
    if size > INLINE_BYTES:
        return Payload(seq, None, size)
    data = found.values_list("data", flat=True).get()
    return Payload(seq, pretty(data[name]), size)


def _error(
    run: Run, node: Node, attempt: Attempt | None, log: Archived | None
) -> tuple[dict[str, Any] | None, bool]:
    """And whether its stack trace is archived."""
    seq = attempt.result_seq if attempt is not None else node.error_seq
    if seq is None:
        return None, False
    if log and log.has(seq):
        told = attempt if attempt is not None and attempt.error_kind else node
        if not told.error_kind and not told.error_message:
            return None, False
        return {"kind": told.error_kind, "message": told.error_message}, True
    error = Event.objects.filter(run=run.pk, seq=seq).values_list("data__error", flat=True).first()
    return error or None, False
