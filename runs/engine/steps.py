"""What the engine decides on a locked run: claim, result, failure, loss. Pure.

Each function gives the events to record; none means that there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from runs.engine.errors import NodeTimeout, timeout_message
from runs.fold import ASKED
from runs.graph import MAX_BACKOFF, Graph, NodeSpec
from runs.recorder import NotEnough, Snapshot
from runs.rows import NewEvent, NodeRow
from runs.states import NODE_FINAL, DecisionAct, Kind, NodeStatus, RunState

# A node that took this many workers with it is not given to another one.
MAX_LOST = 5
LOST = "WorkerLost"
SILENT = "fell silent"
States = dict[str, tuple[str, Any]]


def state_changed(before: str, after: RunState, **data: Any) -> NewEvent:
    actor = data.pop("actor", "")
    return NewEvent(
        Kind.STATE_CHANGED, actor=actor, data={"from": str(before), "to": str(after), **data}
    )


def claim(
    found: Snapshot, key: str, before: int, worker: str, inputs: dict[str, Any], spec: NodeSpec
) -> list[NewEvent]:
    """Begin the node's next attempt; no events where it is not this worker's to begin.

    `before` is the number of attempts when the node was read: where there are more by now, it
    may be queued again, but not before the pause after the last one.
    """
    node = found.nodes.get(key)
    if node is None or not _is_waiting_for(found, node, before):
        return []
    started = NewEvent(
        Kind.NODE_STARTED,
        node=key,
        attempt=node.attempts + 1,
        data={"worker": worker, "input": inputs, "timeout_seconds": spec.timeout_seconds},
    )
    return _activated(found, started)


def ask(
    found: Snapshot,
    spec: NodeSpec,
    before: int,
    inputs: dict[str, Any],
    words: dict[str, str],
    now: datetime,
) -> list[NewEvent]:
    """Let a human node wait for its answer; `words` are its title and instructions."""
    node = found.nodes.get(spec.id)
    if node is None or not _is_waiting_for(found, node, before):
        return []
    due = None
    if spec.settings["on_timeout"] is not None:
        due = (now + timedelta(seconds=spec.timeout_seconds)).isoformat()
    asked = NewEvent(
        Kind.HUMAN_ACTION,
        node=spec.id,
        data={
            "action": ASKED,
            **words,
            "input": inputs,
            "assigned_to": spec.settings["assigned_to"],
            "due_at": due,
        },
    )
    return _activated(found, asked)


def answer(
    found: Snapshot,
    graph: Graph,
    key: str,
    act: DecisionAct,
    value: Any,
    *,
    actor: str,
    comment: str = "",
    fails: str = "",
) -> list[NewEvent]:
    """What a person decided, and what follows; no events where nothing waits for it any more.

    `value` is what was approved or corrected. `fails`: the node fails with this message.
    """
    node = found.nodes.get(key)
    if node is None or found.run.is_final or node.status != NodeStatus.WAITING:
        return []
    said: dict[str, Any] = {"action": str(act), "comment": comment}
    if act == DecisionAct.CORRECTED:
        said["value"] = value
    events = [NewEvent(Kind.HUMAN_ACTION, node=key, actor=actor, data=said)]
    if fails:
        error = {"kind": "Rejected", "message": fails, "trace": ""}
        return events + _failed(found, node, None, error, None, None)
    output = {"decision": str(act), "value": value, "by": actor, "comment": comment}
    events.append(NewEvent(Kind.NODE_COMPLETED, node=key, data={"output": output}))
    states = _states(found)
    states[key] = (NodeStatus.COMPLETED, None)
    return events + _settle(found, graph, states)


def complete(
    found: Snapshot,
    graph: Graph,
    key: str,
    attempt: int,
    output: Any,
    *,
    before: Sequence[NewEvent] = (),
    at: datetime | None = None,
    path: str | None = None,
    selected: Sequence[str] | None = None,
) -> list[NewEvent]:
    """The attempt's result, after what it logged (`before`), and what follows from it."""
    node = found.nodes.get(key)
    if node is None:
        return list(before)
    data = {"output": output}
    if not _is_current(found, node, attempt):
        return [*before, _late(key, attempt, "completed", data, at)]
    events = list(before)
    if selected is not None:
        events.append(
            NewEvent(
                Kind.PATH_SELECTED,
                node=key,
                attempt=attempt,
                data={"selected": list(selected), "path": path},
            )
        )
    events.append(NewEvent(Kind.NODE_COMPLETED, node=key, attempt=attempt, data=data, at=at))
    states = _states(found)
    states[key] = (NodeStatus.COMPLETED, selected)
    if not found.whole:
        return events + _settle_around(found, graph, states, key)
    return events + _settle(found, graph, states)


