"""Restoring: an archived run's events come back into the database, as they were, for some days.

First the objects are fetched, with no transaction open; then, in one transaction, the events are
put back, read again and compared with what was archived, and the run is marked. A long log comes
back in pieces before that transaction: until it is marked, readers see it as being restored.
The object stays where it is, so that the log can expire again at no cost.
"""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from runs import canary, ids, recorder_archive
from runs.archiving import THREADS
from runs.cold_reading import pages_of
from runs.coldstore import Damaged, Digest
from runs.lifecycle import Outcome
from runs.models import Archive, Event, Run
from runs.objects import Missing
from runs.objects.together import together
from runs.recorder_archive import TOGETHER
from runs.states import LogState

# Bytes of lines, and events, that are fetched together; a log that has more comes in pieces.
FETCHED_BYTES = 16_000_000
FETCHED_EVENTS = 10_000
# Where a log can come back from; "restoring" is one whose worker did not get to the end.
AWAY = (LogState.ARCHIVED, LogState.PARTLY, LogState.RESTORING)

NOT_AWAY = "its log is not archived"
LEAVING = "its log is just leaving the database; it can be restored in a moment"
GONE = "it is not there any more"


class UsedAgain(Exception):  # noqa: N818
    """An event's id, which its sender has used once more since, keeps a log from coming back."""

    def __init__(self, sender_id: str, other: uuid.UUID) -> None:
        run = ids.encode("run", other)
        super().__init__(
            f"its sender has used the id “{sender_id[:100]}” of one of its events for {run} too:"
            " archive or delete that one first"
        )


@dataclass(slots=True)
class Fetched:
    """Lines of events that are to be put back; why those of other runs are not here."""

    archives: dict[uuid.UUID, Archive] = field(default_factory=dict)
    lines: dict[uuid.UUID, list[str]] = field(default_factory=dict)
    # Of these the events are in the database already, and when the last ones were put there.
    put: dict[uuid.UUID, datetime] = field(default_factory=dict)
    damaged: dict[uuid.UUID, str] = field(default_factory=dict)
    # Nothing is wrong with the objects of these.
    refused: dict[uuid.UUID, str] = field(default_factory=dict)

    def is_of(self, run_id: uuid.UUID, name: str) -> bool:
        """Whether this is what the object of that name has for the run."""
        archive = self.archives.get(run_id)
        known = run_id in self.lines or run_id in self.put
        return known and archive is not None and archive.name == name


def fits(run_ids: Sequence[uuid.UUID]) -> int:
    """How many of them, from the first on, are fetched together; at least one."""
    sizes = dict(Archive.objects.filter(pk__in=run_ids).values_list("pk", "unpacked"))
    counts = dict(Archive.objects.filter(pk__in=run_ids).values_list("pk", "last_seq"))
    total = events = 0
    for place, run_id in enumerate(run_ids):
        total += sizes.get(run_id, 0)
        events += counts.get(run_id, 0)
        if place and (total > FETCHED_BYTES or events > FETCHED_EVENTS):
            return place
    return len(run_ids)


def fetch(run_ids: Sequence[uuid.UUID], *, threads: int = THREADS) -> Fetched:
    """Get the events of those runs whose logs are archived. Not within a transaction.

    Raises what storage raises when it is away.
    """
    fetched = Fetched()
    wanted = Archive.objects.filter(pk__in=run_ids, run__logs__in=AWAY).defer("senders")
    fetched.archives = {archive.run_id: archive for archive in wanted.order_by("run_id")}
    short: list[Archive] = []
    long: list[Archive] = []
    for archive in fetched.archives.values():
        is_long = archive.unpacked > FETCHED_BYTES or archive.last_seq > FETCHED_EVENTS
        (long if is_long else short).append(archive)
    logs = together([partial(_lines_of, archive) for archive in short], threads)
    for archive, lines in zip(short, logs, strict=True):
        if isinstance(lines, list):
            fetched.lines[archive.run_id] = lines
        elif isinstance(lines, Damaged | Missing):
            fetched.damaged[archive.run_id] = _why(lines, archive)
        else:
            raise lines
    for archive in long:
        try:
            if put_at := _put_in_pieces(archive):
                fetched.put[archive.run_id] = put_at
        except (Damaged, Missing) as error:
            fetched.damaged[archive.run_id] = _why(error, archive)
        except UsedAgain as error:
            fetched.refused[archive.run_id] = str(error)
    return fetched


def finish(
    fetched: Fetched, run_ids: Sequence[uuid.UUID], *, until: datetime, now: datetime
) -> Outcome:
    """Put the fetched events back and mark their runs. Within a transaction.

    Raises Damaged where what came back is not what was archived; nothing is to stay of it then.
    """
    outcome = Outcome()
    there = recorder_archive.lock(run_ids)
    names = recorder_archive.names(run_ids)
    logs = dict(Run.objects.filter(pk__in=there).order_by().values_list("pk", "logs"))
    back = []
    for run_id in run_ids:
        if logs.get(run_id) not in AWAY:
            outcome.skipped[run_id] = _not_away(logs.get(run_id))
        elif run_id in fetched.damaged:
            outcome.skipped[run_id] = fetched.damaged[run_id]
            # So that its page, and the next check, tell it. Another one may have taken its place,
            # or been found whole since.
            read = fetched.archives[run_id]
            own = Archive.objects.filter(pk=run_id, name=read.name, verified_at=read.verified_at)
            own.update(problem=fetched.damaged[run_id][:300])
        elif run_id in fetched.refused:
            outcome.skipped[run_id] = fetched.refused[run_id]
        elif fetched.is_of(run_id, names[run_id]) and _still_put(fetched, run_id):
            back.append(run_id)
        else:  # such as archived once more, with what came late
            outcome.skipped[run_id] = "it was changed meanwhile"
    short = [run_id for run_id in back if run_id in fetched.lines]
    events = [(run_id, line) for run_id in short for line in fetched.lines[run_id]]
    if clashes := recorder_archive.used_again(events):
        outcome.skipped |= {run_id: str(UsedAgain(*told)) for run_id, told in clashes.items()}
        back, short = _without(back, clashes), _without(short, clashes)
        events = [each for each in events if each[0] not in clashes]
    for begin in range(0, len(events), TOGETHER):
        recorder_archive.put_back(events[begin : begin + TOGETHER])
    _compare(short, fetched)
    Run.objects.filter(pk__in=back, logs__in=AWAY).update(logs=LogState.RESTORED)
    Archive.objects.filter(pk__in=back).update(
        restored_at=now, expires_at=until, verified_at=now, problem=""
    )
    outcome.done = {run_id: run_id for run_id in back}
    return outcome


