"""Archiving: a run's events leave the database for one object in storage.

Step by step, so that whoever is killed between two of them has lost nothing, and whoever comes
next goes on from there:

1. Claim. A lock tells that the run may be archived; the object's name is doomed for later, so that
   an object which nothing comes to name is swept.
2. Pack, put, read back. No transaction is open. The name follows from the run and its last event,
   and what is put is only ever put once: two who archive the same run make the same object.
3. Name. Under the lock, the object is spared and stands for the run's events from now on: those
   who read the log see that it is being archived. An object that it replaces is doomed.
4. Purge. The events are deleted in small transactions; with the last of them the run is archived.

A run that is found between 3 and 4 has its object read again before anything is deleted.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from runs import coldstore, doomed, ids, objects, pacing, recorder_archive
from runs.coldstore import Damaged
from runs.context import stamp
from runs.models import Archive, Event, Run
from runs.objects import Missing
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


class Spoilt(Damaged):
    """What storage has under the name of a run's object is something else."""


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


def name_of(run_id: uuid.UUID, completed_at: datetime, last_seq: int) -> str:
    """What the object with these events is called. By days, which keeps listings short."""
    return f"{PREFIX}{completed_at:%Y/%m/%d}/{ids.encode('run', run_id)}.{last_seq}.zst"


PREFIX = "archive/"


def run_of(name: str) -> uuid.UUID | None:
    """The run that an object's name tells; None for what is none of ours."""
    return ids.decode("run", name.rpartition("/")[2].partition(".")[0])


def archive(
    run_ids: Sequence[uuid.UUID],
    *,
    now: datetime | None = None,
    threads: int = THREADS,
    go_on: Callable[[], bool] = lambda: True,
) -> Result:
    """Archive those of the runs that may be, at most BATCH of them. Not within a transaction.

    `go_on` is asked before what takes long. Raises what storage raises when it is away: then
    nothing was deleted that storage has not shown to have.
    """
    assert len(run_ids) <= BATCH
    now = now or timezone.now()
    result = Result()
    found = recorder_archive.candidates(sorted(run_ids))
    for run_id in set(run_ids) - {each.id for each in found}:
        result.skipped[run_id] = "it is not there any more"
    resumed = [each for each in found if each.logs == LogState.ARCHIVING]
    fresh = [each for each in found if _may(each, result)]
    for group in _groups(fresh):
        if not go_on():
            return result
        begun, busy = time.monotonic(), pacing.others()
        _archive(group, result, now, FEW_THREADS if busy else threads)
        time.sleep(pacing.rest_for(time.monotonic() - begun, busy))
    _resume(resumed, result, now, threads)
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


def _archive(group: list[Candidate], result: Result, now: datetime, threads: int) -> None:
    claimed = _claim(group, result, now)
    if not claimed:
        return
    # The database is read by this thread alone: the others have no connections of their own.
    alone = len(claimed) == 1
    parts = {run.id: (_after(run), run.last_seq) for run in claimed}
    lines = {} if alone else recorder_archive.lines(parts)
    tasks = [(run, partial(_store, run, _pages(run, lines.pop(run.id, None)))) for run in claimed]
    stored: list[Stored] = []
    away: Exception | None = None
    for run, outcome in _all(tasks, threads):
        if isinstance(outcome, Stored):
            stored.append(outcome)
        elif isinstance(outcome, Spoilt):
            _let_go(run, outcome, result, now)
        elif isinstance(outcome, Damaged | Missing):
            result.failed[run.id] = f"what was put into storage did not come back: {outcome}"
            logger.error("archive: %s: %s", ids.encode("run", run.id), outcome)
        else:
            away = outcome
    result.verified += len(stored)
    if stored:
        named = _name(stored, result, now)
        _purge(named, result)
    if away is not None:
        raise away


def _claim(group: Sequence[Candidate], result: Result, now: datetime) -> list[Candidate]:
    """Those that may be archived under their lock; their objects' names are doomed for later."""
    run_ids = [run.id for run in group]
    with transaction.atomic():
        recorder_archive.lock(run_ids)
        may = recorder_archive.archivable(run_ids)
        named = recorder_archive.names(run_ids)
        claimed = [run for run in group if run.id in may]
        # One that was restored has its object still: that is never doomed while it is named.
        fresh = [name for run in claimed if (name := _name_for(run)) != named.get(run.id)]
        doomed.doom(fresh, "archiving was not finished", now=now, after=ABANDONED)
    for run in group:
        if run.id not in may:
            result.skipped[run.id] = "it was changed meanwhile"
    return claimed


def _name_for(run: Candidate) -> str:
    assert run.completed_at is not None  # it has ended
    return name_of(run.id, run.completed_at, run.last_seq)


def _after(run: Candidate) -> int:
    """The last event that is taken from the object it has; the others are in the database."""
    return run.archived_seq if run.logs == LogState.PARTLY else 0


def _pages(run: Candidate, lines: list[str] | None) -> Iterator[list[str]]:
    """The lines of events 1 to the last; `lines`: those in the database, where they were read."""
    after = _after(run)
    if after:
        manifest, pages = coldstore.unpack(objects.read(run.name))
        # Else what somebody put in its place would pass for the log from then on.
        if manifest.sha256 != run.archived_sha256 or manifest.last_seq != after:
            raise Damaged("the object that it has is another one than was put there")
        for page in pages:
            yield [line.decode() for line in page]
    if lines is not None:
        yield lines
        return
    yield from recorder_archive.pages(run.id, run.last_seq, after)


