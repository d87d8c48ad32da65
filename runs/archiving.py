"""Archiving: a run's events leave the database for one object in storage.

Step by step, so that whoever is killed between two of them has lost nothing, and whoever comes
next goes on from there:

1. Claim. A lock tells that the run may be archived; a name that no object ever had is doomed for
   later, so that an object which nothing comes to name is swept. A log that was restored has its
   object still, and goes back to that.
2. Pack, put, read back. No transaction is open.
3. Name. Under the lock, the object is spared and stands for the run's events from now on, if the
   run still has the object that it had at the claim: of two who archive the same run, the first
   one's counts. Those who read the log see that it is being archived. An object that it replaces
   is doomed.
4. Purge. The events are deleted in small transactions; with the last of them the run is archived.

A run that is found between 3 and 4 has its object read again before anything is deleted.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from runs import archive_store, coldstore, doomed, ids, objects, pacing, recorder_archive
from runs.archive_store import Claim, FormerSpoilt, Spoilt
from runs.coldstore import Damaged
from runs.models import Archive, Event, Run
from runs.objects import Missing
from runs.objects.together import together
from runs.recorder_archive import TOGETHER, Candidate, Stored
from runs.states import AT_HAND, LogState

logger = logging.getLogger(__name__)

# Runs that are archived together, and events of these: what is in memory at a time.
BATCH = 100
BATCH_EVENTS = 5_000
BATCH_BYTES = 4_000_000
# Requests to storage at a time.
THREADS = 8
# The same while others use the database.
FEW_THREADS = 2
# After what time an object that nothing names is surely nobody's: longer than a batch takes.
ABANDONED = timedelta(hours=6)
# For how long who reads an object may go on after another one has taken its place.
REPLACED = timedelta(hours=1)

HELD = "it is under legal hold"
OPEN = "it has not ended"
CHANGED = "it was changed meanwhile"

T = TypeVar("T")


@dataclass(slots=True)
class Result:
    """What became of each run. `bytes` are those of the objects, `unpacked` of their events."""

    archived: set[uuid.UUID] = field(default_factory=set)
    verified: int = 0
    deleted_events: int = 0
    unpacked: int = 0
    bytes: int = 0
    # Why not: because it is not to be, or because it did not succeed.
    skipped: dict[uuid.UUID, str] = field(default_factory=dict)
    failed: dict[uuid.UUID, str] = field(default_factory=dict)


def archive(
    run_ids: Sequence[uuid.UUID],
    *,
    now: datetime | None = None,
    threads: int = THREADS,
    go_on: Callable[[], bool] = lambda: True,
    expired: datetime | None = None,
) -> Result:
    """Archive those of the runs that may be, at most BATCH of them. Not within a transaction.

    `go_on` is asked before what takes long. Restored logs stay if their time was not over when it
    was `expired`, where that is given: they may have been restored since they were chosen. Raises
    what storage raises when it is away: then nothing was deleted that storage has not shown to
    have.
    """
    assert len(run_ids) <= BATCH
    now = now or timezone.now()
    result = Result()
    found = recorder_archive.candidates(sorted(run_ids))
    for run_id in set(run_ids) - {each.id for each in found}:
        result.skipped[run_id] = "it is not there any more"
    resumed = [each for each in found if each.logs == LogState.ARCHIVING]
    fresh = [each for each in found if _may(each, result)]
    for group in [*_groups(fresh), *_groups(resumed)]:
        if not go_on():
            return result
        begun, busy = time.monotonic(), pacing.others()
        few = FEW_THREADS if busy else threads
        if group[0].logs == LogState.ARCHIVING:
            _resume(group, result, now, few)
        else:
            _archive(group, result, now, few, expired)
        time.sleep(pacing.rest_for(time.monotonic() - begun, busy))
    return result


def _may(run: Candidate, result: Result) -> bool:
    """Looked at without a lock, so as not to begin in vain."""
    if run.logs == LogState.ARCHIVING:
        return False
    if run.held:
        result.skipped[run.id] = HELD
    elif not run.final:
        result.skipped[run.id] = OPEN
    elif run.logs in (LogState.ARCHIVED, LogState.RESTORING):
        result.skipped[run.id] = f"its log is {run.logs} already"
    elif problem := _gap(run):
        result.failed[run.id] = problem
    else:
        return True
    return False


def _gap(run: Candidate) -> str:
    """What is missing of the events that should be in the database, in words; or ""."""
    first = 1 if run.logs in AT_HAND else run.archived_seq + 1
    # Those that came since, or are coming, change nothing: they are behind the last of these.
    if run.events >= run.last_seq - first + 1 and run.first == first:
        return ""
    expected = run.last_seq - first + 1
    return f"its log has gaps: of events {first} to {run.last_seq} there are {run.events}" + (
        "" if run.events or not expected else ", none at all"
    )


def _groups(runs: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """As many together as may be in memory; a run with a long log is alone."""
    group: list[Candidate] = []
    events = stored = 0
    for run in runs:
        full = events + run.events > BATCH_EVENTS or stored + run.stored > BATCH_BYTES
        if group and full:
            yield group
            group, events, stored = [], 0, 0
        group.append(run)
        events += run.events
        stored += run.stored
    if group:
        yield group


def _archive(
    group: list[Candidate],
    result: Result,
    now: datetime,
    threads: int,
    expired: datetime | None,
) -> None:
    claims = _claim(group, result, now, expired)
    if not claims:
        return
    # The database is read by this thread alone: the others have no connections of their own.
    alone = len(claims) == 1
    parts = {claim.run.id: archive_store.in_database(claim.run) for claim in claims}
    lines = {} if alone else recorder_archive.lines(parts)
    tasks = [
        (claim, partial(archive_store.store, claim, lines.pop(claim.run.id, None)))
        for claim in claims
    ]
    stored: list[tuple[Claim, Stored]] = []
    away: Exception | None = None
    for claim, outcome in _all(tasks, threads):
        if isinstance(outcome, Stored):
            stored.append((claim, outcome))
        elif isinstance(outcome, Damaged):
            _not_stored(claim, outcome, result, now)
        else:
            away = outcome
    result.verified += len(stored)
    if stored:
        _purge(_name(stored, result, now, expired), result)
    if away is not None:
        raise away


def _claim(
    group: Sequence[Candidate], result: Result, now: datetime, expired: datetime | None
) -> list[Claim]:
    """Those that may be archived under their lock; their objects' names are doomed for later."""
    run_ids = [run.id for run in group]
    with transaction.atomic():
        recorder_archive.lock(run_ids)
        may = recorder_archive.archivable(run_ids, expired)
        named = recorder_archive.names(run_ids)
        # Its log has not gone and come back since it was looked at.
        same = [run for run in group if run.id in may and named.get(run.id, "") == run.name]
        claims = [archive_store.claim_of(run) for run in same]
        fresh = [claim.name for claim in claims if claim.is_anew]
        doomed.doom(fresh, "archiving was not finished", now=now, after=ABANDONED)
    for run in group:
        if run not in same:
            result.skipped[run.id] = CHANGED
    return claims


