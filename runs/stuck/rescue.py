"""Helps runs that are stuck, by one press: what helps is told by the finding as it is now.

A silent attempt is ended as lost, so that its node runs again under the next number and what the
old one still tells is late; a node that nobody takes is offered anew; a run of which nothing is
under way is judged anew. What only a person can do (decide, start a worker) is said.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from runs import definitions, ids, recorder, workflow_state
from runs.actors import Actor
from runs.driver import plain_cursor
from runs.engine import dispatch, gates, steps
from runs.engine import rescue as engine_rescue
from runs.graph import DefinitionError
from runs.lifecycle import BATCH, Outcome
from runs.models import AuditEntry, Lease, ReadyNode, Run, Workflow
from runs.querysets import RunQuerySet
from runs.recorder import Snapshot
from runs.rows import NewEvent
from runs.services.finding import age_words
from runs.states import Kind, NodeStatus
from runs.stuck import look, record
from runs.stuck.finding import Finding, Rescue

PERMISSIONS: dict[Rescue, str] = {
    Rescue.RERUN: "runs.retry_run",
    Rescue.HINT: "runs.retry_run",
    Rescue.SETTLE: "runs.retry_run",
    Rescue.RESUME: "runs.change_workflow",
    Rescue.CLOSE: "runs.terminate_run",
    Rescue.DECIDE: "runs.decide_decision",
}
# What can be done to many runs at once: nothing of it ends one on purpose, or concerns others.
FOR_MANY = frozenset({Rescue.RERUN, Rescue.HINT, Rescue.SETTLE})
GETS_ON = "it is not stuck"
FAILS = "its node cannot be run again, so the run would fail: rescue it on its page"
_WHY_NOT = {
    Rescue.NONE: "nothing done here helps it: {}",
    Rescue.RESUME: "its workflow is paused: resume it",
    Rescue.DECIDE: "it waits for a person: decide it",
    Rescue.CLOSE: "it is executed elsewhere: close it on its page",
}
# In order of their key, as all who take several; who is locked is being claimed.
_OFFER = """
UPDATE ready_nodes SET hint_due = NULL, hints = 0, ready_at = least(ready_at, %(now)s)
WHERE node_id IN (
    SELECT node_id FROM ready_nodes JOIN nodes ON nodes.id = node_id
    WHERE ready_nodes.run_id = ANY(%(runs)s) AND NOT held
        AND (ready_nodes.run_id, nodes.key) IN (SELECT * FROM unnest(%(runs)s, %(keys)s::text[]))
    ORDER BY node_id FOR UPDATE OF ready_nodes SKIP LOCKED
) RETURNING run_id
"""


def rescue(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
    allowed: Collection[Rescue] = FOR_MANY,
    may_end: bool = False,
    findings: Sequence[Finding] | None = None,
) -> Outcome:
    """Do to each what helps it now.

    Only what is `allowed` is done: a workflow is resumed, and a run closed or (`may_end`) failed,
    by who means this very one. As all acts it is safe to repeat: what gets on meanwhile is left
    alone. The broker is asked for what is found; give `findings_of` where a transaction is open.
    """
    now = now or timezone.now()
    run_ids = list(runs.order_by("id").values_list("id", flat=True)[:BATCH])
    outcome = Outcome()
    found: dict[uuid.UUID, list[Finding]] = {}
    for each in findings_of(run_ids, now) if findings is None else findings:
        found.setdefault(each.run_id, []).append(each)
    chosen: dict[uuid.UUID, list[Finding]] = {}
    for run_id in run_ids:
        own = found.get(run_id, [])
        fit = [each for each in own if each.rescue in allowed and (may_end or not each.fails)]
        if fit:
            chosen[run_id] = fit
        else:
            outcome.skipped[run_id] = _why_not(own)
    with transaction.atomic():
        done = _record(chosen, by, reason, now) | _offer(chosen, now) | _resume(chosen, by)
        for run_id in chosen:
            if run_id in done:
                outcome.done[run_id] = run_id
            else:
                outcome.skipped[run_id] = GETS_ON
        if audited:
            for run_id in outcome.done:
                words = "; ".join(each.words for each in chosen[run_id])
                said = f"{reason}: {words}" if reason else words
                AuditEntry.objects.note(by, "rescue", ("run", ids.encode("run", run_id)), said)
        if outcome.done:
            record.forget(outcome.done)
            record.forget_paused(_resumed(chosen, outcome.done))
            dispatch.wake(gates.of_runs(outcome.done))
    return outcome


def _why_not(own: Sequence[Finding]) -> str:
    if not own:
        return GETS_ON
    if any(each.fails for each in own):
        return FAILS
    return _WHY_NOT.get(own[0].rescue, "{}").format(own[0].act)[:300]


def findings_of(run_ids: Collection[uuid.UUID], now: datetime) -> list[Finding]:
    """What is in the way of these runs now."""
    return look.look(now, look.open_ids(run_ids)).findings


class NotDone(Exception):  # noqa: N818
    """Why one run was not rescued."""


class NotAllowed(NotDone):
    """Whoever asked may not do what helps it."""


def one(
    run: Run, node: str, *, by: Actor, may: Callable[[str], bool], reason: str, now: datetime
) -> Finding:
    """Do what helps with this one of its findings, whatever that is; gives it. Raises NotDone."""
    found = next((each for each in findings_of([run.pk], now) if each.node == node), None)
    if found is None:
        raise NotDone(GETS_ON)
    needed = PERMISSIONS.get(found.rescue)
    if needed is None:
        raise NotDone(_WHY_NOT[Rescue.NONE].format(found.act.rstrip(".")))
    if not may(needed):
        raise NotAllowed("your account may not do what would help it")
    runs = Run.objects.filter(pk=run.pk)
    outcome = rescue(
        runs, by=by, reason=reason, now=now, allowed={found.rescue}, may_end=True, findings=[found]
    )
    if run.pk not in outcome.done:
        raise NotDone(outcome.skipped.get(run.pk, GETS_ON))
    return found


# -- Through the recorder --------------------------------------------------------------------

_RECORDED = (Rescue.RERUN, Rescue.SETTLE, Rescue.CLOSE)


def _record(
    chosen: Mapping[uuid.UUID, list[Finding]], by: Actor, reason: str, now: datetime
) -> set[uuid.UUID]:
    wanted = {
        run_id: own
        for run_id, found in chosen.items()
        if (own := [each for each in found if each.rescue in _RECORDED])
    }
    if not wanted:
        return set()

    def decide(found: Snapshot) -> list[NewEvent]:
        # One of its nodes at a time: the next is judged as the first has left the run.
        for each in wanted[found.run.id]:
            if each.rescue == Rescue.RERUN:
                events = _rerun(found, each, by, now)
            elif each.rescue == Rescue.SETTLE:
                events = _settle(found, by, now)
            else:
                events = _close(found, each, by, reason)
            if events:
                return events
        return []

    done: set[uuid.UUID] = set()
    for _ in range(max(len(own) for own in wanted.values())):
        recorded = set(recorder.transact(wanted, decide, now=now))
        if not recorded:
            break
        done |= recorded
    return done


def _rerun(found: Snapshot, each: Finding, by: Actor, now: datetime) -> list[NewEvent]:
    """End the attempt that was found, if it is the present one still."""
    node = found.nodes.get(each.node)
    if node is None or node.status != NodeStatus.RUNNING or node.attempts != each.attempt:
        return []
    lease = Lease.objects.filter(run=found.run.id, node__key=each.node).first()
    if lease is None or lease.attempt != each.attempt:
        return []
    silent = age_words(now - each.since)
    how = f"was silent for {silent}; {by.name} had its node run again"
    return engine_rescue.end(found, each.node, lease, now, how)


def _settle(found: Snapshot, by: Actor, now: datetime) -> list[NewEvent]:
    """What follows from how its nodes are, as if the last of them had just ended."""
    run, nodes = found.run, found.nodes
    if run.is_final or Lease.objects.filter(run=run.id).exists():
        return []
    if ReadyNode.objects.filter(run=run.id).exists():
        return []
    try:
        graph = definitions.graph_of(run.version_id)
    except DefinitionError:
        return []
    for key, node in nodes.items():
        if node.status == NodeStatus.RUNNING:
            how = f"is not known any more; {by.name} had the run go on"
            return steps.lose(found, graph.nodes[key], node.attempts, "", now, how)
    queued = [key for key, node in nodes.items() if node.status == NodeStatus.QUEUED]
    if queued:
        return [NewEvent(Kind.NODE_QUEUED, node=key, actor=by.name) for key in queued]
    if any(node.status == NodeStatus.WAITING for node in nodes.values()):
        return []
    return steps.settle(found, graph)


def _close(found: Snapshot, each: Finding, by: Actor, reason: str) -> list[NewEvent]:
    """End the record of a run of which nobody tells any more."""
    if not found.run.elsewhere:
        return []
    return steps.terminate(found, by.name, reason or f"closed here: {each.words}"[:500])


# -- Beside it -------------------------------------------------------------------------------


def _offer(chosen: Mapping[uuid.UUID, list[Finding]], now: datetime) -> set[uuid.UUID]:
    pairs = [
        each.key for own in chosen.values() for each in own if each.rescue == Rescue.HINT
    ]  # fmt: skip
    if not pairs:
        return set()
    run_ids, keys = zip(*pairs, strict=True)
    with plain_cursor() as cursor:
        cursor.execute(_OFFER, {"now": now, "runs": list(run_ids), "keys": list(keys)})
        return {run_id for (run_id,) in cursor.fetchall()}


def _resumed(chosen: Mapping[uuid.UUID, list[Finding]], done: Collection[uuid.UUID]) -> set[int]:
    """Workflows that are not paused any more."""
    return {
        each.workflow_id
        for run_id in done
        for each in chosen[run_id]
        if each.rescue == Rescue.RESUME
    }


def _resume(chosen: Mapping[uuid.UUID, list[Finding]], by: Actor) -> set[uuid.UUID]:
    done = set()
    for run_id, own in chosen.items():
        for each in own:
            if each.rescue == Rescue.RESUME:
                workflow = Workflow.objects.get(pk=each.workflow_id)
                if workflow_state.resume(workflow, by=by, reason="a stuck run was rescued"):
                    done.add(run_id)
    return done