def _store(run: Candidate, pages: Iterator[list[str]]) -> Stored:
    """Put the object and read it back. Raises Damaged or Missing where that is not the same.

    One that is there already and is spoilt is not deleted here: another archiver may have put a
    good one since, and have deleted the events.
    """
    name = _name_for(run)
    with coldstore.pack(_about(run), run.last_seq, pages) as packed:
        wanted = packed.manifest
        objects.put_new(name, packed.file, packed.size)
        try:
            told = coldstore.check(objects.read(name))
        except Damaged as error:
            raise Spoilt(str(error)) from error
        if told.sha256 != wanted.sha256 or told.events != run.last_seq:
            raise Spoilt("it is another one than was put there")
        return Stored(run.id, name, run.last_seq, told.unpacked, packed.size, told.sha256)


def _let_go(run: Candidate, error: Spoilt, result: Result, now: datetime) -> None:
    """Have a spoilt object swept, so that the next night makes it anew; unless it stands for
    events that are not in the database."""
    name = _name_for(run)
    with transaction.atomic():
        recorder_archive.lock([run.id])
        named = recorder_archive.names([run.id]).get(run.id)
        if named == name and not _stays(run.id):
            result.skipped[run.id] = "it was changed meanwhile"
            return
        doomed.doom([name], "it was spoilt", now=now)
    result.failed[run.id] = f"what was put into storage did not come back: {error}"
    logger.error("archive: %s: %s", ids.encode("run", run.id), error)


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


def _about(run: Candidate) -> dict[str, Any]:
    """What an object tells of its run beside its events: what does not change any more."""
    return {
        "run_id": ids.encode("run", run.id),
        "job_id": ids.encode("job", run.id),
        "workflow": run.workflow,
        "workflow_version": run.version,
        "state": run.state,
        "created_at": stamp(run.created_at),
        "started_at": stamp(run.started_at) if run.started_at else None,
        "completed_at": stamp(run.completed_at) if run.completed_at else None,
    }


def _all(
    tasks: Sequence[tuple[Candidate, Callable[[], Stored]]], threads: int
) -> Iterator[tuple[Candidate, Stored | Exception]]:
    """Each task's outcome. A task alone is done here: it reads the database as it goes."""
    if len(tasks) == 1:
        yield tasks[0][0], _tried(tasks[0][1])
        return
    with ThreadPoolExecutor(threads, initializer=pacing.be_nice) as pool:
        outcomes = [(run, pool.submit(_tried, task)) for run, task in tasks]
        for run, outcome in outcomes:
            yield run, outcome.result()


def _tried(task: Callable[[], Stored]) -> Stored | Exception:
    try:
        return task()
    except Exception as error:
        return error


def _name(stored: Sequence[Stored], result: Result, now: datetime) -> list[uuid.UUID]:
    """Let the objects stand for the events, but for those of runs that changed meanwhile."""
    run_ids = [each.run_id for each in stored]
    with transaction.atomic():
        recorder_archive.lock(run_ids)
        before = recorder_archive.names(run_ids)
        # What is the run's already was not doomed. Another one must be spared: what the sweep
        # has begun to delete is not named, and is made anew another time.
        kept = [
            each
            for each, spared in zip(stored, _spared(stored, before), strict=True)
            if before.get(each.run_id) == each.name or spared
        ]
        named = recorder_archive.name(kept, now) if kept else set()
        replaced = [
            before[each.run_id]
            for each in kept
            if each.run_id in named and before.get(each.run_id, each.name) != each.name
        ]
        doomed.doom(replaced, "a later one has its events", now=now, after=REPLACED)
        unnamed = [
            each.name
            for each in kept
            if each.run_id not in named and before.get(each.run_id) != each.name
        ]
        doomed.doom(unnamed, "its run was changed meanwhile", now=now, after=ABANDONED)
    for each in stored:
        if each.run_id in named:
            result.unpacked += each.unpacked
            result.bytes += each.bytes
        else:
            result.skipped[each.run_id] = "it was changed meanwhile"
    return sorted(named)


def _spared(stored: Sequence[Stored], before: dict[uuid.UUID, str]) -> list[bool]:
    wanted = [each.name for each in stored if before.get(each.run_id) != each.name]
    spared = doomed.spare(wanted)
    return [each.name in spared for each in stored]


def _resume(found: list[Candidate], result: Result, now: datetime, threads: int) -> None:
    """Go on with runs whose events were leaving: if their objects are still whole."""
    if not found:
        return
    archives = Archive.objects.in_bulk([run.id for run in found])
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
    Archive.objects.filter(pk__in=whole).update(verified_at=now, problem="")
    _purge(whole, result)
    if away is not None:
        raise away


def _verified(archive: Archive) -> Stored:
    told = coldstore.check(objects.read(archive.name))
    if told.sha256 != archive.sha256 or told.last_seq != archive.last_seq:
        raise Damaged("it is another one than was put there")
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