def _not_stored(claim: Claim, error: Damaged, result: Result, now: datetime) -> None:
    """Say why, and have a spoilt object swept, so that the next night makes a new one; unless it
    stands for events that are not in the database."""
    run = claim.run
    with transaction.atomic():
        recorder_archive.lock([run.id])
        if _is_other(run):
            result.skipped[run.id] = CHANGED
            return
        if isinstance(error, FormerSpoilt):
            why = f"the object with its earlier events is not whole: {error}"
            Archive.objects.filter(pk=run.id, name=run.name).update(problem=str(error)[:300])
        elif isinstance(error, Spoilt):
            why = f"what was put into storage did not come back: {error}"
            if not claim.is_anew:
                why = f"its object is not whole, so its log stays in the database: {error}"
            if claim.is_anew or _stays(run.id):
                doomed.doom([claim.name], "it was spoilt", now=now)
        else:
            why = f"its log in the database is not whole: {error}"
    result.failed[run.id] = why
    logger.error("archive: %s: %s", ids.encode("run", run.id), why)


def _is_other(run: Candidate) -> bool:
    """Whether the locked run's log went elsewhere since it was looked at: then what was read of it
    may be no whole."""
    now = next(iter(recorder_archive.candidates([run.id])), None)
    return now is None or (now.logs, now.name, now.first) != (run.logs, run.name, run.first)


def _stays(run_id: uuid.UUID) -> str:
    """Let the log of the locked run stay, if all of its events are in the database; gives what its
    object was called, or ""."""
    run = next(iter(recorder_archive.candidates([run_id])), None)
    if run is None or run.logs not in (LogState.ARCHIVING, LogState.RESTORED):
        return ""
    if run.events < run.last_seq or run.first != 1:
        return ""
    Archive.objects.filter(pk=run_id).delete()
    Run.objects.filter(pk=run_id).update(logs=LogState.LIVE)
    return run.name


def _all(
    tasks: Sequence[tuple[T, Callable[[], Stored]]], threads: int
) -> Iterator[tuple[T, Stored | Exception]]:
    """Each task's outcome. A task alone is done here: it reads the database as it goes."""
    if len(tasks) == 1:
        yield tasks[0][0], _tried(tasks[0][1])
        return
    outcomes = together([task for _, task in tasks], threads, begin=pacing.be_nice)
    for (each, _), outcome in zip(tasks, outcomes, strict=True):
        yield each, outcome


