"""The policy as terms: which runs are due, workflow by workflow and state by state."""

from __future__ import annotations

import uuid
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
    locked()
    return rules()


def locked() -> Policy:
    """The portal's own, under that lock."""
    return Policy.objects.select_for_update(no_key=True).filter(pk=1).first() or Policy(pk=1)


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


def old(given: Rules, now: datetime) -> ArchiveQuerySet:
    """Archives that are older than the shortest second term, oldest first, by one index. Whose own
    term is over is told by `is_gone`: where most are kept for longer, those that are due are few
    among many."""
    days = [each.delete for each in (given.usual, *given.workflows.values())]
    known = [each for each in days if each is not None]
    if not known:
        return Archive.objects.none()
    found = Archive.objects.filter(completed_at__lt=now - timedelta(days=min(known)))
    return found.order_by("completed_at", "run_id")


def is_gone(given: Rules, workflow_id: int, completed_at: datetime, now: datetime) -> bool:
    """Whether a run of that workflow is past its second term."""
    days = given.of(workflow_id).delete
    return days is not None and completed_at < now - timedelta(days=days)
