"""Two who archive or restore the same log, one of them held up at the worst moment: nothing is
lost, and nothing that was tampered with is taken for what was archived."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from runs import archiving, coldstore, doomed, objects, recorder_archive, restoring
from runs.models import Archive, Event, Run
from runs.objects import StorageAway
from runs.states import LogState
from tests.runs.stories import node, publish
from tests.runs.test_archiving import in_a_folder as in_a_folder
from tests.runs.test_archiving import late, restore, rows, stored, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(db):
    return publish(node("ocr"), node("extract", "ocr"))


def spoil(path):
    """Another event than was archived, in an object that contradicts itself in nothing."""
    manifest, pages = coldstore.unpack([path.read_bytes()])
    lines = [line.decode() for page in pages for line in page]
    lines[1] = lines[2].replace('"seq" : 3', '"seq" : 2')
    about = {
        name: value
        for name, value in manifest.about.items()
        if name not in ("events", "first_seq", "last_seq", "unpacked_bytes", "sha256")
    }
    with coldstore.pack(about, len(lines), iter([lines])) as packed:
        path.write_bytes(packed.file.read())


def test_whoever_finds_a_spoilt_object_takes_none_away_that_another_has_put(
    version, in_a_folder, monkeypatch
):
    """It has seen that the object is spoilt; the other one makes it anew, and all events leave;
    then it goes on, and storage goes away."""
    story = told(version)
    before = rows(story.id)
    archiving.archive([story.id])
    restore(story)
    spoil(in_a_folder / story.run.archive.name)
    check, put_new = coldstore.check, objects.put_new
    held_up = []

    def seen(chunks):
        told = check(chunks)
        if not held_up:
            held_up.append(told)
            for days in range(2):
                archiving.archive([story.id])
                doomed.sweep(timezone.now() + timedelta(days=days))
            assert story.run.logs == LogState.ARCHIVED
            monkeypatch.setattr(objects, "put_new", away)
        return told

    def away(*_):
        raise StorageAway("it went away just now")

    monkeypatch.setattr(coldstore, "check", seen)
    with suppress(StorageAway):
        archiving.archive([story.id])
    doomed.sweep(timezone.now() + timedelta(days=9))
    monkeypatch.setattr(coldstore, "check", check)
    monkeypatch.setattr(objects, "put_new", put_new)
    assert held_up
    assert stored(in_a_folder) == [story.run.archive.name]
    restore(story)
    assert rows(story.id) == before


def test_an_object_found_spoilt_while_another_takes_the_events_away_is_kept(
    version, in_a_folder, monkeypatch
):
    """What was counted before the lock counts no more under it."""
    story = told(version, 60)
    before = rows(story.id)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_purge", lambda *_: None)
        archiving.archive([story.id])
    assert story.run.logs == LogState.ARCHIVING

    def misread(archive):
        # The other one, which read it well, has begun to delete; it is killed in the middle.
        with transaction.atomic():
            recorder_archive.lock([story.id])
            recorder_archive.purge({story.id: 20})
        raise coldstore.Damaged("read wrongly this once")

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_verified", misread)
        result = archiving.archive([story.id])
    assert "43 events are in the database" in result.failed[story.id]
    doomed.sweep(timezone.now() + timedelta(days=1))
    assert stored(in_a_folder) == [Archive.objects.get().name]
    assert archiving.archive([story.id]).archived == {story.id}
    restore(story)
    assert rows(story.id) == before


@pytest.mark.parametrize("again", [False, True], ids=["given up", "begun anew by another"])
def test_a_long_log_that_went_again_is_not_called_restored(version, monkeypatch, again):
    """Whoever put it back in pieces was held up for so long that it was given up."""
    story = told(version, 60)
    before = rows(story.id)
    archiving.archive([story.id])
    monkeypatch.setattr(restoring, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)
    fetched = restoring.fetch([story.id])
    assert restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100) == [story.id]
    archiving.archive([story.id])
    if again:
        archive = Archive.objects.get()
        _, pages = coldstore.unpack(objects.read(archive.name))
        piece = [line.decode() for line in next(iter(pages))][:7]
        assert restoring._put(archive, piece)
    now = timezone.now()
    with transaction.atomic():
        outcome = restoring.finish(fetched, [story.id], until=now, now=now)
    assert outcome.skipped == {story.id: "it was changed meanwhile"}
    assert story.run.logs == (LogState.RESTORING if again else LogState.ARCHIVED)
    assert Event.objects.count() == (7 if again else 0)
    restore(story)
    assert rows(story.id) == before


def test_what_was_tampered_with_does_not_pass_into_a_later_object(version, in_a_folder):
    story = told(version)
    archiving.archive([story.id])
    archive = Archive.objects.get()
    late(story)
    spoil(in_a_folder / archive.name)
    result = archiving.archive([story.id])
    assert "another one than was put there" in result.failed[story.id]
    assert Archive.objects.get().name == archive.name
    assert Run.objects.get().logs == LogState.PARTLY
    assert Event.objects.get().seq == 7


def then(act, monkeypatch):
    """Once the archiver has looked at its runs, somebody else does this."""
    candidates = recorder_archive.candidates

    def looked(run_ids):
        found = candidates(run_ids)
        monkeypatch.setattr(recorder_archive, "candidates", candidates)
        act()
        return found

    monkeypatch.setattr(recorder_archive, "candidates", looked)


def test_an_event_that_came_late_stays_where_its_log_is_restored_before_it_is_read(
    version, in_a_folder, monkeypatch
):
    """Two, since those who are archived together are read at once."""
    stories = [told(version), told(version)]
    run_ids = [story.id for story in stories]
    archiving.archive(run_ids)
    for story in stories:
        late(story)
    then(lambda: [restore(story) for story in stories], monkeypatch)
    archiving.archive(run_ids)
    for story in stories:
        restore(story)
        seqs = Event.objects.filter(run=story.id).order_by("seq").values_list("seq", flat=True)
        assert list(seqs) == list(range(1, story.run.last_seq + 1))


def test_as_many_late_events_do_not_pass_for_a_log_that_left_before_it_was_read(
    version, in_a_folder, monkeypatch
):
    stories = [told(version), told(version)]
    run_ids = [story.id for story in stories]

    def leave():
        archiving.archive(run_ids)
        for story in stories:
            for _ in range(story.run.last_seq):
                late(story)

    then(leave, monkeypatch)
    archiving.archive(run_ids)
    for story in stories:
        restore(story)
        seqs = Event.objects.filter(run=story.id).order_by("seq").values_list("seq", flat=True)
        assert list(seqs) == list(range(1, story.run.last_seq + 1))
