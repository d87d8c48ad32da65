"""Which runs a question is about, and where its answer comes from.

A filter that names nothing but a workflow and a time is answered from the rollups, whatever its
size; any other from the runs themselves, within some days. Both are relations with the same
columns, so that questions are written once.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection

from analytics import measure
from runs.filters import RunFilter
from runs.models import Run, Workflow, WorkflowVersion
from runs.querysets import RunQuerySet
from runs.timeouts import statement_timeout

# What the rollups know of runs; what else a filter names is asked of the runs.
_ROLLED = frozenset({"workflow", "version", "created", "created_from", "created_to"})
# For how long a time the runs themselves are asked, and for how long where nothing is said.
DIRECT = timedelta(days=7)
USUAL = "7d"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Seconds that one question may take.
SECONDS = 10
# Of runs that were retried: where a figure is about some of the others, these are meant.
_ONE_WITHIN_THE_OTHER = {"yes", "recovered"}
# Bars of a trend, about.
BARS = 60
_TEMPLATES = {
    "analytics_runs": measure.RUNS,
    "analytics_nodes": measure.NODES,
    "analytics_calls": measure.CALLS,
    "analytics_failures": measure.FAILURES,
}


# Half a million rows fall into some thousand: they are hashed, in memory, not sorted.
_AT_ONCE = "SET LOCAL work_mem = '64MB'; SET LOCAL enable_sort = off"
# Typed as the rollup's own rows are.
_AS_ROWS = "SELECT * FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)"


class TooWide(Exception):  # noqa: N818
    """The filter would have to look at too many runs; the message says how to narrow it."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows in SQL, to stand behind FROM in parentheses, and the parameters in it."""

    sql: str
    params: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """`since` and `until` are whole hours where the rollups answer."""

    filter: RunFilter
    since: datetime
    until: datetime
    workflow: Workflow | None = None
    version: WorkflowVersion | None = None
    rolled: bool = True
    # On jobs, where the runs are asked.
    condition: str = ""
    params: Sequence[Any] = field(default=())
    # What was counted of the runs themselves, by the rollup that it looks like.
    _counted: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    _ids: list[tuple[Any, Any]] = field(default_factory=list, compare=False, repr=False)

    def of(self, table: str, bar: timedelta = DAY) -> Relation:
        """The rows of a rollup that are meant; `bar`: the shortest time that is told apart."""
        if not self.rolled:
            return Relation(_AS_ROWS.format(table=table), [self._count(table)])
        parts, params = [], list[Any]()
        for span, since, until in self.parts(bar):
            where = "span = %s AND at >= %s AND at < %s"
            params += [span, since, until]
            if self.workflow is not None:
                where += " AND workflow_id = %s"
                params.append(self.workflow.pk)
            if self.version is not None:
                where += " AND version_id = %s"
                params.append(self.version.pk)
            parts.append(f"SELECT * FROM {table} WHERE {where}")
        return Relation(" UNION ALL ".join(parts), params)

    def _count(self, table: str) -> str:
        """The runs' own rows of a rollup, as JSON: a page asks several things of the same ones."""
        if table not in self._counted:
            template = _TEMPLATES[table]
            within = self._within() if measure.is_of_parts(template) else None
            told = measure.statement(template, self.condition, within)
            # Nothing tells shorter times apart than a bar of the trend.
            seconds = int(self.bar.total_seconds())
            told = told.replace(measure.HOUR_OF, measure.BAR_OF.format(seconds))
            with statement_timeout(SECONDS), connection.cursor() as cursor:
                cursor.execute(_AT_ONCE)
                cursor.execute(f"SELECT jsonb_agg(told)::text FROM ({told}) AS told", self.params)
                self._counted[table] = cursor.fetchone()[0] or "[]"
        return self._counted[table]

    def _within(self) -> tuple[uuid.UUID, uuid.UUID] | None:
        """The first and the last id of the runs; None where there are none."""
        if not self._ids:
            with statement_timeout(SECONDS), connection.cursor() as cursor:
                # As texts: older servers know no first of ids.
                cursor.execute(
                    "SELECT min(id::text)::uuid, max(id::text)::uuid FROM jobs"
                    f" WHERE {self.condition}",
                    self.params,
                )
                self._ids.append(cursor.fetchone())
        first, last = self._ids[0]
        return (first, last) if first is not None else None

    def parts(self, bar: timedelta) -> list[tuple[int, datetime, datetime]]:
        """Whole days by the day, what is left by the hour; no day twice."""
        first, last = _day_from(self.since), _day_before(self.until)
        if first >= last or bar < DAY:
            return [(0, self.since, self.until)]
        parts = [(0, self.since, first), (1, first, last), (0, last, self.until)]
        return [part for part in parts if part[1] < part[2]]

    def on_jobs(self, since: datetime, until: datetime) -> tuple[str, Sequence[Any]]:
        """A condition on jobs that finds the runs of a part of its time."""
        own = self.filter.with_(created="", created_from=since, created_to=until)
        return _condition(own, until)

    @property
    def bar(self) -> timedelta:
        """How much time a bar of the trend stands for: hours or days."""
        hours = (self.until - self.since) / HOUR / BARS
        return next((HOUR * step for step in (1, 2, 3, 6, 12) if step >= hours), DAY)

    def before(self) -> Scope:
        """As long a time before this one."""
        length = self.until - self.since
        return self.moved(self.since - length, self.since)

    def moved(self, since: datetime, until: datetime, **changes: Any) -> Scope:
        """The same filter for another time."""
        other = self.filter.with_(created="", created_from=since, created_to=until, **changes)
        condition, params = ("", ()) if self.rolled else _condition(other, until)
        return replace(
            self, filter=other, since=since, until=until, condition=condition, params=params,
            _counted={}, _ids=[],
        )  # fmt: skip

    def of_version(self, version: WorkflowVersion) -> Scope:
        return replace(self.moved(self.since, self.until, version=version.number), version=version)

    @property
    def runs(self) -> RunQuerySet:
        """The runs themselves; those of the whole hours that the rollups count."""
        return self.narrowed().apply(Run.objects.order_by(), self.until)

    def narrowed(self, **more: Any) -> RunFilter:
        """The filter with its time as it is counted; `more` narrows it."""
        return self.filter.with_(created="", created_from=self.since, created_to=self.until, **more)

    def link(self, **more: Any) -> str:
        """The list of the runs behind a figure, as a query string; `more` narrows the filter,
        `at` says of which bar of the trend it is, and `sort` is the list's.

        Empty where no filter says it: one field cannot name two nodes, or two states."""
        told, sort, at = {}, more.pop("sort", ""), more.pop("at", None)
        for name, value in more.items():
            had = getattr(self.filter, name) or value
            if had != value and {had, value} != _ONE_WITHIN_THE_OTHER:
                return ""
            told[name] = "recovered" if "recovered" in (had, value) else value
        found = self.narrowed(**told)
        if at is not None:
            since, until = max(at, self.since), min(at + self.bar, self.until)
            found = found.with_(created_from=since, created_to=until)
        return found.query(sort=sort)