def fail(
    found: Snapshot,
    spec: NodeSpec,
    attempt: int,
    error: dict[str, Any],
    now: datetime,
    *,
    before: Sequence[NewEvent] = (),
    at: datetime | None = None,
    permanent: bool = False,
    retry_after: float | None = None,
) -> list[NewEvent]:
    """The attempt's error: another attempt after a pause, or the end of the run.

    `retry_after` are seconds that the next attempt waits at least, up to MAX_BACKOFF.
    """
    node = found.nodes.get(spec.id)
    if node is None:
        return list(before)
    if not _is_current(found, node, attempt):
        return [*before, _late(spec.id, attempt, "failed", {"error": error}, at)]
    again = not permanent and node.failures < spec.retries and not _is_failing(found)
    pause = None
    if again:
        pause = max(spec.backoff(node.failures + 1), min(retry_after or 0.0, MAX_BACKOFF))
    return [*before, *_failed(found, node, attempt, error, now, pause, at=at)]


def lose(
    found: Snapshot, spec: NodeSpec, attempt: int, worker: str, now: datetime, how: str = SILENT
) -> list[NewEvent]:
    """The attempt ended without a result: its worker is gone."""
    node = found.nodes.get(spec.id)
    if node is None:
        return []
    if not _is_current(found, node, attempt):
        return [_late(spec.id, attempt, "lost", {"worker": worker})]
    lost = attempt - node.failures
    error = {"kind": LOST, "message": f"worker {worker} {how}", "trace": ""}
    if not spec.idempotent:
        error["message"] += "; the node is not idempotent, so it is not run again"
    again = spec.idempotent and lost < MAX_LOST and not _is_failing(found)
    pause = min(2.0 ** (lost - 1) - 1, 60.0) if again else None
    return _failed(found, node, attempt, error, now, pause, lost=True)


def overrun(
    found: Snapshot, spec: NodeSpec, attempt: int, worker: str, now: datetime
) -> list[NewEvent]:
    """The node's time was up, and its worker did not say so itself."""
    node = found.nodes.get(spec.id)
    if node is not None and _is_current(found, node, attempt):
        message = timeout_message(spec.timeout_seconds)
        error = {"kind": NodeTimeout.__name__, "message": message, "trace": ""}
        return fail(found, spec, attempt, error, now)
    return lose(found, spec, attempt, worker, now)


def give_up(
    found: Snapshot, key: str, attempt: int, worker: str, error: dict[str, Any], now: datetime
) -> list[NewEvent]:
    """The attempt ended without a result, and none can follow, for another reason."""
    node = found.nodes.get(key)
    if node is None:
        return []
    if not _is_current(found, node, attempt):
        return [_late(key, attempt, "lost", {"worker": worker})]
    return _failed(found, node, attempt, error, now, None, lost=True)


def reject(found: Snapshot, key: str, error: dict[str, Any], now: datetime) -> list[NewEvent]:
    """A queued node that cannot even be begun: the run fails."""
    node = found.nodes.get(key)
    if node is None or found.run.is_final or node.status != NodeStatus.QUEUED:
        return []
    return _failed(found, node, None, error, now, None)


def settle(found: Snapshot, graph: Graph) -> list[NewEvent]:
    """What follows from how all of its nodes are, of a run of which nothing is under way."""
    if found.run.is_final:
        return []
    events = _settle(found, graph, _states(found))
    if found.run.state == RunState.CREATED and any(e.kind == Kind.STATE_CHANGED for e in events):
        return []
    return events


def refuse(found: Snapshot, error: dict[str, Any]) -> list[NewEvent]:
    """A queued run that cannot start: none of its nodes will run."""
    if found.run.state != RunState.CREATED:
        return []
    reason = error["message"]
    return [
        *(_skipped(key, reason) for key in found.nodes),
        state_changed(RunState.CREATED, RunState.FAILED, reason=reason, error=error),
    ]


def terminate(found: Snapshot, actor: str, reason: str) -> list[NewEvent]:
    """End an open run at once; nodes in flight finish their present operation."""
    if found.run.is_final:
        return []
    end = state_changed(RunState.ACTIVE, RunState.TERMINATED, actor=actor, reason=reason)
    if found.run.state == RunState.CREATED:
        # The state machine has no shortcut; nothing starts, so there is no start time.
        return [
            state_changed(RunState.CREATED, RunState.ACTIVE, actor=actor, started=False),
            end,
        ]
    return [end]


def _is_waiting_for(found: Snapshot, node: NodeRow, before: int) -> bool:
    """Whether it waits for a worker, as it did when it had begun `before` attempts."""
    is_queued = node.status == NodeStatus.QUEUED and node.attempts == before
    return is_queued and not found.run.is_final