def _not_away(logs: str | None) -> str:
    if logs is None:
        return GONE
    return LEAVING if logs == LogState.ARCHIVING else NOT_AWAY


def _without(run_ids: list[uuid.UUID], others: Container[uuid.UUID]) -> list[uuid.UUID]:
    return [run_id for run_id in run_ids if run_id not in others]


def _still_put(fetched: Fetched, run_id: uuid.UUID) -> bool:
    """Whether events that were put back in pieces are all there, and are those that were compared:
    a worker that is held up for long is given up, they leave again, and another one may have put
    back what it has not compared yet."""
    if run_id not in fetched.put:
        return True
    last, own = fetched.archives[run_id].last_seq, Archive.objects.filter(pk=run_id)
    return (
        own.filter(restored_at=fetched.put[run_id]).exists()
        and Event.objects.filter(run=run_id, seq__lte=last).count() == last
    )


def _compare(run_ids: Sequence[uuid.UUID], fetched: Fetched) -> None:
    """What is in the database now, with what was archived."""
    archives = {run_id: fetched.archives[run_id] for run_id in run_ids}
    parts = {run_id: (0, archive.last_seq) for run_id, archive in archives.items()}
    for run_id, lines in recorder_archive.lines(parts).items():
        digest = Digest()
        _add(digest, lines)
        _same(digest, archives[run_id])


def _same(digest: Digest, archive: Archive) -> None:
    if digest.events != archive.last_seq or digest.sha256() != archive.sha256:
        raise Damaged("its events in the database are not those that were archived")


def _add(digest: Digest, lines: Sequence[str]) -> None:
    digest.add("".join(f"{line}\n" for line in lines).encode(), len(lines))


def _lines_of(archive: Archive) -> list[str]:
    return [line.decode() for page in pages_of(archive) for line in page]


def _why(error: Exception, archive: Archive) -> str:
    """Raises StorageAway where others are missing too: then no log is lost, but storage is another
    one."""
    if isinstance(error, Missing):
        canary.same_storage(but=archive.name)
        return "its object is not in storage"
    return f"its object in storage is not whole: {error}"


def _put_in_pieces(archive: Archive) -> datetime | None:
    """Put a long log back in small transactions; gives when the last one was, or None if its run
    went elsewhere meanwhile.

    What it is given before the end shows that the object is damaged is taken out again when the
    archive goes on with what was not ended.
    """
    put_at: datetime | None = None
    for piece in _pieces(archive):
        if not (put_at := _put(archive, piece, put_at)):
            return None
    digest = Digest()
    for lines in recorder_archive.pages(archive.run_id, archive.last_seq):
        _add(digest, lines)
    try:
        _same(digest, archive)
    except Damaged:
        if not _own(archive, put_at).exists():  # they were on their way out again
            return None
        raise
    return put_at


def _pieces(archive: Archive) -> Iterator[list[str]]:
    """A log's lines, as many together as one statement takes; payloads may be large."""
    piece: list[str] = []
    size = 0
    for page in pages_of(archive):
        for line in page:
            if piece and (len(piece) == TOGETHER or size + len(line) > FETCHED_BYTES):
                yield piece
                piece, size = [], 0
            piece.append(line.decode())
            size += len(line)
    if piece:
        yield piece


def _own(archive: Archive, put_at: datetime | None) -> QuerySet[Archive]:
    """It, as long as no later one has taken its place, and nobody else has put its events back, or
    taken them out, since."""
    own = Archive.objects.filter(pk=archive.run_id, name=archive.name)
    return own.filter(restored_at=put_at) if put_at else own


def _put(archive: Archive, piece: Sequence[str], put_at: datetime | None = None) -> datetime | None:
    now = timezone.now()
    with transaction.atomic():
        recorder_archive.lock([archive.run_id])
        run = Run.objects.filter(pk=archive.run_id, logs__in=AWAY)
        if not _own(archive, put_at).update(restored_at=now) or not run.update(
            logs=LogState.RESTORING
        ):
            return None
        events = [(archive.run_id, line) for line in piece]
        if clashes := recorder_archive.used_again(events):
            raise UsedAgain(*clashes[archive.run_id])
        recorder_archive.put_back(events)
    return now


def undo_abandoned(before: datetime, most: int) -> list[uuid.UUID]:
    """Give runs back to the archive whose restoring has not moved since; it then takes out what
    there is of their events. Gives the runs."""
    found = Run.objects.filter(logs=LogState.RESTORING, archive__restored_at__lt=before)
    run_ids = list(found.order_by("id").values_list("id", flat=True)[:most])
    with transaction.atomic():
        recorder_archive.lock(run_ids)
        still = found.filter(pk__in=run_ids)
        Run.objects.filter(pk__in=still.values("pk")).update(logs=LogState.ARCHIVING)
    return run_ids
