"""Runs by what is in them, as the filter asks: their nodes, their model calls, their retries.

Each condition is looked up for one run after the other, in the order of the list. Left to itself
PostgreSQL would turn some of them round and begin with all nodes or calls that there ever were.
"""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet

from runs.models import Archive, Attempt, LLMCall, Node, Run, StuckRun
from runs.querysets import RunQuerySet
from runs.states import AttemptStatus, LogState, RunState

# What an attempt that bought nothing ended as.
FOR_NOTHING = (AttemptStatus.FAILED, AttemptStatus.LOST, AttemptStatus.LATE)


class ForEach(Exists):
    """An EXISTS that stays one: with an OFFSET in it, it is not made a join."""

    template = "EXISTS(%(subquery)s OFFSET 0)"


def with_node(runs: RunQuerySet, key: str, status: str) -> RunQuerySet:
    """Those in which this node was executed, not reused; with `status`, those where it is in it."""
    nodes = Node.objects.filter(
        run=OuterRef("pk"), key=key, started_at__isnull=False, reused_from__isnull=True
    )
    return runs.filter(_any(nodes.filter(status=status) if status else nodes))


def with_model(runs: RunQuerySet, name: str) -> RunQuerySet:
    """Those that called this model."""
    return runs.filter(_any(LLMCall.objects.filter(run=OuterRef("pk"), model=name)))


def spent_for_nothing(runs: RunQuerySet) -> RunQuerySet:
    """Those in which attempts that failed, were lost or came too late cost something."""
    # Attempts first: most runs have none that failed, while most have calls.
    attempts = Attempt.objects.filter(run=OuterRef("pk"), status__in=FOR_NOTHING)
    calls = LLMCall.objects.filter(
        run=OuterRef("run"),
        node=OuterRef("node__key"),
        attempt=OuterRef("number"),
        cost__gt=0,
    )
    return runs.filter(_any(attempts.filter(_any(calls))))


def retried(runs: RunQuerySet, how: str) -> RunQuerySet:
    """Failed ones: `yes`: with a retry, `recovered`: one that completed, `no`: with none."""
    retries = Run.objects.filter(retry_of=OuterRef("pk"))
    if how == "recovered":
        retries = retries.filter(state=RunState.COMPLETED)
    found = _any(retries)
    return runs.failed().filter(~Q(found) if how == "no" else Q(found))


def stuck(runs: RunQuerySet, kind: str) -> RunQuerySet:
    """Those that do not get on, as they were found last; `kind`: of this class only."""
    found = StuckRun.objects.filter(kind=kind) if kind else StuckRun.objects.all()
    # As an array: these are few, and are looked up by their ids, whatever the planner thinks.
    ids = ArraySubquery(found.order_by().values("run_id"))
    is_one = Func(
        F("id"), ids, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField()
    )
    return runs.open().filter(is_one)


def with_damaged_archive(runs: RunQuerySet) -> RunQuerySet:
    """Those whose archive was not whole, or not there, when it was looked at last."""
    # PostgreSQL may begin with these, as long as they are few: they have an index of their own.
    found = Archive.objects.filter(run=OuterRef("pk")).exclude(problem="").order_by()
    return runs.exclude(logs=LogState.LIVE).filter(Exists(found))


def _any(rows: QuerySet) -> ForEach:
    return ForEach(rows.order_by())
