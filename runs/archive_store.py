"""One run's object: what is to be in it, put into storage and read back. No transaction is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runs import coldstore, ids, objects, recorder_archive
from runs.archive_names import new_name
from runs.coldstore import Damaged
from runs.context import stamp
from runs.objects import Missing
from runs.recorder_archive import Candidate, Stored
from runs.states import LogState


class Spoilt(Damaged):
    """What was put into storage does not come back."""


class FormerSpoilt(Damaged):
    """The object that has the run's earlier events is not what was put there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is being archived, and what its object is to be called."""

    run: Candidate
    name: str

    @property
    def is_anew(self) -> bool:
        return self.name != self.run.name


def claim_of(run: Candidate) -> Claim:
    """A log that was restored goes back to the object that it has still."""
    if run.logs == LogState.RESTORED and run.archived_seq == run.last_seq:
        return Claim(run, run.name)
    assert run.completed_at is not None  # it has ended
    return Claim(run, new_name(run.id, run.completed_at, run.last_seq))


def in_database(run: Candidate) -> tuple[int, int]:
    """Behind which event, and up to which, its log is taken from the database; what is before
    comes from the object that it has."""
    return (run.archived_seq if run.logs == LogState.PARTLY else 0), run.last_seq


def _pages(run: Candidate, lines: list[str] | None) -> Iterator[list[str]]:
    """The lines of events 1 to the last."""
    after, last = in_database(run)
    if after:
        try:
            manifest, pages = coldstore.unpack(objects.read(run.name))
            # Else what somebody put in its place would pass for the log from then on.
            manifest.must_be(run.archived_sha256, after)
            for page in pages:
                yield [line.decode() for line in page]
        except (Damaged, Missing) as error:
            raise FormerSpoilt(str(error)) from error
    if lines is not None:
        yield lines
        return
    yield from recorder_archive.pages(run.id, last, after)


def store(claim: Claim, lines: list[str] | None) -> Stored:
    """Put the object and read it back. `lines`: of the events in the database, where these were
    read already; else they are read page by page.

    Raises Spoilt where what comes back is not the same, FormerSpoilt where the object with earlier
    events is not whole, Damaged where the events in the database are not.
    """
    run, name = claim.run, claim.name
    with coldstore.pack(_about(run), run.last_seq, _pages(run, lines)) as packed:
        try:
            if claim.is_anew:
                objects.put_new(name, packed.file, packed.size)
            # Another release may have packed the same otherwise.
            size = packed.size if claim.is_anew else objects.size(name)
            told = coldstore.check(objects.read(name))
            told.must_be(packed.manifest.sha256, run.last_seq)
        except (Damaged, Missing) as error:
            raise Spoilt(str(error)) from error
        return Stored(run.id, name, run.last_seq, told.unpacked, size, told.sha256)


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
