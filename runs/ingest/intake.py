"""Stores checked events: finds their runs, makes those that are new, in chunks of bounded size."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, transaction
from psycopg.errors import DeadlockDetected, UniqueViolation

from runs import ids, recorder
from runs.arrays import literal
from runs.driver import plain_cursor
from runs.ingest.report import Report
from runs.models import AuditEntry, Source, User, Workflow, WorkflowVersion
from runs.models.source import PORTAL, check_free
from runs.payload import dump
from runs.rows import NewEvent, Refused
from runs.states import Kind, Trigger

# What one transaction takes at most. Runs are locked while it lasts.
MAX_EVENTS = 2_000
MAX_RUNS = 500
# Nobody reports from more systems than this.
MAX_SOURCES = 1_000
# New workflows in one call: who mistakes an id for a workflow's name must not make thousands.
MAX_NEW_WORKFLOWS = 100
# Two calls may store the same events, or make the same run, at once: the second one looks again.
TRIES = 5
_FIND = """
SELECT given.source, given.external_id, jobs.id
FROM unnest(%s::bigint[], %s::text[]) AS given(source, external_id)
JOIN jobs ON jobs.source_id = given.source AND jobs.external_id = given.external_id
"""
_OWNERS = "SELECT id, source_id FROM jobs WHERE id = ANY(%s::uuid[])"

Name = uuid.UUID | tuple[str, str]


@dataclass(slots=True)
class Outcome:
    stored: int = 0
    duplicates: int = 0
    # (index, what is wrong).
    refused: list[tuple[int, Refused]] = field(default_factory=list)


class _Told(NamedTuple):
    """Reports on one run, which they name by its id, or by source and its id there."""

    name: Name
    reports: list[Report]


def take_in(reports: Iterable[Report], *, by: User, now: datetime) -> Outcome:
    """Each chunk is a transaction of its own. Where one fails, those before it stay: sent again,
    they are duplicates."""
    outcome, seen = Outcome(), set()
    for chunk in _chunks(reports):
        taken = _stored(chunk, by, now)
        outcome.stored += taken.stored
        outcome.duplicates += taken.duplicates
        outcome.refused += [(report.index, why) for report, why in taken.refused]
        if taken.stored:
            seen |= {report.source_id for told in chunk for report in told.reports}
    if seen:
        Source.objects.seen(seen, now)
    return outcome


def _chunks(reports: Iterable[Report]) -> Iterator[list[_Told]]:
    by_run: dict[Name, list[Report]] = {}
    for report in reports:
        name = report.run or (report.source, report.external_id)
        by_run.setdefault(name, []).append(report)
    chunk: list[_Told] = []
    room = MAX_EVENTS
    for name, told in by_run.items():
        taken = 0
        while taken < len(told):
            part = told[taken : taken + room]
            chunk.append(_Told(name, part))
            taken += len(part)
            room -= len(part)
            if not room or len(chunk) == MAX_RUNS:
                yield chunk
                chunk, room = [], MAX_EVENTS
    if chunk:
        yield chunk


def _stored(chunk: Sequence[_Told], by: User, now: datetime) -> recorder.TakenIn[Report]:
    for tried in range(1, TRIES + 1):
        refused: list[tuple[Report, Refused]] = []
        found = _found(chunk, refused, by, now)
        try:
            taken = recorder.take_in(found, now=now) if found else recorder.TakenIn[Report]()
        except (IntegrityError, OperationalError) as error:
            raced = isinstance(error.__cause__, UniqueViolation | DeadlockDetected)
            if not raced or tried == TRIES:
                raise
            continue
        taken.refused += refused
        return taken
    raise AssertionError("unreachable")


def _found(
    chunk: Sequence[_Told], refused: list[tuple[Report, Refused]], by: User, now: datetime
) -> list[recorder.Reports[Report]]:
    """The runs that the reports name; new ones where they may make one."""
    sources = _sources(chunk, refused, by)
    of_portal = _by_run_id([t for t in chunk if isinstance(t.name, uuid.UUID)], sources, refused)
    of_sources = [
        _Told((told.name[0], told.name[1]), told.reports)
        for told in chunk
        if isinstance(told.name, tuple) and told.name[0] in sources
    ]
    for told in of_sources:
        for report in told.reports:
            report.source_id = sources[report.source].pk
    return [*of_portal, *_by_external_id(of_sources, sources, refused, now)]


def _sources(
    chunk: Sequence[_Told], refused: list[tuple[Report, Refused]], by: User
) -> dict[str, Source]:
    """By name; those that nobody heard of are made, where they may be."""
    names = {report.source for told in chunk for report in told.reports if report.source}
    if any(not r.source for told in chunk for r in told.reports):
        names.add(PORTAL)
    found = {source.name: source for source in Source.objects.filter(name__in=names)}
    missing = sorted(names - found.keys())
    if not missing:
        return found
    why: dict[str, Refused] = {}
    room = MAX_SOURCES - Source.objects.count()
    new: list[Source] = []
    for name in missing:
        if refusal := _why_no_source(name, chunk):
            why[name] = Refused("source", refusal)
        elif len(new) >= room:
            why[name] = Refused("source", f"there are {MAX_SOURCES:,} sources already")
        else:
            new.append(Source(name=name, created_by=by))
    if new:
        with transaction.atomic():
            Source.objects.bulk_create(new, ignore_conflicts=True)
            for source in new:
                AuditEntry.objects.note(
                    by.as_actor(), "create", ("source", source.name), "its first event came"
                )
    found |= {source.name: source for source in Source.objects.filter(name__in=missing)}
    named = [told for told in chunk if isinstance(told.name, tuple)]
    refused += [(r, why[r.source]) for told in named for r in told.reports if r.source in why]
    return found


def _why_no_source(name: str, chunk: Sequence[_Told]) -> str:
    """Why it is not made; "" where it is: with its first run, not by what is to be refused."""
    try:
        check_free(name)
    except ValidationError as error:
        return error.messages[0]
    of_it = (
        (told.name, report) for told in chunk for report in told.reports if report.source == name
    )
    if name == PORTAL or any(isinstance(n, uuid.UUID) or r.workflow for n, r in of_it):
        return ""
    return "there is no such source, and no workflow that would make it one"


def _by_run_id(
    chunk: Sequence[_Told], sources: dict[str, Source], refused: list[tuple[Report, Refused]]
) -> list[recorder.Reports[Report]]:
    if not chunk:
        return []
    with plain_cursor() as cursor:
        cursor.execute(_OWNERS, [literal([told.name for told in chunk])])
        owners: dict[uuid.UUID, int | None] = dict(cursor.fetchall())
    found = []
    for name, reports in chunk:
        assert isinstance(name, uuid.UUID)
        # A run that was deleted, too: its tombstone says no more than that.
        if name not in owners:
            refused += [(report, Refused("run", "there is no such run")) for report in reports]
            continue
        fit = []
        for report in reports:
            named = sources.get(report.source or PORTAL)
            if report.source and named is None:
                refused.append((report, Refused("source", "there is no such source")))
                continue
            own = named.pk if named else 0
            report.source_id = own if report.source else owners[name] or own
            fit.append(report)
        if fit:
            found.append(recorder.Reports(name, fit))
    return found


def _by_external_id(
    chunk: Sequence[_Told],
    sources: dict[str, Source],
    refused: list[tuple[Report, Refused]],
    now: datetime,
) -> list[recorder.Reports[Report]]:
    if not chunk:
        return []
    pairs = [(sources[told.name[0]].pk, told.name[1]) for told in chunk]  # type: ignore[index]
    with plain_cursor() as cursor:
        cursor.execute(_FIND, list(map(literal, zip(*pairs, strict=True))))
        known = {(source, external_id): run for source, external_id, run in cursor.fetchall()}
    # Runs that were deleted must not come back with a late event: their tombstones are to be asked
    # here, by the same pairs, and what names one is refused.
    unknown = [told for told, pair in zip(chunk, pairs, strict=True) if pair not in known]
    versions = _versions(unknown)
    found = []
    for told, pair in zip(chunk, pairs, strict=True):
        if pair in known:
            found.append(recorder.Reports(known[pair], told.reports))
            continue
        try:
            found.append(_new(told.reports, pair, versions, now))
        except Refused as why:
            refused += [(report, why) for report in told.reports]
    return found


def _versions(unknown: Sequence[_Told]) -> dict[str, WorkflowVersion]:
    slugs = sorted({slug for told in unknown if (slug := _workflow(told.reports))})
    if not slugs:
        return {}
    there = set(Workflow.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    fresh = [slug for slug in slugs if slug not in there]
    return Workflow.objects.elsewhere([*there, *fresh[:MAX_NEW_WORKFLOWS]])


def _workflow(reports: Iterable[Report]) -> str:
    return next((report.workflow for report in reports if report.workflow), "")


def _new(
    reports: list[Report],
    pair: tuple[int, str],
    versions: dict[str, WorkflowVersion],
    now: datetime,
) -> recorder.Reports[Report]:
    """A run that begins with these reports."""
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
    source, external_id = pair
    name = first.source
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
        Kind.RUN_CREATED, actor=by, data=data, at=created_at, source=source, json=dump(data),
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
        source_id=source,
        external_id=external_id,
        created_at=created_at,
    )
    for report in reports:
        report.creation = creation
    return recorder.Reports(new.id, reports, new)
