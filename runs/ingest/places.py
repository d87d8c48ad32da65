"""Which runs reports are on: found by their ids here or elsewhere, or made on first sight."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction

from runs import ids, recorder
from runs.arrays import literal
from runs.driver import plain_cursor
from runs.ingest.report import Report
from runs.models import AuditEntry, DeletedRun, Source, User, Workflow, WorkflowVersion
from runs.models.source import PORTAL, SEEN_EVERY, check_free
from runs.payload import dump
from runs.rows import NewEvent, Refused
from runs.states import Kind, Trigger

# Nobody reports from more systems than this.
MAX_SOURCES = 1_000
# New workflows in one call: who mistakes an id for a workflow's name must not make thousands.
MAX_NEW_WORKFLOWS = 100
_FIND = """
SELECT place, sources.id, last_event_at, jobs.id
FROM unnest(%s::int[], %s::text[], %s::text[]) AS given(place, source, external_id)
JOIN sources ON sources.name = given.source
-- One by one through the index: a planner that takes the runs for few would read them all.
LEFT JOIN LATERAL (
    SELECT id FROM jobs
    WHERE jobs.source_id = sources.id AND jobs.external_id = given.external_id LIMIT 1
) AS jobs ON true
"""
_OWNERS = "SELECT id, source_id FROM jobs WHERE id = ANY(%s::uuid[])"

Name = uuid.UUID | tuple[str, str]


class Told(NamedTuple):
    """Reports on one run, which they name by its id, or by source and its id there."""

    name: Name
    reports: list[Report]


class ById(NamedTuple):
    run_id: uuid.UUID
    reports: list[Report]


class Elsewhere(NamedTuple):
    source: str
    external_id: str
    reports: list[Report]


class Place(NamedTuple):
    source_id: int
    run_id: uuid.UUID | None


Chunk = Sequence[Told]
Found = list[recorder.Reports[Report]]


class Search:
    """`refused` is what names no run, by its place in the call; `unnoted` are sources that were
    not heard of lately."""

    def __init__(self, by: User, now: datetime) -> None:
        self.by = by
        self.now = now
        self.refused: dict[int, tuple[Report, Refused]] = {}
        self.unnoted: set[int] = set()

    def runs(self, chunk: Chunk) -> Found:
        found: dict[uuid.UUID, recorder.Reports[Report]] = {}
        by_id = [ById(name, told) for name, told in chunk if isinstance(name, uuid.UUID)]
        elsewhere = [Elsewhere(*name, told) for name, told in chunk if isinstance(name, tuple)]
        for each in [*self._by_external_id(elsewhere), *self._by_id(by_id)]:
            before = found.get(each.run_id)
            if before is None:
                found[each.run_id] = each
            else:  # named in both ways
                reports = sorted([*before.reports, *each.reports], key=lambda r: r.index)
                found[each.run_id] = recorder.Reports(each.run_id, reports)
        return list(found.values())

    def _refuse(self, reports: Iterable[Report], why: Refused) -> None:
        self.refused |= {report.index: (report, why) for report in reports}

    # -- By their ids elsewhere --------------------------------------------------------------

    def _by_external_id(self, told: list[Elsewhere]) -> Found:
        if not told:
            return []
        places = self._places(told)
        if len(places) < len(told):
            missing = {each.source for n, each in enumerate(told) if n not in places}
            why = self._make_sources(missing, told)
            for each in told:
                if each.source in why:
                    self._refuse(each.reports, why[each.source])
            told = [each for each in told if each.source not in why]
            places = self._places(told)
        unknown = [n for n in range(len(told)) if places[n].run_id is None]
        versions = _versions([told[n] for n in unknown], self.by) if unknown else {}
        # Runs that were deleted must not come back with a late event.
        deleted = _deleted_elsewhere([(places[n].source_id, told[n].external_id) for n in unknown])
        found: Found = []
        for number, each in enumerate(told):
            source_id, run_id = places[number]
            for report in each.reports:
                report.source_id = source_id
            if run_id is not None:
                found.append(recorder.Reports(run_id, each.reports))
                continue
            if (source_id, each.external_id) in deleted:
                self._refuse(each.reports, Refused("external_id", "the run was deleted"))
                continue
            try:
                found.append(_new(each, source_id, versions, self.now))
            except Refused as refused:
                self._refuse(each.reports, refused)
        return found

    def _places(self, told: list[Elsewhere]) -> dict[int, Place]:
        """By number; those are left out whose source there is not."""
        if not told:
            return {}
        columns = [(n, each.source, each.external_id) for n, each in enumerate(told)]
        with plain_cursor() as cursor:
            cursor.execute(_FIND, list(map(literal, zip(*columns, strict=True))), binary=True)
            rows = cursor.fetchall()
        for _, source_id, last_event_at, _ in rows:
            self._note(source_id, last_event_at)
        return {place: Place(source_id, run_id) for place, source_id, _, run_id in rows}

    def _note(self, source_id: int, last_event_at: datetime | None) -> None:
        if last_event_at is None or last_event_at < self.now - SEEN_EVERY:
            self.unnoted.add(source_id)

    # -- By their ids here -------------------------------------------------------------------

    def _by_id(self, told: list[ById]) -> Found:
        if not told:
            return []
        with plain_cursor() as cursor:
            cursor.execute(_OWNERS, [literal([each.run_id for each in told])], binary=True)
            owners: dict[uuid.UUID, int | None] = dict(cursor.fetchall())
        sources = self._named_sources(told, owners)
        missing = [each.run_id for each in told if each.run_id not in owners]
        deleted = set(DeletedRun.objects.filter(pk__in=missing).values_list("pk", flat=True))
        found: Found = []
        for run_id, reports in told:
            if run_id not in owners:
                gone = "the run was deleted" if run_id in deleted else "there is no such run"
                self._refuse(reports, Refused("run", gone))
                continue
            fit = []
            for report in reports:
                owner = owners[run_id]
                named = report.source or (PORTAL if owner is None else "")
                if named and named not in sources:
                    self._refuse([report], Refused("source", "there is no such source"))
                    continue
                report.source_id = sources[named] if named else owner or 0
                fit.append(report)
            if fit:
                found.append(recorder.Reports(run_id, fit))
        return found

    def _named_sources(
        self, told: list[ById], owners: dict[uuid.UUID, int | None]
    ) -> dict[str, int]:
        names = {r.source for each in told for r in each.reports if r.source}
        # What reports on the portal's own runs need not name itself.
        if any(owners.get(each.run_id, 0) is None for each in told):
            names.add(PORTAL)
        if not names:
            return {}
        found = {source.name: source for source in Source.objects.filter(name__in=names)}
        own = {
            name
            for each in told
            if owners.get(each.run_id, 0) is None
            for name in (PORTAL, *(r.source for r in each.reports if r.source))
        }
        if missing := own - found.keys():
            self._make_sources(missing, None)
            found |= {source.name: source for source in Source.objects.filter(name__in=missing)}
        for source in found.values():
            self._note(source.pk, source.last_event_at)
        return {name: source.pk for name, source in found.items()}

    # -- Sources -----------------------------------------------------------------------------

    def _make_sources(
        self, names: Collection[str], told: list[Elsewhere] | None
    ) -> dict[str, Refused]:
        """Make those that may be; gives why others are not."""
        why: dict[str, Refused] = {}
        room = MAX_SOURCES - Source.objects.count()
        new: list[Source] = []
        for name in sorted(names):
            if refusal := _why_no_source(name, told):
                why[name] = Refused("source", refusal)
            elif len(new) >= room:
                why[name] = Refused("source", f"there are {MAX_SOURCES:,} sources already")
            else:
                new.append(Source(name=name, created_by=self.by))
        if new:
            with transaction.atomic():
                Source.objects.bulk_create(new, ignore_conflicts=True)
                for source in new:
                    target = ("source", source.name)
                    AuditEntry.objects.note(
                        self.by.as_actor(), "create", target, "its first event came"
                    )
        return why


def _why_no_source(name: str, told: list[Elsewhere] | None) -> str:
    """Why it is not made; "" where it is."""
    try:
        check_free(name)
    except ValidationError as error:
        return error.messages[0]
    # It comes with its first run, not with what is going to be refused.
    makes_a_run = told is None or any(
        each.source == name and _workflow(each.reports) for each in told
    )
    return "" if makes_a_run else "there is no such source, and no workflow that would make it one"


# -- New runs --------------------------------------------------------------------------------


def _versions(unknown: Iterable[Elsewhere], by: User) -> dict[str, WorkflowVersion]:
    slugs = sorted({slug for told in unknown if (slug := _workflow(told.reports))})
    if not slugs:
        return {}
    found = Workflow.objects.executed_elsewhere(slugs)
    if len(found) == len(slugs):  # as always but for the first
        return found
    there = set(Workflow.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    fresh = [slug for slug in slugs if slug not in there][:MAX_NEW_WORKFLOWS]
    with transaction.atomic():
        found = Workflow.objects.elsewhere([*there, *fresh])
        for slug in fresh:
            target = ("workflow", f"{slug} v1")
            AuditEntry.objects.note(by.as_actor(), "publish", target, "its first event came")
    return found


def _workflow(reports: Iterable[Report]) -> str:
    return next((report.workflow for report in reports if report.workflow), "")


def _new(
    each: Elsewhere, source_id: int, versions: dict[str, WorkflowVersion], now: datetime
) -> recorder.Reports[Report]:
    """A run that begins with these reports."""
    name, external_id, reports = each
    slug = _workflow(reports)
    if not slug:
        raise Refused("workflow", "needed with the first event of a run")
    version = versions.get(slug)
    if version is None:
        many = f"it is executed by this portal, or one of over {MAX_NEW_WORKFLOWS} new ones at once"
        raise Refused("workflow", f"nothing can be reported on “{slug}”: {many}")
    # Its creation comes first, also where the others overtook it within the call.
    reports = sorted(reports, key=lambda report: report.kind is not Kind.RUN_CREATED)
    first = reports[0]
    told = first if first.kind is Kind.RUN_CREATED else None
    created_at = min([now, *(r.at for r in ([told] if told else reports) if r.at)])
    by = next((r.triggered_by for r in reports if r.triggered_by), "") or name
    trigger = next((r.trigger for r in reports if r.trigger), "") or str(Trigger.API)
    data = {
        "input": None,
        **(told.data if told else {}),
        "workflow": slug,
        "version": version.number,
        "trigger": trigger,
        "source": name,
        "external_id": external_id,
    }
    data.pop("retry_of", None)
    creation = NewEvent(
        Kind.RUN_CREATED, actor=by, data=data, at=created_at, source=source_id, json=dump(data),
    )  # fmt: skip
    own_ref = next(((r.ref_type, r.ref_id) for r in reports if r.ref_type), (name, external_id))
    new = recorder.NewRun(
        id=ids.id_at(created_at),
        workflow_id=version.workflow_id,
        version_id=version.pk,
        trigger=trigger,
        triggered_by=by,
        ref_type=own_ref[0],
        ref_id=own_ref[1],
        events=(),
        nodes=(),
        source_id=source_id,
        external_id=external_id,
        created_at=created_at,
    )
    for report in reports:
        report.creation = creation
    return recorder.Reports(new.id, reports, new)


def _deleted_elsewhere(wanted: Sequence[tuple[int, str]]) -> set[tuple[int | None, str | None]]:
    """Those of (source, external id) whose run was deleted, and others of the same words."""
    if not wanted:
        return set()
    sources, names = map(set, zip(*wanted, strict=True))
    found = DeletedRun.objects.filter(source_id__in=sources, external_id__in=names)
    return set(found.values_list("source_id", "external_id"))