def _tried(task: Callable[[], Stored]) -> Stored | Exception:
    try:
        return task()
    except Exception as error:
        return error


def _name(
    stored: Sequence[tuple[Claim, Stored]], result: Result, now: datetime, expired: datetime | None
) -> list[uuid.UUID]:
    """Let the objects stand for the events, but for those of runs that changed meanwhile."""
    run_ids = [claim.run.id for claim, _ in stored]
    with transaction.atomic():
        recorder_archive.lock(run_ids)
        names = recorder_archive.names(run_ids)
        # What the sweep has begun to delete, hours after the claim, is not spared.
        spared = doomed.spare([claim.name for claim, _ in stored if claim.is_anew])
        kept = [
            each
            for claim, each in stored
            if names.get(claim.run.id, "") == claim.run.name
            and (not claim.is_anew or claim.name in spared)
        ]
        named = recorder_archive.name(kept, now, expired) if kept else set()
        replaced = [
            claim.run.name
            for claim, _ in stored
            if claim.run.id in named and claim.is_anew and claim.run.name
        ]
        doomed.doom(replaced, "a later one has its events", now=now, after=REPLACED)
        unnamed = [claim.name for claim, _ in stored if claim.is_anew and claim.run.id not in named]
        doomed.doom(unnamed, "its run was changed meanwhile", now=now, after=ABANDONED)
    for _, each in stored:
        if each.run_id in named:
            result.unpacked += each.unpacked
            result.bytes += each.bytes
        else:
            result.skipped[each.run_id] = CHANGED
    return sorted(named)


def _resume(found: list[Candidate], result: Result, now: datetime, threads: int) -> None:
    """Go on with runs whose events were leaving: if their objects are still whole."""
    archives = Archive.objects.defer("senders").in_bulk([run.id for run in found])
    tasks = [(run, partial(_verified, archives[run.id])) for run in found if run.id in archives]
    whole: list[uuid.UUID] = []
    away: Exception | None = None
    for run, outcome in _all(tasks, threads):
        if isinstance(outcome, Stored):
            whole.append(run.id)
            result.verified += 1
            result.unpacked += outcome.unpacked
            result.bytes += outcome.bytes
        elif isinstance(outcome, Damaged | Missing):
            result.failed[run.id] = _lost(run, outcome)
        else:
            away = outcome
    with transaction.atomic():
        recorder_archive.lock(whole)
        Archive.objects.filter(pk__in=whole).update(verified_at=now, problem="")
    _purge(whole, result)
    if away is not None:
        raise away


def _verified(archive: Archive) -> Stored:
    told = coldstore.check(objects.read(archive.name))
    told.must_be(archive.sha256, archive.last_seq)
    return Stored(
        archive.run_id, archive.name, told.last_seq, told.unpacked, archive.bytes, told.sha256
    )


def _lost(run: Candidate, error: Exception) -> str:
    """An object that is not what it was before all events had left: keep those that there are."""
    name = ids.encode("run", run.id)
    with transaction.atomic():
        recorder_archive.lock([run.id])
        # Counted again: another archiver, which read it well, may be deleting events.
        if object_name := _stays(run.id):
            doomed.doom([object_name], "it was damaged", now=timezone.now())
            logger.error("archive: the object of %s is not whole; its log stays: %s", name, error)
            return f"its object is not whole, so its log stays in the database: {error}"
        Archive.objects.filter(pk=run.id, name=run.name).update(problem=str(error)[:300])
        left = Event.objects.filter(run=run.id).count()
    logger.critical("archive: the object of %s is not whole, and events have left: %s", name, error)
    return f"its object is not whole, and only {left} events are in the database: {error}"


def _purge(run_ids: Sequence[uuid.UUID], result: Result) -> None:
    """Delete the events of runs that are being archived, so many at a time."""
    left = sorted(run_ids)
    while left:
        with transaction.atomic():
            there = recorder_archive.lock(left)
            upto: dict[uuid.UUID, int] = {}
            done: list[uuid.UUID] = []
            total = 0
            leaving = recorder_archive.leaving(left)
            for run_id, last, first in leaving:
                if first is None:
                    done.append(run_id)
                    continue
                if total >= TOGETHER:
                    break
                end = min(last, first + TOGETHER - total - 1)
                total += end - first + 1
                upto[run_id] = end
                if end == last:
                    done.append(run_id)
            result.deleted_events += recorder_archive.purge(upto)
            result.archived |= recorder_archive.settle(done)
        # Others may have ended some of them.
        going = {run_id for run_id, _, _ in leaving}
        gone = set(done) | (set(left) - going) | (set(left) - there)
        left = [run_id for run_id in left if run_id not in gone]