def scope_of(wanted: RunFilter, now: datetime, version: WorkflowVersion | None = None) -> Scope:
    """Raises TooWide."""
    if version is not None:
        wanted = wanted.with_(workflow=version.workflow.slug, version=version.number)
    if not wanted.is_dated:
        wanted = wanted.with_(created=USUAL)
    since = wanted.since(now)
    assert since is not None
    until = min(wanted.created_to or now, now)
    # A time that is yet to come holds nothing.
    since = min(since, until)
    workflow = Workflow.objects.filter(slug=wanted.workflow).first() if wanted.workflow else None
    if wanted.version and workflow is not None and version is None:
        version = WorkflowVersion.objects.filter(workflow=workflow, number=wanted.version).first()
    is_known = (workflow is not None or not wanted.workflow) and (
        version is not None or not wanted.version
    )
    if is_rolled(wanted) and is_known:
        ends = _hour(until + HOUR - timedelta(microseconds=1))
        return Scope(wanted, _hour(since), ends, workflow=workflow, version=version)
    # Links say whole seconds, and are to find the same runs.
    since, until = since.replace(microsecond=0), _second_from(until)
    if until - since > DIRECT + HOUR:
        raise TooWide(
            "With this filter the runs themselves are looked at, which is done for seven days at"
            " most: choose a shorter time, or leave the filter at a workflow and a time."
        )
    bounded = wanted.with_(created="", created_from=since, created_to=until)
    condition, params = _condition(bounded, now)
    return Scope(wanted, since, until, workflow, version, False, condition, params)


def is_rolled(wanted: RunFilter) -> bool:
    """Whether it names nothing that the rollups don't know."""
    return {name for name, _ in wanted.pairs()} <= _ROLLED


def _condition(wanted: RunFilter, now: datetime) -> tuple[str, Sequence[Any]]:
    """The filter as a condition on jobs."""
    query = wanted.apply(Run.objects.order_by(), now).query
    compiler = query.get_compiler(connection=connection)
    try:
        sql, params = compiler.compile(query.where)
    except EmptyResultSet:
        return "false", []
    except FullResultSet:
        return "true", []
    return sql or "true", list(params)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _second_from(at: datetime) -> datetime:
    """The first whole second that is not before."""
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)


def _day_from(at: datetime) -> datetime:
    """The first midnight, UTC, that is not before."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if day == at else day + DAY


def _day_before(at: datetime) -> datetime:
    """The last midnight, UTC, that is not after."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
