"""(rows before, events) → changes of run, nodes, attempts and model calls. Pure.

The rows are a reading of the log; this is the reader. The recorder writes what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from runs import ids
from runs.rows import (
    Answer,
    AttemptBegun,
    AttemptEnded,
    ModelCall,
    NewEvent,
    NodeRow,
    Question,
    RunRow,
)
from runs.states import (
    FINAL_STATES,
    NODE_FINAL,
    AttemptStatus,
    DecisionAct,
    Kind,
    NodeStatus,
    RunState,
)

# What a human node does first; what follows is a DecisionAct.
ASKED = "asked"
# As exact as the ledger is: what is added up is what stands there.
_EXACT = Decimal("1e-10")


@dataclass(slots=True)
class Changes:
    """What a batch of events does to one run. `run` and `nodes` are changed in place."""

    run: RunRow
    nodes: dict[str, NodeRow]
    # Each state entered with the number of its event, in order.
    states: list[tuple[str, int]] = field(default_factory=list)
    changed_nodes: set[str] = field(default_factory=set)
    begun: list[AttemptBegun] = field(default_factory=list)
    ended: list[AttemptEnded] = field(default_factory=list)
    # Nodes whose result is that of another run.
    reused: set[str] = field(default_factory=set)
    # Nodes that were first heard of now.
    new_nodes: list[NodeRow] = field(default_factory=list)
    # Node → when it may be claimed; None: it waits no longer.
    ready: dict[str, datetime | None] = field(default_factory=dict)
    model_calls: list[ModelCall] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    answered: list[Answer] = field(default_factory=list)
    # Whether a list of runs shows anything different now.
    visible: bool = False


def _short(text: Any, limit: int) -> str:
    text = str(text or "")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _state_changed(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    run, data = changes.run, event.data
    run.state, run.state_seq = data["to"], seq
    changes.states.append((run.state, seq))
    if run.state == RunState.ACTIVE and data.get("started", True):
        run.started_at = now
    if run.state in FINAL_STATES:
        run.completed_at = max(now, run.started_at or now)
        run.current_node = ""
        run.reason = _short(data.get("reason"), 500)
    if run.state == RunState.FAILED:
        error = data.get("error") or {}
        run.error_node = _short(error.get("node"), 64)
        run.error_kind = _short(error.get("kind"), 100)
        run.error_message = _short(error.get("message"), 500)
    if run.state == RunState.TERMINATED:
        run.ended_by = _short(event.actor, 150)
    # The engine ends its runs with their nodes; who reports may have left some open.
    if run.state == RunState.TERMINATED or (run.elsewhere and run.state in FINAL_STATES):
        for node in changes.nodes.values():
            if node.status not in NODE_FINAL:
                if run.elsewhere:
                    _lose_attempt(changes, node, seq, now)
                _withdraw(changes, node, now)
                node.status = NodeStatus.TERMINATED
                node.completed_at = max(now, node.started_at or now)
                _wait(changes, node.key, None)
                changes.changed_nodes.add(node.key)
    changes.visible = True


def _wait(changes: Changes, key: str, at: datetime | None) -> None:
    """When the node may be claimed, which nobody does with one that is executed elsewhere."""
    if not changes.run.elsewhere:
        changes.ready[key] = at


def _run_created(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    changes.visible = True


def _node_queued(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    node = changes.nodes[event.node]
    _reopen(changes, node)
    node.status, node.queued_at = NodeStatus.QUEUED, now
    _wait(changes, event.node, now)


def _node_started(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    node, attempt = changes.nodes[event.node], event.attempt or 1
    if changes.run.elsewhere:
        if attempt <= node.attempts:
            # Its result came first: only its time and its input are news.
            node.started_at, node.input_seq = min(node.started_at or now, now), seq
            _begin_attempt(changes, event, seq, now)
            return
        _lose_attempt(changes, node, seq, now)
        _reopen(changes, node)
    node.status, node.attempts, node.input_seq = NodeStatus.RUNNING, attempt, seq
    node.started_at = node.started_at or now
    node.progress_done = node.progress_total = None
    _begin_attempt(changes, event, seq, now)
    _wait(changes, event.node, None)
    changes.run.current_node = event.node
    changes.visible = True


def _begin_attempt(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    leased = not changes.run.elsewhere
    changes.begun.append(
        AttemptBegun(
            run_id=changes.run.id,
            node=event.node,
            number=event.attempt or 1,
            worker=_short(event.data.get("worker"), 128),
            started_at=now,
            input_seq=seq,
            timeout=float(event.data["timeout_seconds"]) if leased else None,
        )
    )


def _begin_unheard(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    """A result of an attempt that was not reported to begin: it began with its result, until
    somebody says when."""
    node, attempt = changes.nodes[event.node], event.attempt or 1
    if not changes.run.elsewhere or attempt <= node.attempts:
        return
    _lose_attempt(changes, node, seq, now)
    _reopen(changes, node)
    node.attempts, node.input_seq = attempt, None
    node.started_at = node.started_at or now
    _begin_attempt(changes, event, seq, now)


def _reopen(changes: Changes, node: NodeRow) -> None:
    """A failed node that is tried again is not done."""
    if node.status in NODE_FINAL:
        node.completed_at = None
        changes.run.nodes_done -= 1
        changes.visible = True


def _lose_attempt(changes: Changes, node: NodeRow, seq: int, now: datetime) -> None:
    """The attempt that runs is over without a result; one that comes yet is late."""
    if node.status == NodeStatus.RUNNING:
        ended = NewEvent(Kind.NODE_FAILED, node=node.key, attempt=node.attempts)
        _end_attempt(changes, ended, seq, now, AttemptStatus.LOST)


def _leave(changes: Changes, node: NodeRow, now: datetime) -> None:
    """`node` came to its end: count it, and show another running one in its place."""
    # The clock of who reports may have gone back.
    node.completed_at = max(now, node.started_at or now)
    _wait(changes, node.key, None)
    changes.run.nodes_done += 1
    if changes.run.current_node == node.key:
        running = (n.key for n in changes.nodes.values() if n.status == NodeStatus.RUNNING)
        changes.run.current_node = next(running, "")
    changes.visible = True


def _node_completed(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    _begin_unheard(changes, event, seq, now)
    node = changes.nodes[event.node]
    node.status, node.output_seq = NodeStatus.COMPLETED, seq
    if event.copied is not None:
        node.reused_from = ids.decode("run", event.data["reused_from"])
        node.input_seq = seq if event.copied.input_seq is not None else None
        changes.reused.add(node.key)
    if event.attempt is not None or changes.run.elsewhere:
        _end_attempt(changes, event, seq, now, AttemptStatus.COMPLETED)
    _leave(changes, node, now)


def _node_failed(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    _begin_unheard(changes, event, seq, now)
    node, error = changes.nodes[event.node], event.data.get("error") or {}
    node.error_seq = seq
    node.error_kind = _short(error.get("kind"), 100)
    node.error_message = _short(error.get("message"), 500)
    retry_at = event.data.get("retry_at")
    retry_at = datetime.fromisoformat(retry_at) if retry_at else None
    if event.attempt is not None:
        status = AttemptStatus.LOST if event.data.get("lost") else AttemptStatus.FAILED
        _end_attempt(changes, event, seq, now, status, retry_at)
        node.failures += status == AttemptStatus.FAILED
    if retry_at is not None:
        node.status, node.queued_at = NodeStatus.QUEUED, now
        _wait(changes, event.node, retry_at)
        return
    node.status = NodeStatus.FAILED
    _leave(changes, node, now)


def _end_attempt(
    changes: Changes,
    event: NewEvent,
    seq: int,
    now: datetime,
    status: AttemptStatus,
    retry_at: datetime | None = None,
) -> None:
    error = event.data.get("error") or {}
    changes.ended.append(
        AttemptEnded(
            run_id=changes.run.id,
            node=event.node,
            number=event.attempt or 1,
            status=status,
            completed_at=now,
            result_seq=seq,
            retry_at=retry_at,
            error_kind=_short(error.get("kind"), 100),
            error_message=_short(error.get("message"), 500),
        )
    )


def _node_skipped(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    node = changes.nodes[event.node]
    _withdraw(changes, node, now)
    node.status = NodeStatus.SKIPPED
    _leave(changes, node, now)


def _path_selected(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    changes.nodes[event.node].selected = list(event.data["selected"])


def _human_action(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    """A question begins to wait, or is answered; what else is told of people is history only."""
    data, node = event.data, changes.nodes.get(event.node)
    act = str(data.get("action"))
    if changes.run.elsewhere or node is None or act not in (ASKED, *DecisionAct):
        return
    if act != ASKED:
        by = _short(event.actor, 150)
        changes.answered.append(Answer(changes.run.id, node.key, act, by, now))
        return
    node.status, node.input_seq, node.started_at = NodeStatus.WAITING, seq, now
    changes.changed_nodes.add(node.key)
    _wait(changes, node.key, None)
    due = data.get("due_at")
    assigned = data.get("assigned_to") or {}
    changes.asked.append(
        Question(
            run_id=changes.run.id,
            node=node.key,
            title=_short(data.get("title"), 200),
            people=list(assigned.get("people", ())),
            groups=list(assigned.get("groups", ())),
            asked_at=now,
            due_at=datetime.fromisoformat(due) if due else None,
        )
    )
    changes.run.current_node = node.key
    changes.visible = True


def _withdraw(changes: Changes, node: NodeRow, now: datetime) -> None:
    if node.status == NodeStatus.WAITING and not changes.run.elsewhere:
        changes.answered.append(Answer(changes.run.id, node.key, DecisionAct.WITHDRAWN, "", now))


def _progress(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    node = changes.nodes[event.node]
    node.progress_done, node.progress_total = event.data.get("done"), event.data.get("total")


def _llm_call(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    data = event.data
    call = ModelCall(
        run_id=changes.run.id,
        seq=seq,
        node=event.node,
        attempt=event.attempt or 1,
        model=_short(data.get("model"), 128),
        input_tokens=int(data.get("input_tokens", 0)),
        output_tokens=int(data.get("output_tokens", 0)),
        cached_tokens=int(data.get("cached_tokens", 0)),
        cost=Decimal(str(data.get("cost", "0"))).quantize(_EXACT),
        at=event.at or now,
    )
    changes.model_calls.append(call)
    run = changes.run
    run.cost += call.cost
    run.input_tokens += call.input_tokens
    run.output_tokens += call.output_tokens
    run.cached_tokens += call.cached_tokens
    if event.node in changes.nodes:
        changes.nodes[event.node].cost += call.cost
        changes.changed_nodes.add(event.node)
    changes.visible = True


def _late_result(changes: Changes, event: NewEvent, seq: int, now: datetime) -> None:
    lost = event.data.get("outcome") == "lost"
    _end_attempt(changes, event, seq, now, AttemptStatus.LOST if lost else AttemptStatus.LATE)


Handler = Callable[[Changes, NewEvent, int, datetime], None]
HANDLERS: dict[Kind, Handler] = {
    Kind.RUN_CREATED: _run_created,
    Kind.STATE_CHANGED: _state_changed,
    Kind.NODE_QUEUED: _node_queued,
    Kind.NODE_STARTED: _node_started,
    Kind.NODE_COMPLETED: _node_completed,
    Kind.NODE_FAILED: _node_failed,
    Kind.NODE_SKIPPED: _node_skipped,
    Kind.PATH_SELECTED: _path_selected,
    Kind.HUMAN_ACTION: _human_action,
    Kind.PROGRESS: _progress,
    Kind.LLM_CALL: _llm_call,
    Kind.LATE_RESULT: _late_result,
}
# Kinds that only add a line.
PLAIN_KINDS = frozenset({Kind.LOG, Kind.COST_UPDATE})
# Kinds that can be folded without the run's nodes.
NODELESS_KINDS = frozenset({Kind.LOG, Kind.COST_UPDATE, Kind.RUN_CREATED})
# Kinds that take no other node than their own.
OWN_NODE_KINDS = PLAIN_KINDS | {Kind.PROGRESS, Kind.LLM_CALL}
_CHANGE_NODE = frozenset(HANDLERS) - {
    Kind.RUN_CREATED,
    Kind.STATE_CHANGED,
    Kind.LLM_CALL,
    Kind.LATE_RESULT,
    Kind.HUMAN_ACTION,
}


def fold(run: RunRow, nodes: dict[str, NodeRow], events: list[NewEvent], now: datetime) -> Changes:
    """Apply `events`, numbered on from ``run.last_seq``, to the rows. They are changed in place."""
    changes = Changes(run=run, nodes=nodes)
    for event in events:
        apply(changes, event, now)
    return changes


def apply(changes: Changes, event: NewEvent, now: datetime) -> None:
    """Apply one more event, stored at `now`."""
    run = changes.run
    run.last_seq += 1
    if run.elsewhere:
        now = _time(run, event, now)
        # What is heard of after the end is history only.
        if event.node and event.node not in changes.nodes and not run.is_final:
            _hear_of(changes, event.node)
    handler = HANDLERS.get(event.kind)
    if handler is None:
        return
    handler(changes, event, run.last_seq, now)
    if event.kind in _CHANGE_NODE:
        changes.changed_nodes.add(event.node)


def _time(run: RunRow, event: NewEvent, now: datetime) -> datetime:
    """When it happened by the sender's clock; the rows hold nothing that is before the run's
    creation or yet to come, whatever that clock says."""
    at = event.at or now
    return min(max(at, run.created_at or at), now)


def _hear_of(changes: Changes, key: str) -> None:
    run = changes.run
    node = NodeRow(run.id, key, run.nodes_total, "external", "", NodeStatus.PENDING)
    run.nodes_total += 1
    changes.nodes[key] = node
    changes.new_nodes.append(node)
    changes.visible = True