def _activated(found: Snapshot, event: NewEvent) -> list[NewEvent]:
    """`event`, with which a queued run becomes active."""
    if found.run.state == RunState.CREATED:
        return [state_changed(found.run.state, RunState.ACTIVE), event]
    return [event]


def _is_current(found: Snapshot, node: NodeRow, attempt: int) -> bool:
    return not found.run.is_final and node.status == NodeStatus.RUNNING and node.attempts == attempt


def _is_failing(found: Snapshot) -> bool:
    return any(node.status == NodeStatus.FAILED for node in found.nodes.values())


def _states(found: Snapshot) -> States:
    return {key: (node.status, node.selected) for key, node in found.nodes.items()}


def _late(
    key: str, attempt: int, outcome: str, data: dict[str, Any], at: datetime | None = None
) -> NewEvent:
    return NewEvent(
        Kind.LATE_RESULT, node=key, attempt=attempt, data={"outcome": outcome, **data}, at=at
    )


def _skipped(key: str, reason: str) -> NewEvent:
    return NewEvent(Kind.NODE_SKIPPED, node=key, data={"reason": reason})


def _failed(
    found: Snapshot,
    node: NodeRow,
    attempt: int | None,
    error: dict[str, Any],
    now: datetime | None,
    pause: float | None,
    *,
    at: datetime | None = None,
    lost: bool = False,
) -> list[NewEvent]:
    data: dict[str, Any] = {"error": error}
    if lost:
        data["lost"] = True
    if pause is not None and now is not None:
        data["retry_at"] = (now + timedelta(seconds=pause)).isoformat()
    failed = NewEvent(Kind.NODE_FAILED, node=node.key, attempt=attempt, data=data, at=at)
    if pause is not None:
        return [failed]
    states = _states(found)
    states[node.key] = (NodeStatus.FAILED, None)
    culprit = next(key for key, (status, _) in states.items() if status == NodeStatus.FAILED)
    return [failed, *_wind_up(found, states, culprit, {**error, "node": node.key})]


def _settle(found: Snapshot, graph: Graph, states: States) -> list[NewEvent]:
    """What follows once `states` hold: nodes queued or skipped, the run's end."""
    failed = [key for key, (status, _) in states.items() if status == NodeStatus.FAILED]
    if failed:
        return _wind_up(found, states, failed[0])
    events = []
    ready, skipped = graph.advance(states)
    for key in skipped:
        states[key] = (NodeStatus.SKIPPED, None)
        events.append(_skipped(key, why_skipped(graph, key, states)))
    events += [NewEvent(Kind.NODE_QUEUED, node=key) for key in ready]
    if not ready and all(status in NODE_FINAL for status, _ in states.values()):
        events.append(state_changed(found.run.state, RunState.COMPLETED))
    return events


def _settle_around(found: Snapshot, graph: Graph, states: States, key: str) -> list[NewEvent]:
    """The same after `key` is completed, on a part of the run: where nothing has failed, and
    nothing is left out."""
    if _is_failing(found) or graph.nodes[key].kind == "branch":
        raise NotEnough
    if found.run.nodes_done + 1 == found.run.nodes_total:
        return [state_changed(found.run.state, RunState.COMPLETED)]
    return [NewEvent(Kind.NODE_QUEUED, node=each) for each in graph.next_after(key, states)]


def _wind_up(
    found: Snapshot, states: States, culprit: str, error: dict[str, Any] | None = None
) -> list[NewEvent]:
    """A node failed for good: start nothing more; the run fails with the last node in flight."""
    if not found.whole:
        raise NotEnough
    events = []
    for key, (status, _) in states.items():
        if status in (NodeStatus.PENDING, NodeStatus.QUEUED, NodeStatus.WAITING):
            events.append(_skipped(key, f"{culprit} failed"))
    if any(status == NodeStatus.RUNNING for status, _ in states.values()):
        return events
    if error is None:
        node = found.nodes[culprit]
        error = {"node": culprit, "kind": node.error_kind, "message": node.error_message}
    attempts = found.nodes[error["node"]].attempts
    reason = f"{error['node']} failed" + (f" after {attempts} attempts" if attempts > 1 else "")
    summary = {name: error[name] for name in ("node", "kind", "message")}
    events.append(state_changed(found.run.state, RunState.FAILED, reason=reason, error=summary))
    return events


def why_skipped(graph: Graph, key: str, states: States) -> str:
    branches = [n for n in graph.nodes[key].needs if states[n][0] == NodeStatus.COMPLETED]
    if branches:
        return f"{branches[0]} chose another path"
    return f"{', '.join(graph.nodes[key].needs)} skipped"
