"""Logs that were left half restored go back to the archive without a night."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retention import tasks, unfinished
from runs import restoring
from runs.bulk import operations
from runs.models import Archive, BulkOperation, Event, Run
from runs.models.bulk import BulkKind
from runs.states import LogState
from tests.retention.nightly import ANNA, policy, storage_in, workflow
from tests.runs.archives import archive, restore, storage_away
from tests.runs.test_archiving import rows, told

pytestmark = pytest.mark.django_db(transaction=True)
LATER = timedelta(hours=2)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    storage_in(settings, tmp_path)
    policy(is_on=False)
    # A log of sixty lines is a long one.
    monkeypatch.setattr(restoring, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)
    return tmp_path


@pytest.fixture
def version(db):
    return workflow()


def half_restored(version, keep=21):
    """Some pieces are back, and the others never come; gives the story and its whole log."""
    story = told(version, 60)
    before = rows(story.id)
    archive(story)
    pieces = list(restoring.pages_of(story.run.archive))
    lines = [line.decode() for page in pieces for line in page]
    restoring._put(story.run.archive, lines[:keep])
    assert story.run.logs == LogState.RESTORING
    return story, before


def test_what_nobody_goes_on_with_is_archived_again_and_can_be_restored(version):
    story, before = half_restored(version)
    assert unfinished.finish(timezone.now()) == 0
    assert story.run.logs == LogState.RESTORING
    assert unfinished.finish(timezone.now() + LATER) == 1
    assert story.run.logs == LogState.ARCHIVED
    assert not Event.objects.filter(run=story.id).exists()
    restore(story)
    assert rows(story.id) == before


def test_it_is_left_alone_while_logs_are_being_restored(version):
    story, _ = half_restored(version)
    operation = operations.make(BulkKind.RESTORE, by=ANNA, now=timezone.now(), chosen=[story.id])
    unfinished.finish(timezone.now() + LATER)
    assert story.run.logs == LogState.RESTORING
    BulkOperation.objects.filter(pk=operation.pk).update(state="aborted")
    unfinished.finish(timezone.now() + LATER)
    assert story.run.logs == LogState.ARCHIVED


def test_whoever_was_killed_between_the_two_steps_is_followed(version):
    story, _ = half_restored(version)
    restoring.undo_abandoned(timezone.now() + LATER, 10)
    assert story.run.logs == LogState.ARCHIVING
    assert unfinished.finish(timezone.now()) == 0  # somebody may be at it
    assert unfinished.finish(timezone.now() + LATER) == 1


def test_what_is_damaged_waits_until_a_check_has_found_it_whole(version, folder):
    story, _ = half_restored(version)
    path = folder / story.run.archive.name
    whole = path.read_bytes()
    other = told(version, 3)
    archive(other)
    path.write_bytes(whole[:-20])
    unfinished.finish(timezone.now() + LATER)
    found = Archive.objects.get(pk=story.id)
    assert found.problem
    assert story.run.logs == LogState.ARCHIVING
    assert Event.objects.filter(run=story.id).count() == 21
    path.write_bytes(whole)
    assert unfinished.finish(timezone.now() + LATER) == 0
    Archive.objects.filter(pk=story.id).update(problem="")
    assert unfinished.finish(timezone.now() + LATER) == 1


def test_one_that_does_not_succeed_keeps_no_other(version, monkeypatch):
    first, _ = half_restored(version)
    second, _ = half_restored(version)
    lowest = min(first.id, second.id)
    archived = unfinished.archiving.archive

    def broken(run_ids):
        if list(run_ids) == [lowest]:
            raise ValueError("unforeseen")
        return archived(run_ids)

    monkeypatch.setattr(unfinished.archiving, "archive", broken)
    assert unfinished.finish(timezone.now() + LATER) == 1


def test_storage_that_is_away_takes_nothing_and_is_waited_for(version):
    story, _ = half_restored(version)
    Run.objects.filter(pk=story.id).update(logs=LogState.ARCHIVING)
    Archive.objects.update(verified_at=timezone.now() - LATER)
    with storage_away():
        tasks.finish_abandoned()
    assert story.run.logs == LogState.ARCHIVING
    assert Event.objects.filter(run=story.id).count() == 21
    tasks.finish_abandoned()
    assert story.run.logs == LogState.ARCHIVED


def test_a_folder_that_is_not_mounted_marks_nothing_as_lost(version, settings, tmp_path):
    story, _ = half_restored(version)
    Run.objects.filter(pk=story.id).update(logs=LogState.ARCHIVING)
    Archive.objects.update(verified_at=timezone.now() - LATER)
    storage_in(settings, tmp_path / "elsewhere")
    tasks.finish_abandoned()
    assert Archive.objects.get().problem == ""
    assert story.run.logs == LogState.ARCHIVING
