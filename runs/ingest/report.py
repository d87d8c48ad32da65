"""A checked event, and what is recorded of it on a run as it is. Pure."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from runs.fold import PLAIN_KINDS
from runs.graph import MAX_NODES
from runs.rows import NewEvent, NodeRow, Refused, RunRow
from runs.states import NODE_FINAL, Kind, NodeStatus, RunState, may_follow

# What may be told of a run that the portal itself executes: nothing that its engine goes by.
BESIDE = (Kind.LOG, Kind.LLM_CALL, Kind.COST_UPDATE)
MAX_RUN_COST = 1_000_000_000
MAX_RUN_TOKENS = 2**62
_PLAIN = (Kind.LOG, Kind.COST_UPDATE, Kind.HUMAN_ACTION, Kind.LLM_CALL)
_UNBEGUN = (NodeStatus.PENDING, NodeStatus.QUEUED, NodeStatus.WAITING)
_RESULTS = {Kind.NODE_COMPLETED: "completed", Kind.NODE_FAILED: "failed"}


class Found(Protocol):
    @property
    def run(self) -> RunRow: ...
    @property
    def nodes(self) -> dict[str, NodeRow]: ...


class Report:
    """An event that somebody else tells of."""

    __slots__ = (
        "actor", "at", "attempt", "creation", "data", "event_id", "external_id", "index", "json",
        "kind", "node", "ref_id", "ref_type", "run", "source", "source_id", "trigger",
        "triggered_by", "workflow",
    )  # fmt: skip

    event_id: str
    kind: Kind
    data: dict[str, Any]
    json: str

    def __init__(self, index: int) -> None:
        self.index = index
        self.source = ""
        self.run: uuid.UUID | None = None
        self.external_id = ""
        self.node = ""
        self.attempt: int | None = None
        self.at: datetime | None = None
        self.actor = ""
        self.workflow = ""
        self.trigger = ""
        self.triggered_by = ""
        self.ref_type = ""
        self.ref_id = ""
        # Set once it is looked up, and with the first report of a new run: its first event.
        self.source_id = 0
        self.creation: NewEvent | None = None

    @property
    def key(self) -> tuple[int, str]:
        return self.source_id, self.event_id

    @property
    def is_line(self) -> bool:
        return self.kind in PLAIN_KINDS

    def line(self) -> NewEvent:
        return self._event(self.kind)

    def events(self, found: Found) -> list[NewEvent]:
        run = found.run
        if self.kind is Kind.LLM_CALL:
            self._check_ledger(run)
        if not run.elsewhere:
            return [self._beside(found)]
        if self.source_id != run.source_id:
            raise Refused("source", "the run belongs to another source")
        node = found.nodes.get(self.node) if self.node else None
        if self.node and node is None and run.nodes_total >= MAX_NODES:
            raise Refused("node", f"a run has {MAX_NODES:,} nodes at most")
        if run.last_seq == 0 and self.creation is not None:
            return self._first(run)
        if self.kind in _PLAIN:
            return [self._event(self.kind, attempt=self._attempt_told(node))]
        if run.is_final:
            return [self._after_the_end(run, node)]
        if self.kind is Kind.STATE_CHANGED:
            return self._state(run, found.nodes)
        if self.kind is Kind.RUN_CREATED:
            return [self._kept("the run was there already")]
        event = self._of_node(node)
        return [*self._begun(run, event), event]

    # -- Parts -------------------------------------------------------------------------------

    def _event(self, kind: Kind, **changed: Any) -> NewEvent:
        attempt = changed.pop("attempt", self.attempt)
        if "data" not in changed:
            changed = {"data": self.data, "json": self.json, **changed}
        return NewEvent(
            kind, self.node, attempt, changed.pop("actor", self.actor), at=self.at,
            source=self.source_id, sender_id=self.event_id, **changed,
        )  # fmt: skip

    def _kept(self, why: str, level: str = "warning") -> NewEvent:
        """History only: a line that says what was reported and why nothing follows from it."""
        about = f" of “{self.node}”" if self.node else ""
        message = f"reported {self.kind}{about} changes nothing: {why}"
        reported = {"type": str(self.kind), "data": self.data}
        return self._event(
            Kind.LOG, data={"level": level, "message": message, "reported": reported}
        )

    def _beside(self, found: Found) -> NewEvent:
        if self.kind not in BESIDE:
            raise Refused("type", f"the portal executes this run: report {', '.join(BESIDE)} only")
        if self.node and self.node not in found.nodes:
            raise Refused("node", "the run has no such node")
        return self._event(self.kind, attempt=self._attempt_told(found.nodes.get(self.node)))

    def _check_ledger(self, run: RunRow) -> None:
        """What a run's columns can hold, whatever single calls may cost."""
        counts = (run.input_tokens, run.output_tokens, run.cached_tokens)
        if run.cost + Decimal(self.data["cost"]) > MAX_RUN_COST:
            raise Refused("data.cost", f"a run costs {MAX_RUN_COST:,} US dollars at most")
        if max(counts) > MAX_RUN_TOKENS:
            raise Refused("data.input_tokens", f"a run has {MAX_RUN_TOKENS:,} tokens at most")

    def _attempt_told(self, node: NodeRow | None) -> int | None:
        if self.attempt or self.kind is not Kind.LLM_CALL:
            return self.attempt
        return max(node.attempts, 1) if node else 1

    def _first(self, run: RunRow) -> list[NewEvent]:
        creation = self.creation
        assert creation is not None
        if self.kind is Kind.RUN_CREATED:
            return [replace(creation, sender_id=self.event_id)]
        # As the run will be once that is folded; only its number is different.
        born = _Born(run)
        return [creation, *self.events(born)]

    def _state(self, run: RunRow, nodes: dict[str, NodeRow]) -> list[NewEvent]:
        before, to = RunState(run.state), RunState(self.data["to"])
        if to == before or to == RunState.CREATED:
            level = "info" if to == before else "warning"
            return [self._kept(f"the run was {before} already", level)]
        events = []
        if not may_follow(before, to):
            # Told of its end only: it was active before, if for no time.
            started = {} if to == RunState.COMPLETED else {"started": False}
            events.append(self._implied(before, **started))
            before = RunState.ACTIVE
        data: dict[str, Any] = {**self.data, "from": str(before), "to": str(to)}
        if to == RunState.FAILED:
            data["error"] = data.get("error") or _culprit(nodes, data.get("reason"))
            data.setdefault("reason", data["error"]["message"][:500])
        changed = self._event(Kind.STATE_CHANGED, data=data, actor=self.actor or self.source)
        return [*events, changed]

    def _implied(self, before: RunState, **data: Any) -> NewEvent:
        told = {"from": str(before), "to": str(RunState.ACTIVE), "implied": True, **data}
        return NewEvent(Kind.STATE_CHANGED, data=told, at=self.at, source=self.source_id)

    def _begun(self, run: RunRow, event: NewEvent) -> list[NewEvent]:
        begins = event.kind in (Kind.NODE_STARTED, *_RESULTS)
        return [self._implied(RunState.CREATED)] if begins and run.state == "created" else []

    def _of_node(self, node: NodeRow | None) -> NewEvent:
        status = node.status if node else NodeStatus.PENDING
        current = node.attempts if node else 0
        match self.kind:
            case Kind.NODE_STARTED:
                return self._start(node, status, current)
            case Kind.NODE_COMPLETED | Kind.NODE_FAILED:
                return self._result(status, current)
            case Kind.NODE_QUEUED if status in (*_UNBEGUN, NodeStatus.FAILED):
                return self._event(self.kind)
            case Kind.NODE_SKIPPED if status in _UNBEGUN:
                return self._event(self.kind)
            case Kind.PROGRESS if status not in NODE_FINAL:
                return self._event(self.kind)
            case Kind.PATH_SELECTED:
                return self._event(self.kind)
        return self._kept(f"it was {status} already")

    def _start(self, node: NodeRow | None, status: str, current: int) -> NewEvent:
        unheard = node is not None and current > 0 and node.input_seq is None
        number = self.attempt or (current if unheard else current + 1)
        if unheard and number == current:
            return self._event(self.kind, attempt=number)
        again = status in (*_UNBEGUN, NodeStatus.FAILED)
        if number > current and (again or (status == NodeStatus.RUNNING and self.attempt)):
            return self._event(self.kind, attempt=number)
        return self._kept(f"it was {status} already, with attempt {current}")

    def _result(self, status: str, current: int) -> NewEvent:
        number = self.attempt or max(current, 1)
        if status == NodeStatus.RUNNING:
            if number >= current:
                return self._event(self.kind, attempt=number)
            return self._late(number)
        if number > current and status in (*_UNBEGUN, NodeStatus.FAILED):
            return self._event(self.kind, attempt=number)
        return self._kept(f"it was {status} already, with attempt {current}")

    def _after_the_end(self, run: RunRow, node: NodeRow | None) -> NewEvent:
        if self.kind in _RESULTS and node is not None and node.status == NodeStatus.TERMINATED:
            number = self.attempt or node.attempts
            if 0 < number <= node.attempts:
                return self._late(number)
        return self._kept(f"the run was {run.state} already")

    def _late(self, number: int) -> NewEvent:
        data = {"outcome": _RESULTS[self.kind], **self.data}
        return self._event(Kind.LATE_RESULT, attempt=number, data=data)


class _Born:
    """A run of which its creation is about to be recorded."""

    def __init__(self, run: RunRow) -> None:
        self.run = RunRow(
            run.id, run.version_id, run.state, 1, 1, source_id=run.source_id,
            created_at=run.created_at,
        )  # fmt: skip
        self.nodes: dict[str, NodeRow] = {}


def _culprit(nodes: dict[str, NodeRow], reason: str | None) -> dict[str, str]:
    """A failed run's error, where it was not told: that of its first failed node."""
    for node in nodes.values():
        if node.status == NodeStatus.FAILED:
            return {"node": node.key, "kind": node.error_kind, "message": node.error_message}
    return {"node": "", "kind": "Error", "message": reason or "it failed, nobody said why"}
