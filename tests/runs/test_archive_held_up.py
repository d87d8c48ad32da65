"""Whoever archives, restores or sweeps is held up at some moment, and others go on without it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from runs import (
    archive_store,
    archiving,
    cold_reading,
    coldstore,
    doomed,
    lifecycle,
    objects,
    recorder,
    recorder_archive,
    restoring,
)
from runs.models import Archive, DoomedObject, Run
from runs.states import LogState
from tests.runs.stories import node, publish
from tests.runs.test_archiving import Killed, late, restore, rows, stored, told
from tests.runs.test_archiving import in_a_folder as in_a_folder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(db):
    return publish(node("ocr"), node("extract", "ocr"))


def first(act, monkeypatch, module, name):
    """The next call of this waits until somebody else has done that."""
    held_up = getattr(module, name)

    def waits(*given, **more):
        monkeypatch.setattr(module, name, held_up)
        act()
        return held_up(*given, **more)

    monkeypatch.setattr(module, name, waits)


def swept(**later):
    return doomed.sweep(timezone.now() + timedelta(**later))


def killed(*_, **__):
    raise Killed


def test_an_object_with_fewer_events_never_takes_the_place_of_one_with_more(version, monkeypatch):
    """It was read back, and before it is named others archive the run, and once more with what
    came late; and one more event comes."""
    story = told(version)
    everything = []

    def others():
        archiving.archive([story.id])
        late(story)
        everything.extend(rows(story.id)[0])
        archiving.archive([story.id])
        late(story)
        everything.extend(rows(story.id)[0])

    before = rows(story.id)[0]
    first(others, monkeypatch, archiving, "_name")
    archiving.archive([story.id])
    swept(days=9)
    assert restore(story).done
    assert rows(story.id)[0] == before + everything


def test_what_was_swept_since_it_was_read_back_is_not_named(version, in_a_folder, monkeypatch):
    """Its name is doomed anew by one who is about to put it, and is killed before."""
    story = told(version)
    before = rows(story.id)

    def others():
        swept(hours=7)
        assert not stored(in_a_folder)
        with monkeypatch.context() as patch:
            patch.setattr(archive_store, "store", killed)
            with pytest.raises(Killed):
                archiving.archive([story.id])

    first(others, monkeypatch, archiving, "_name")
    archiving.archive([story.id])
    archiving.archive([story.id])
    if story.run.logs != LogState.LIVE:
        assert restore(story).done
    assert rows(story.id) == before


def test_a_sweep_that_was_held_up_deletes_nothing_that_was_put_since(
    version, in_a_folder, monkeypatch
):
    story = told(version)
    before = rows(story.id)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_name", killed)
        with pytest.raises(Killed):
            archiving.archive([story.id])

    def others():
        swept(hours=8)
        archiving.archive([story.id])

    first(others, monkeypatch, objects, "delete_many")
    swept(hours=7)
    for _ in range(3):
        swept(days=9)
        archiving.archive([story.id])
    assert story.run.logs == LogState.ARCHIVED
    assert restore(story).done
    assert rows(story.id) == before


@pytest.mark.parametrize("came_late", [False, True])
def test_that_another_archived_it_meanwhile_is_no_failure(version, monkeypatch, came_late):
    stories = [told(version), told(version)]
    run_ids = [story.id for story in stories]
    if came_late:
        archiving.archive(run_ids)
        for story in stories:
            late(story)

    def others():
        archiving.archive(run_ids)
        swept(hours=2)

    first(others, monkeypatch, recorder_archive, "lines")
    result = archiving.archive(run_ids)
    assert not result.failed
    assert result.skipped.keys() == set(run_ids)


@pytest.mark.parametrize("was_restored", [False, True])
def test_an_object_of_a_run_that_was_deleted_meanwhile_is_swept(
    version, in_a_folder, monkeypatch, was_restored
):
    story = told(version)
    if was_restored:
        archiving.archive([story.id])
        restore(story)

    def others():
        assert recorder.delete(
            [story.id], lambda run: run.can_delete, by="anna", reason="", now=timezone.now()
        )
        swept(seconds=1)
        assert not stored(in_a_folder)

    first(others, monkeypatch, objects, "size" if was_restored else "put_new")
    archiving.archive([story.id])
    assert not Run.objects.exists()
    swept(days=1)
    assert not stored(in_a_folder)
    assert not DoomedObject.objects.exists()


def test_a_row_tells_the_bytes_of_the_object_that_was_there_already(
    version, in_a_folder, monkeypatch
):
    """Packed by an earlier release, or by one that packs otherwise."""
    story = told(version, 200)
    archiving.archive([story.id])
    restore(story)
    monkeypatch.setattr(coldstore, "LEVEL", 19)
    archiving.archive([story.id])
    archive = Archive.objects.get()
    assert archive.bytes == objects.size(archive.name)


def test_what_another_put_back_is_not_called_restored_by_who_was_held_up(
    version, in_a_folder, monkeypatch
):
    """It was compared, went again, and was put back once more out of what somebody changed."""
    story = told(version, 60)
    before = rows(story.id)
    archiving.archive([story.id])
    monkeypatch.setattr(restoring, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)
    fetched = restoring.fetch([story.id])
    restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100)
    archiving.archive([story.id])
    path = in_a_folder / story.run.archive.name
    whole = path.read_bytes()
    _, pages = coldstore.unpack([whole])
    lines = [line.decode() for page in pages for line in page]
    lines[10] = lines[10].replace("line", "lie")
    with coldstore.pack({}, len(lines), iter([lines])) as packed:
        body = packed.file.read()
    # The manifest says what was archived; that the events are others shows at the end.
    head = whole[: whole.index(b"\x28\xb5\x2f\xfd", 4)]
    path.write_bytes(head + body[body.index(b"\x28\xb5\x2f\xfd", 4) :])
    other = restoring.fetch([story.id])
    assert other.damaged
    now = timezone.now()
    with transaction.atomic():
        outcome = restoring.finish(fetched, [story.id], until=now, now=now)
    assert not outcome.done
    path.write_bytes(whole)
    restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100)
    archiving.archive([story.id])
    assert restore(story).done
    assert rows(story.id) == before


@pytest.mark.parametrize("when", ["_put", "_same"])
def test_a_long_log_that_was_given_up_meanwhile_is_not_called_damaged(version, monkeypatch, when):
    """Its worker was held up between two pieces, or before it compared them."""
    story = told(version, 60)
    before = rows(story.id)
    archiving.archive([story.id])
    monkeypatch.setattr(restoring, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)

    def given_up():
        restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100)
        archiving.archive([story.id])
        assert story.run.logs == LogState.ARCHIVED

    if when == "_put":
        plain, calls = restoring._put, []

        def put(*given):
            calls.append(1)
            if len(calls) == 3:
                given_up()
            return plain(*given)

        monkeypatch.setattr(restoring, "_put", put)
    else:
        first(given_up, monkeypatch, recorder_archive, "pages")
    assert restore(story).skipped == {story.id: "it was changed meanwhile"}
    assert not Archive.objects.get().problem
    restoring.undo_abandoned(timezone.now() + timedelta(hours=1), 100)
    archiving.archive([story.id])
    assert restore(story).done
    assert rows(story.id) == before


def test_an_input_is_read_though_its_log_is_restored_while_it_is_looked_for(version, monkeypatch):
    story = told(version)
    given = lifecycle.input_of(story.run)
    archiving.archive([story.id])
    first(lambda: restore(story), monkeypatch, cold_reading, "inputs_of")
    assert lifecycle.input_of(story.run) == given
