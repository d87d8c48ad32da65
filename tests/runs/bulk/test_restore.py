"""Restoring logs by bulk operation: whole logs and one outcome each, whatever happens."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs import archiving, objects, recorder_archive, restore_days, restoring
from runs.bulk import operations, restore_work, tasks, work
from runs.filters import RunFilter
from runs.models import Archive, AuditEntry, Event, Run
from runs.states import LogState
from tests.runs.archives import archive, in_folder, late, path_of, spoil, storage_away
from tests.runs.bulk.test_work import begin, finish, outcomes
from tests.runs.stories import node, publish
from tests.runs.test_archiving import rows, told

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVED = RunFilter(logs="archived")


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    in_folder(settings, tmp_path)
    monkeypatch.setattr(work, "_size", lambda operation: operation.rate or 3)
    return tmp_path


@pytest.fixture
def version(db):
    return publish(node("ocr"), node("extract", "ocr"))


@pytest.fixture
def stories(version):
    return [told(version, lines) for lines in range(1, 6)]


def states():
    return set(Run.objects.values_list("logs", flat=True))


def test_logs_come_back_as_they_were_for_the_days_that_were_said(stories, version):
    before = {story.id: rows(story.id) for story in stories}
    live = told(version)
    archive(*stories)
    operation = finish(begin("restore", options={"days": 3}))
    assert (operation.state, operation.done, operation.skipped) == ("finished", 5, 1)
    assert outcomes(operation)[live.id] == ("skipped", "its log is not archived")
    assert {story.id: rows(story.id) for story in stories} == before
    days = {archive.expires_at - archive.restored_at for archive in Archive.objects.all()}
    assert days == {timedelta(days=3)}
    assert AuditEntry.objects.filter(action="bulk restore").count() == 1


def test_a_filter_means_those_whose_logs_are_archived(stories):
    archive(*stories[:4])
    late(stories[0])
    operation = finish(begin("restore", ARCHIVED))
    assert (operation.visited, operation.done) == (4, 4)
    assert states() == {LogState.LIVE, LogState.RESTORED}
    assert [event.seq for event in Event.objects.filter(run=stories[0].id).order_by("seq")] == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip


def test_the_usual_days_are_the_retentions(stories):
    assert begin("restore").options == {"days": 7}
    restore_days.provide(lambda: 21)
    try:
        assert begin("restore").options == {"days": 21}
        assert begin("restore", options={"days": 2}).options == {"days": 2}
        with pytest.raises(operations.NotPossible):
            begin("restore", options={"days": 40_000})
    finally:
        restore_days._providers.pop()


def test_storage_that_is_away_is_waited_for_and_said(stories):
    archive(*stories)
    operation = begin("restore")
    with storage_away():
        tasks.bulk_work(str(operation.pk))
        operation.refresh_from_db()
        assert "Storage does not answer" in operation.trouble
        assert (operation.state, operation.visited) == ("running", 0)
        assert operation.taken_until is None
        assert states() == {LogState.ARCHIVED}
    tasks.bulk_work(str(operation.pk))
    operation = finish(operation)
    assert (operation.done, operation.trouble) == (5, "")
    assert states() == {LogState.RESTORED}


def test_storage_that_has_none_of_the_archives_is_waited_for_and_no_log_called_lost(
    stories, folder, tmp_path_factory
):
    """As when its folder is not mounted."""
    archive(*stories)
    operation = begin("restore")
    mounted = folder / "archive"
    away = tmp_path_factory.mktemp("away") / "archive"
    mounted.rename(away)
    tasks.bulk_work(str(operation.pk))
    operation.refresh_from_db()
    assert "is its folder mounted" in operation.trouble
    assert (operation.state, operation.visited) == ("running", 0)
    assert not Archive.objects.exclude(problem="").exists()
    away.rename(mounted)
    operation = finish(operation)
    assert (operation.done, operation.failed, operation.trouble) == (5, 0, "")


@pytest.mark.parametrize("lost", [True, False])
def test_an_object_that_is_not_whole_fails_its_run_alone(stories, folder, lost):
    archive(*stories)
    bad = stories[2]
    whole = path_of(bad, folder).read_bytes()
    if lost:
        objects.delete_many([bad.run.archive.name])
    else:
        spoil(bad, folder)
    operation = finish(begin("restore"))
    assert (operation.done, operation.failed) == (4, 1)
    status, why = outcomes(operation)[bad.id]
    assert status == "failed"
    assert ("is not in storage" if lost else "not whole") in why
    assert bad.run.logs == LogState.ARCHIVED
    # Who looks at the run learns it too, and nobody once it is well again.
    assert Archive.objects.get(pk=bad.id).problem == why
    path = folder / bad.run.archive.name
    path.write_bytes(whole)
    again = finish(operations.again(operation, by=work.actor_of(operation), now=timezone.now()))
    assert (again.visited, again.done, again.options) == (1, 1, {"days": 7})
    assert not Archive.objects.exclude(problem="").exists()


def test_what_comes_back_otherwise_than_it_went_fails_its_run_alone(stories, monkeypatch):
    """The database is asked again, whatever the object said."""
    archive(*stories)
    put_back = recorder_archive.put_back

    def bad(events):
        put_back(
            [each for each in events if each[0] != stories[1].id or '"seq" : 2,' not in each[1]]
        )

    monkeypatch.setattr(recorder_archive, "put_back", bad)
    operation = finish(begin("restore"))
    assert (operation.done, operation.failed) == (4, 1)
    assert stories[1].run.logs == LogState.ARCHIVED
    assert not Event.objects.filter(run=stories[1].id).exists()


@pytest.mark.parametrize("step", ["fetch", "finish", "advance"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_is_killed_has_lost_nothing(stories, monkeypatch, step, when):
    before = {story.id: rows(story.id) for story in stories}
    archive(*stories)
    operation = begin("restore")
    place = restore_work.progress if step == "advance" else restoring
    original = getattr(place, step)

    def killed(*args, **kwargs):
        if when == "after":
            original(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, step, killed)
        with pytest.raises(Killed):
            work.step(operation.pk)
    operation.refresh_from_db()
    assert operation.visited == 0
    assert states() == {LogState.ARCHIVED}
    assert not Event.objects.exists()
    # As if its time had passed: nobody is left who would say that it is over.
    operation.taken_until = None
    operation.save()
    assert finish(operation).done == 5
    assert {story.id: rows(story.id) for story in stories} == before


def test_two_workers_at_once_give_each_run_one_outcome(stories):
    archive(*stories)
    before = len(stories)
    operation = begin("restore")
    met = threading.Barrier(3)

    def one():
        try:
            met.wait()
            for _ in range(20):
                work.step(operation.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operation = finish(operation)
    assert (operation.visited, operation.done) == (before, before)
    assert states() == {LogState.RESTORED}


def test_an_aborted_one_stops(stories):
    archive(*stories)
    operation = begin("restore")
    work.step(operation.pk)
    assert operations.abort(operation, by=work.actor_of(operation), now=timezone.now())
    assert finish(operation).done == 3
    assert Run.objects.filter(logs=LogState.ARCHIVED).count() == 2


def test_it_is_not_restored_for_who_archives_meanwhile(stories, monkeypatch):
    """Restored and archived again between the fetching and the transaction: tried again."""
    [story, *_] = stories
    archive(story)
    fetch = restoring.fetch

    def slow(run_ids, **more):
        found = fetch(run_ids, **more)
        if run_ids:
            late(story)
            archiving.archive([story.id])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "fetch", slow)
        operation = finish(begin("restore", chosen=[story.id]))
    assert outcomes(operation)[story.id] == ("failed", "it was changed meanwhile")
    operation = finish(begin("restore", chosen=[story.id]))
    assert len(rows(story.id)[0]) == story.run.last_seq
    assert story.run.logs == LogState.RESTORED


# -- Retrying what is archived ---------------------------------------------------------------


def test_archived_runs_are_retried_with_their_input_and_no_transaction_waits(stories, monkeypatch):
    archive(*stories[:4])
    read = objects.read
    inside = []

    def watched(name):
        inside.append(connection.in_atomic_block)
        return read(name)

    monkeypatch.setattr(objects, "read", watched)
    operation = finish(begin("retry", RunFilter(state="failed")))
    assert operation.done == 5
    assert inside
    assert not any(inside)
    made = Event.objects.filter(seq=1, run__retry_of__isnull=False)
    assert {event.data["input"]["document"] for event in made} == {"inv-88213.pdf"}


def test_what_storage_does_not_give_can_be_retried_later(stories):
    archive(*stories[:2])
    with storage_away():
        operation = finish(begin("retry", RunFilter(state="failed")))
    assert (operation.done, operation.failed) == (3, 2)
    assert "storage cannot be read" in outcomes(operation)[stories[0].id][1]
    again = finish(operations.again(operation, by=work.actor_of(operation), now=timezone.now()))
    assert again.done == 2


def test_from_the_failed_node_only_what_is_in_the_database_is_retried(stories):
    archive(stories[0])
    wanted = begin("retry", RunFilter(state="failed"), options={"from_failed": True})
    with storage_away():
        operation = finish(wanted)
    assert outcomes(operation)[stories[0].id] == (
        "skipped", "its log is archived: restore it first, then retry",
    )  # fmt: skip
