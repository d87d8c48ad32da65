"""A night that rests between two steps, and finds that what it began with is no longer so."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from retention import archive_work, changing, check, executions, terms, values, work
from retention.models import Execution, Finding, WorkflowPolicy
from runs import archiving, doomed, recorder, restoring
from runs.models import Archive
from runs.objects import StorageAway
from runs.rows import NewEvent
from runs.states import Kind, LogState
from tests.retention.nightly import (
    ANNA,
    Killed,
    begin,
    ended,
    lease_is_over,
    logs_of,
    policy,
    storage_in,
    stored,
    until_ended,
    workflow,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    storage_in(settings, tmp_path)
    policy()
    return tmp_path


@pytest.fixture
def version(db):
    return workflow()


def restore(run_ids, days):
    now = timezone.now()
    fetched = restoring.fetch(run_ids)
    with transaction.atomic():
        restoring.finish(fetched, run_ids, until=now + timedelta(days=days), now=now)


def test_a_run_that_ends_every_worker_is_left_though_storage_was_away_before(
    version, folder, monkeypatch
):
    run_id = ended(version, 100)
    tried = 0

    def dies(*_, **__):
        nonlocal tried
        tried += 1
        if tried == 1:
            raise StorageAway("it is away just now")
        raise Killed

    monkeypatch.setattr(archiving, "archive", dies)
    execution = begin()
    for _ in range(60):
        try:
            work.work(execution.pk, 30)
        except Killed:
            connection.close()
        execution.refresh_from_db()
        if not execution.is_running:
            break
        lease_is_over(execution)
    assert execution.state == "finished"
    assert tried < 10
    assert Finding.objects.get().run_id == run_id
    assert logs_of([run_id]) == [LogState.LIVE]


def test_what_a_host_begins_whose_clock_is_ahead_takes_nothing_before_its_time(version):
    policy(delete_days=400)
    young, due = ended(version, 10), ended(version, 100)
    ahead = timezone.now() + timedelta(days=800)
    until_ended(executions.begin("archive", by=ANNA, now=ahead))
    assert logs_of([young, due]) == [LogState.LIVE, LogState.ARCHIVED]


def in_hand(execution):
    """Until runs were chosen, and nothing was done about them yet."""
    while not Execution.objects.get(pk=execution.pk).cursor.get("queue"):
        work.work(execution.pk, 0)


def test_a_log_that_was_restored_since_it_was_chosen_stays_for_its_days(version, folder):
    run_id = ended(version, 100)
    until_ended(begin())
    said = NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": "late"})
    recorder.record({run_id: [said]}, now=timezone.now())
    assert logs_of([run_id]) == [LogState.PARTLY]
    execution = begin()
    in_hand(execution)
    restore([run_id], 7)
    until_ended(execution)
    assert logs_of([run_id]) == [LogState.RESTORED]


def test_a_log_that_went_and_was_restored_anew_stays_for_its_days(version, folder):
    run_id = ended(version, 100)
    until_ended(begin())
    restore([run_id], -1)
    execution = begin()
    in_hand(execution)
    archiving.archive([run_id])
    restore([run_id], 7)
    until_ended(execution)
    assert logs_of([run_id]) == [LogState.RESTORED]


def test_a_folder_that_is_lost_in_the_night_is_missed(
    version, settings, folder, tmp_path_factory, monkeypatch
):
    monkeypatch.setattr(archive_work, "BATCH", 1)
    ended(version, 101)
    until_ended(begin())
    run_ids = [ended(version, 100), ended(version, 99)]
    execution = begin()
    while Execution.objects.get(pk=execution.pk).archived < 1:
        work.work(execution.pk, 0)
    storage_in(settings, elsewhere := tmp_path_factory.mktemp("unmounted"))
    for _ in range(20):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    assert not stored(elsewhere)
    assert logs_of(run_ids) == [LogState.ARCHIVED, LogState.LIVE]
    execution.refresh_from_db()
    assert "is its folder mounted" in execution.trouble
    storage_in(settings, folder)
    lease_is_over(execution)
    assert until_ended(execution).archived == 2


def test_a_policy_that_is_changed_while_it_is_read_deletes_by_none_that_there_was(
    version, folder, monkeypatch
):
    """All go after a hundred days but this workflow's, which never do; then none go any more, and
    nothing is otherwise for it."""
    run_id = ended(version, 200)
    until_ended(begin())
    policy(delete_days=100, completed_days=10, failed_days=10, terminated_days=10)
    WorkflowPolicy.objects.create(
        workflow=version.workflow, never_deleted=True, changed_at=timezone.now(), changed_by="anna"
    )
    current = terms.current
    threads = []

    def change():
        before = values.saved()
        after = replace(before, delete_days=None, workflows={})
        changing.change(
            after, revision=before.revision, is_confirmed=True, by=ANNA, reason="",
            now=timezone.now(),
        )  # fmt: skip
        connection.close()

    def seen():
        found = current()
        phase = Execution.objects.latest("created_at").cursor.get("phase")
        if phase == "gone" and not threads:
            threads.append(threading.Thread(target=change))
            threads[0].start()
            threads[0].join(2)
        return found

    monkeypatch.setattr(terms, "current", seen)
    execution = until_ended(begin())
    threads[0].join()
    assert values.saved().delete_days is None
    assert execution.deleted_runs == 0
    assert logs_of([run_id]) == [LogState.ARCHIVED]


def test_an_object_that_was_made_anew_since_it_was_read_is_not_called_damaged(
    version, folder, monkeypatch
):
    run_id = ended(version, 100)
    archiving.archive([run_id])
    restore([run_id], 7)
    (folder / Archive.objects.get().name).write_bytes(b"junk")
    write = check.write

    def others(*given):
        monkeypatch.setattr(check, "write", write)
        for days in range(2):
            archiving.archive([run_id])
            doomed.sweep(timezone.now() + timedelta(days=days))
        assert logs_of([run_id]) == [LogState.ARCHIVED]
        return write(*given)

    monkeypatch.setattr(check, "write", others)
    assert until_ended(begin("check", options={"most": None})).errors == 0
    assert not Archive.objects.get().problem


def test_events_that_were_deleted_before_a_worker_was_killed_are_counted_as_they_were(
    version, folder, monkeypatch
):
    """One that came late, of a run whose others have been archived long ago."""
    run_id = ended(version, 100)
    until_ended(begin())
    said = NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": "late"})
    recorder.record({run_id: [said]}, now=timezone.now())
    archive = archiving.archive

    def dies(*given, **more):
        monkeypatch.setattr(archiving, "archive", archive)
        archive(*given, **more)
        raise Killed

    monkeypatch.setattr(archiving, "archive", dies)
    execution = begin()
    with pytest.raises(Killed):
        work.work(execution.pk, 30)
    lease_is_over(execution)
    execution = until_ended(execution)
    assert (execution.archived, execution.events) == (1, 1)
