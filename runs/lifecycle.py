"""Acts on runs: start, retry, terminate, delete. Over a queryset; one run is a set of one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, F, Func, TextField
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast
from django.utils import timezone

from runs import cold_reading, ids, recorder
from runs.actors import ACTOR_REFS, Actor
from runs.cold_reading import Inputs
from runs.definitions import error_of, graph_of
from runs.engine import dispatch, gates, registry, steps
from runs.graph import USUAL_QUEUE, DefinitionError, Graph, NodeSpec
from runs.models import AuditEntry, Event, Run, Workflow, WorkflowVersion
from runs.payload import PayloadError, bounded, check_depth
from runs.querysets import RunQuerySet
from runs.reuse import ARCHIVED, Reuse, reuse_of
from runs.rows import NewEvent
from runs.states import FINAL_STATES, Kind, RunState

# Whose starts are audited; a trigger's are told by the run itself.
PEOPLE = frozenset({"user", "token"})
# Why nothing is done to a run that is only reported.
ELSEWHERE = "it is executed elsewhere, where it must be done"
HELD = "it is under legal hold"
# Runs handled in one transaction.
BATCH = 500
# Runs that one transaction deletes: each may have many thousand events.
DELETED_TOGETHER = 20
# Bytes of their inputs, as JSON text, that are in memory at a time.
BATCH_BYTES = 2_000_000
BATCH_NODES = 5_000
_TEXT_BYTES = Func(
    Cast(F("data"), TextField()), function="octet_length", output_field=BigIntegerField()
)


@dataclass(slots=True)
class Outcome:
    """What an act did: runs it was done to (for retry: original → new), and why others not."""

    done: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    skipped: dict[uuid.UUID, str] = field(default_factory=dict)


def start(
    version: WorkflowVersion,
    data: Any,
    *,
    trigger: str,
    by: Actor,
    ref_type: str = "",
    ref_id: str = "",
    original: Run | None = None,
    fired: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> Run:
    """Record a new run and let it be executed. `original` is the failed run whose input it takes,
    corrected or for another version: its lineage then shows both. `fired` tells of the trigger's
    firing that started it.

    One that cannot start (its input breaks the workflow's schema, an executor is missing) is
    recorded as failed with the reason. Raises PayloadError for an input that is no JSON or too
    large: nothing is recorded then.
    """
    now = now or timezone.now()
    bounded(data, settings.ENGINE_PAYLOAD_BYTES, "the input")
    new = _new_run(
        version,
        data,
        trigger=trigger,
        by=by,
        ref=(ref_type, ref_id),
        now=now,
        original=original,
        fired=fired,
    )
    with transaction.atomic():
        recorder.create([new], now=now)
        if by.ref_type in PEOPLE:
            _audit(by, "start", [new.id])
        dispatch.wake([new.gate] if new.gate else ())
    return Run.objects.select_related("workflow", "version").get(pk=new.id)


def retry(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
    archived: Inputs | None = None,
) -> Outcome:
    """New runs with the failed ones' version and input, linked to them.

    Not `audited` is what a larger act does, which is audited as a whole; so with all acts here.
    Inputs that are `archived` are read from storage first; give them where a transaction is open.
    """
    now = now or timezone.now()
    return _retry(runs, by, reason, now, archived, from_failed=False, audited=audited)


def retry_from(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
    archived: Inputs | None = None,
) -> Outcome:
    """As `retry`, from the failed node on: the results of nodes that completed before are taken
    over, with decisions and choices, and these nodes are not executed again."""
    now = now or timezone.now()
    return _retry(runs, by, reason, now, archived, from_failed=True, audited=audited)


def _retry(
    runs: RunQuerySet,
    by: Actor,
    reason: str,
    now: datetime,
    archived: Inputs | None,
    *,
    from_failed: bool,
    audited: bool,
) -> Outcome:
    outcome = Outcome()
    run_ids = list(runs.order_by("id").values_list("id", flat=True)[:BATCH])
    if archived is None:
        archived = cold_reading.inputs_of(run_ids)
    with transaction.atomic():
        chosen = _to_retry(run_ids, outcome)
        for batch in _by_size(chosen, outcome, archived):
            kept = reuse_of(batch) if from_failed else ({}, {})
            recorder.create(_retries(batch, outcome, by, now, archived, *kept), now=now)
        if audited:
            _audit(by, "retry_from_failed" if from_failed else "retry", outcome.done, reason)
        dispatch.wake({_gate(run.version.workflow) for run in chosen} - {""})
    return outcome


def _retries(
    originals: list[Run],
    outcome: Outcome,
    by: Actor,
    now: datetime,
    archived: Inputs,
    reuse: Mapping[uuid.UUID, Reuse],
    refused: Mapping[uuid.UUID, str],
) -> list[recorder.NewRun]:
    """A new run for each of these, with its input; `outcome` is told of it."""
    first = Event.objects.filter(run__in=[run.id for run in originals], seq=1)
    # Not "data__input": Django tries that as a relation first, and the error that it keeps holds
    # this frame, with all inputs in it, until the next collection of garbage.
    inputs = dict(first.values_list("run_id", KeyTransform("input", "data")))
    for run in originals:
        if run.id not in inputs:
            inputs[run.id] = archived.input_of(run.id)
    new_runs = []
    for run in originals:
        if run.id in refused:
            outcome.skipped[run.id] = refused[run.id]
            continue
        try:
            check_depth(inputs[run.id], "its input")
        except PayloadError as error:  # stored before there was a limit
            outcome.skipped[run.id] = str(error)
            continue
        own_word = run.ref_type not in ACTOR_REFS
        new = _new_run(
            run.version,
            inputs[run.id],
            trigger=run.trigger,
            by=by,
            ref=(run.ref_type, run.ref_id) if own_word else ("", ""),
            now=now,
            original=run,
            reuse=reuse.get(run.id),
        )
        new_runs.append(new)
        outcome.done[run.id] = new.id
    return new_runs


def _by_size(runs: list[Run], outcome: Outcome, archived: Inputs) -> Iterator[list[Run]]:
    """The runs in their order, in batches whose inputs and nodes may be in memory together."""
    first = Event.objects.filter(run__in=[run.id for run in runs], seq=1)
    sizes = dict(first.values_list("run_id", _TEXT_BYTES))
    batch: list[Run] = []
    total = nodes = 0
    for run in runs:
        if run.id not in sizes:
            if run.id not in archived.found:
                outcome.skipped[run.id] = archived.missing.get(run.id, ARCHIVED)
                continue
            sizes[run.id] = len(archived.found[run.id])
        if batch and (total + sizes[run.id] > BATCH_BYTES or nodes + run.nodes_total > BATCH_NODES):
            yield batch
            batch, total, nodes = [], 0, 0
        batch.append(run)
        total += sizes[run.id]
        nodes += run.nodes_total
    if batch:
        yield batch


def _to_retry(run_ids: list[uuid.UUID], outcome: Outcome) -> list[Run]:
    """Those of the runs that can be retried, locked; `outcome` is told why the others cannot."""
    # Locked in id order, so that of two who retry at once the second sees the first one's runs.
    locked = Run.objects.filter(pk__in=run_ids).order_by("id")
    originals = list(
        locked.select_for_update(of=("self",), no_key=True).select_related("version__workflow")
    )
    open_retries = Run.objects.filter(retry_of__in=run_ids).exclude(state__in=FINAL_STATES)
    underway = dict(open_retries.values_list("retry_of", "id"))
    chosen = []
    for run in originals:
        if why := _why_no_retry(run, underway.get(run.id)):
            outcome.skipped[run.id] = why
        else:
            chosen.append(run)
    return chosen


def why_no_retry(run: Run) -> str:
    """Why this run cannot be retried, or ""; lock it where the answer must stay true."""
    open_retries = Run.objects.filter(retry_of=run.pk).exclude(state__in=FINAL_STATES)
    return _why_no_retry(run, open_retries.values_list("id", flat=True).first())


def _why_no_retry(run: Run, underway: uuid.UUID | None) -> str:
    if run.is_elsewhere:
        return ELSEWHERE
    if not run.can_retry:
        return f"only failed runs are retried; this one is {run.state}"
    if underway:
        return f"it is being retried already, as {ids.encode('run', underway)}"
    return ""


def input_of(run: Run) -> Any:
    """What it was started with, from storage where its log is archived: not within a transaction
    then. Raises PayloadError where that is no longer taken, or cannot be read."""
    first = Event.objects.filter(run=run.pk, seq=1).values_list("data__input", flat=True)
    if found := list(first):
        [data] = found
    else:
        archived = cold_reading.inputs_of([run.pk])
        if run.pk in archived.found:
            data = archived.input_of(run.pk)
        elif found := list(first.all()):  # it was restored meanwhile
            [data] = found
        else:
            raise PayloadError(archived.missing.get(run.pk, "its first event is missing"))
    check_depth(data, "its input")
    return data


def terminate(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
) -> Outcome:
    """End queued and active runs at once; nodes in flight finish their present operation."""
    now = now or timezone.now()
    outcome = Outcome()
    run_ids = list(runs.order_by("id").values_list("id", flat=True)[:BATCH])

    def decide(found: recorder.Snapshot) -> list[NewEvent]:
        if found.run.is_final:
            outcome.skipped[found.run.id] = f"it is {found.run.state} already"
        elif found.run.elsewhere:
            outcome.skipped[found.run.id] = ELSEWHERE
            return []
        return steps.terminate(found, by.name, reason)

    with transaction.atomic():
        for run_id in recorder.transact(run_ids, decide, now=now):
            outcome.done[run_id] = run_id
        if audited:
            _audit(by, "terminate", outcome.done, reason)
        if opened := gates.of_runs(outcome.done):
            dispatch.wake(opened)
    return outcome


def delete(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
    together: int = DELETED_TOGETHER,
) -> Outcome:
    """Take final runs out of the database, for good; a tombstone stays, so that no late event
    brings one back. Each small set of them is a transaction, so what is done stays done."""
    now = now or timezone.now()
    outcome = Outcome()
    run_ids = list(runs.order_by("id").values_list("id", flat=True)[:BATCH])

    def may_go(run: Run) -> bool:
        if run.is_held:
            outcome.skipped[run.pk] = HELD
        elif not run.can_delete:
            outcome.skipped[run.pk] = f"only runs that have ended are deleted; it is {run.state}"
        return run.can_delete

    for begin in range(0, len(run_ids), together):
        chosen = run_ids[begin : begin + together]
        with transaction.atomic():
            gone = recorder.delete(chosen, may_go, by=by.name, reason=reason[:500], now=now)
            if audited:
                _audit(by, "delete", gone, reason)
        outcome.done.update((run_id, run_id) for run_id in gone)
    return outcome


def hold(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
) -> Outcome:
    """Legal hold: they, and all that belongs to them, are kept until it is taken from them."""
    return _hold(runs, by, reason, now or timezone.now(), on=True, audited=audited)


def release(
    runs: RunQuerySet,
    *,
    by: Actor,
    reason: str = "",
    now: datetime | None = None,
    audited: bool = True,
) -> Outcome:
    """Take the legal hold from them."""
    return _hold(runs, by, reason, now or timezone.now(), on=False, audited=audited)


def _hold(
    runs: RunQuerySet, by: Actor, reason: str, now: datetime, *, on: bool, audited: bool
) -> Outcome:
    outcome = Outcome()
    run_ids = list(runs.order_by("id").values_list("id", flat=True)[:BATCH])
    with transaction.atomic():
        locked = Run.objects.filter(pk__in=run_ids).order_by("id").select_for_update(no_key=True)
        states = list(locked.values_list("id", "held_at"))
        for run_id, held_at in states:
            if (held_at is not None) == on:
                outcome.skipped[run_id] = "it is held already" if on else "it is not held"
            else:
                outcome.done[run_id] = run_id
        Run.objects.filter(pk__in=outcome.done).update(
            held_at=now if on else None, held_by=by.name if on else ""
        )
        if audited:
            _audit(by, "hold" if on else "release", outcome.done, reason)
    return outcome


def _new_run(
    version: WorkflowVersion,
    data: Any,
    *,
    trigger: str,
    by: Actor,
    ref: tuple[str, str],
    now: datetime,
    original: Run | None = None,
    fired: dict[str, Any] | None = None,
    reuse: Reuse | None = None,
) -> recorder.NewRun:
    graph, error = _graph(version)
    error = error or (_why_not(graph, data) if graph else None)
    nodes = list(graph.nodes.values()) if graph else []
    created: dict[str, Any] = {
        "input": data,
        "workflow": version.workflow.slug,
        "version": version.number,
        "trigger": str(trigger),
    }
    if original is not None:
        created["retry_of"] = original.public_id
    if fired is not None:
        created["fired"] = fired
    if reuse is not None:
        created["reused"] = len(reuse.plan.kept)
    ref_type, ref_id = ref if ref[0] else (by.ref_type, by.ref_id)
    deadline = graph.start_deadline_seconds if graph else None
    return recorder.NewRun(
        id=ids.new_id(),
        workflow_id=version.workflow_id,
        version_id=version.pk,
        trigger=str(trigger),
        triggered_by=by.name,
        ref_type=ref_type,
        ref_id=ref_id,
        events=[
            NewEvent(Kind.RUN_CREATED, actor=by.name, data=created),
            *(reuse.events if reuse and error is None else _first_events(nodes, error)),
        ],
        nodes=[(node.id, node.kind, node.executor) for node in nodes],
        retry_of=original.id if original else None,
        first=(original.first_id or original.id) if original else None,
        start_deadline=now + timedelta(seconds=deadline) if deadline else None,
        queues=_queues(nodes),
        gate=_gate(version.workflow),
    )


def _queues(nodes: list[NodeSpec]) -> dict[str, str]:
    """The Celery queue of each node that does not go to the usual one."""
    named = {node.id: node.queue or registry.queue_of(node.executor) for node in nodes}
    return {key: queue for key, queue in named.items() if queue not in ("", USUAL_QUEUE)}


def _gate(workflow: Workflow) -> str:
    """At what a new run of this workflow waits, if at anything."""
    return gates.of_workflow(workflow.pk) if workflow.is_gated else ""


def _first_events(nodes: list[NodeSpec], error: dict[str, str] | None) -> list[NewEvent]:
    """What follows a run's creation: its first nodes queued, or its end if it cannot start."""
    if error is None:
        return [NewEvent(Kind.NODE_QUEUED, node=node.id) for node in nodes if not node.needs]
    return [
        *(
            NewEvent(Kind.NODE_SKIPPED, node=node.id, data={"reason": "the run did not start"})
            for node in nodes
        ),
        steps.state_changed(
            RunState.CREATED, RunState.FAILED, reason=error["message"], error=error
        ),
    ]


def _graph(version: WorkflowVersion) -> tuple[Graph | None, dict[str, str] | None]:
    """The version's graph, or why it has none: it was saved under other rules."""
    try:
        return graph_of(version.pk), None
    except DefinitionError as problem:
        return None, error_of(problem, version.number)


def _why_not(graph: Graph, data: Any) -> dict[str, str] | None:
    """Why a run with this input cannot start; None where it can."""
    if graph.elsewhere:
        message = "this workflow is executed elsewhere: start it there"
        return {"node": "", "kind": "ExecutedElsewhere", "message": message}
    if problem := graph.check_input(data):
        return {"node": "", "kind": "InputInvalid", "message": problem}
    for node in graph.nodes.values():
        if node.executor and registry.find(node.executor) is None:
            message = f"no executor “{node.executor}” is registered"
            return {"node": node.id, "kind": "ExecutorMissing", "message": message}
    return None


def _audit(by: Actor, action: str, run_ids: Iterable[uuid.UUID], reason: str = "") -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry.by(
            by,
            action=action,
            target_type="run",
            target_id=ids.encode("run", run_id),
            reason=reason[:500],
        )
        for run_id in run_ids
    )
