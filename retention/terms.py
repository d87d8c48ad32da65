"""The policy as terms: which runs are due, workflow by workflow and state by state."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from retention.models import Policy, WorkflowPolicy
from runs.models import Archive, Run, Workflow
from runs.models.archive import ArchiveQuerySet
from runs.querysets import RunQuerySet
from runs.states import FINAL_STATES, LogState, RunState

# What can be archived, and is found by its age. Restored logs are found by their own expiry.
TO_ARCHIVE = (LogState.LIVE, LogState.PARTLY)


@dataclass(frozen=True, slots=True)
class Days:
    """Days after a run's end, by its state; `delete` None: never."""

    completed: int
    failed: int
    terminated: int
    delete: int | None = None

    def archive_after(self, state: str) -> timedelta:
        days = {
            RunState.COMPLETED: self.completed,
            RunState.FAILED: self.failed,
            RunState.TERMINATED: self.terminated,
        }
        return timedelta(days=days[RunState(state)])


@dataclass(frozen=True, slots=True)
class Rules:
    """The whole policy: the portal's own, and what is otherwise, by workflow."""

    usual: Days
    workflows: dict[int, Days]

    def of(self, workflow_id: int) -> Days:
        return self.workflows.get(workflow_id, self.usual)


@dataclass(frozen=True, slots=True)
class Term:
    """One workflow's runs in one final state: those that ended before this are due."""

    workflow_id: int
    state: str
    before: datetime


def current() -> Policy:
    """The portal's own policy, as it is now."""
    return Policy.objects.filter(pk=1).first() or Policy(pk=1)


def rules() -> Rules:
    """As they are now."""
    policy = current()
    usual = Days(
        policy.completed_days, policy.failed_days, policy.terminated_days, policy.delete_days
    )
    return Rules(usual, {each.pk: _own(each, usual) for each in WorkflowPolicy.objects.all()})


def locked_rules() -> Rules:
    """The same, as one policy, which nobody changes before this transaction ends: whoever changes
    anything of it locks this row first."""
    Policy.objects.select_for_update(no_key=True).filter(pk=1).first()
    return rules()


def _own(given: WorkflowPolicy, usual: Days) -> Days:
    own = {
        name: days
        for name in ("completed", "failed", "terminated", "delete")
        if (days := getattr(given, f"{name}_days")) is not None
    }
    days = replace(usual, **own)
    return replace(days, delete=None) if given.never_deleted else days


def terms(given: Rules, now: datetime) -> list[Term]:
    """By workflow and state, in a fixed order: an execution goes through them one by one."""
    workflow_ids = Workflow.objects.order_by("id").values_list("id", flat=True)
    return [
        Term(workflow_id, state, now - given.of(workflow_id).archive_after(state))
        for workflow_id in workflow_ids
        for state in FINAL_STATES
    ]


def due(term: Term) -> RunQuerySet:
    """Whose logs are to be archived, oldest first; what is held is not. By one index."""
    return Run.objects.filter(
        workflow=term.workflow_id,
        state=term.state,
        completed_at__lt=term.before,
        completed_at__isnull=False,
        held_at__isnull=True,
        logs__in=TO_ARCHIVE,
    ).order_by("completed_at", "id")


def after(runs: RunQuerySet, completed_at: datetime, run_id: uuid.UUID) -> RunQuerySet:
    """Those of `due` behind this one: what was skipped or failed is not met again."""
    return runs.filter(
        Q(completed_at__gte=completed_at) & (Q(completed_at__gt=completed_at) | Q(id__gt=run_id))
    )


def past_second_term(given: Rules, now: datetime) -> ArchiveQuerySet:
    """Of archived runs that are past their second term and not held, oldest first."""
    usual = given.usual.delete
    found = Archive.objects.filter(run__logs=LogState.ARCHIVED, run__held_at__isnull=True)
    own = {pk: days.delete for pk, days in given.workflows.items() if days.delete != usual}
    past = Q(pk__in=[])
    if usual is not None:
        past |= Q(completed_at__lt=now - timedelta(days=usual)) & ~Q(run__workflow__in=list(own))
    for workflow_id, days in own.items():
        if days is not None:
            past |= Q(run__workflow=workflow_id, completed_at__lt=now - timedelta(days=days))
    # However long ago: none of them ended after the latest of these.
    longest = [days for days in (usual, *own.values()) if days is not None]
    if not longest:
        return Archive.objects.none()
    found = found.filter(past, completed_at__lt=now - timedelta(days=min(longest)))
    return found.order_by("completed_at", "run_id")


def gone_for_good(given: Rules, now: datetime, most: int) -> Sequence[uuid.UUID]:
    """The first of these."""
    return list(past_second_term(given, now).values_list("run_id", flat=True)[:most])
