"""A night's work: in its order, by its terms, whoever is killed or away or changes his mind."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from retention import archive_work, dry_run, executions, expected, taken, tasks, terms, work
from retention.models import Execution, Finding, WorkflowPolicy
from runs import archive_store, archiving, doomed, lifecycle, objects, recorder, restoring
from runs.context import stamp
from runs.models import Archive, AuditEntry, DeletedRun, DoomedObject, Event, Run
from runs.rows import NewEvent
from runs.states import Kind, LogState
from tests.plans import as_for_many_rows
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
LIVE, ARCHIVED = LogState.LIVE, LogState.ARCHIVED


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    storage_in(settings, tmp_path)
    policy()
    return tmp_path


@pytest.fixture
def version(db):
    return workflow()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(archive_work, "BATCH", 3)


def restore(run_ids, days):
    now = timezone.now()
    fetched = restoring.fetch(run_ids)
    restoring.finish(fetched, run_ids, until=now + timedelta(days=days), now=now)


def whole(folder):
    """Every run either has all its events in the database, or its object is whole."""
    for run in Run.objects.all():
        count = Event.objects.filter(run=run).count()
        if run.logs == LIVE:
            assert count == run.last_seq
        else:
            assert run.logs == ARCHIVED
            assert count == 0
            archive = Archive.objects.get(run=run)
            assert archiving.coldstore.check(objects.read(archive.name)).events == run.last_seq
    assert stored(folder) == sorted(Archive.objects.values_list("name", flat=True))


def test_what_is_past_its_term_is_archived_and_nothing_else(version, folder):
    due = [ended(version, 91), ended(version, 181, "failed"), ended(version, 31, "terminated")]
    kept = [ended(version, 89), ended(version, 179, "failed"), ended(version, 29, "terminated")]
    events = Event.objects.filter(run__in=due).count()
    execution = until_ended(begin())
    assert execution.state == "finished"
    assert logs_of(due) == [ARCHIVED] * 3
    assert logs_of(kept) == [LIVE] * 3
    assert (execution.seen, execution.archived, execution.verified) == (3, 3, 3)
    assert execution.events == events
    assert execution.bytes == sum(Archive.objects.values_list("bytes", flat=True))
    assert execution.unpacked_bytes == sum(Archive.objects.values_list("unpacked", flat=True))
    assert (execution.errors, execution.found, execution.deleted_runs) == (0, 0, 0)
    whole(folder)


def test_a_workflow_has_terms_of_its_own(version, folder):
    other = workflow("contracts")
    WorkflowPolicy.objects.create(workflow_id=other.workflow_id, completed_days=10)
    short, usual = ended(other, 11), ended(version, 11)
    until_ended(begin())
    assert logs_of([short, usual]) == [ARCHIVED, LIVE]


def test_what_is_held_stays(version, folder):
    held = ended(version, 100)
    lifecycle.hold(Run.objects.filter(pk=held), by=ANNA)
    execution = until_ended(begin())
    assert logs_of([held]) == [LIVE]
    assert execution.seen == 0


def test_restored_logs_leave_again_when_their_time_is_over(version, folder):
    over, not_yet, held = [ended(version, 100) for _ in range(3)]
    until_ended(begin())
    restore([over, held], days=-1)
    restore([not_yet], days=1)
    lifecycle.hold(Run.objects.filter(pk=held), by=ANNA)
    execution = until_ended(begin())
    assert logs_of([over, not_yet, held]) == [ARCHIVED, LogState.RESTORED, LogState.RESTORED]
    assert (execution.expired, execution.archived) == (1, 0)


def test_what_somebody_left_half_done_is_finished(version, folder, monkeypatch):
    half, coming = ended(version, 100), ended(version, 100)
    until_ended(begin())
    restore([half], days=1)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_purge", lambda *_: None)
        archiving.archive([half])
    Run.objects.filter(pk=coming).update(logs=LogState.RESTORING)
    Archive.objects.filter(run=coming).update(restored_at=timezone.now() - timedelta(hours=1))
    assert logs_of([half]) == [LogState.ARCHIVING]
    execution = until_ended(begin())
    assert logs_of([half, coming]) == [ARCHIVED] * 2
    assert execution.archived == 2
    whole(folder)


def test_late_events_are_archived_in_their_turn(version, folder):
    run_id = ended(version, 100)
    until_ended(begin())
    late = NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": "late"})
    recorder.record({run_id: [late]}, now=timezone.now())
    assert logs_of([run_id]) == [LogState.PARTLY]
    until_ended(begin())
    assert logs_of([run_id]) == [ARCHIVED]
    assert Archive.objects.get(run=run_id).last_seq == Run.objects.get(pk=run_id).last_seq


# -- Whoever is killed -----------------------------------------------------------------------

BOUNDARIES = [
    (taken.Taken, "commit", True),
    (taken.Taken, "commit", False),
    (archiving, "_claim", True),
    (archiving, "_claim", False),
    (archive_store, "store", False),
    (archiving, "_name", True),
    (archiving, "_name", False),
    (archiving, "_purge", True),
    (archiving, "_purge", False),
    (recorder, "delete", True),
    (recorder, "delete", False),
    (taken.Taken, "finish", True),
    (taken.Taken, "finish", False),
]


@pytest.mark.parametrize(("place", "name", "before"), BOUNDARIES)
def test_killed_at_every_boundary_it_comes_to_the_same_end(
    place, name, before, version, folder, small_batches, monkeypatch
):
    """Killed once at each time that this is called, until nobody is killed any more."""
    policy(delete_days=400)
    due = [ended(version, 100 + days) for days in range(7)]
    old = [ended(version, 500 + days) for days in range(2)]
    plain = getattr(place, name)
    calls, fatal = 0, 1

    def dies(*args, **more):
        nonlocal calls
        calls += 1
        is_fatal = calls == fatal
        if is_fatal and before:
            raise Killed
        came = plain(*args, **more)
        if is_fatal:
            raise Killed
        return came

    execution = begin()
    monkeypatch.setattr(place, name, dies)
    kills = 0
    for _ in range(300):
        calls = 0
        try:
            work.work(execution.pk, 30)
        except Killed:
            kills += 1
            fatal = fatal + 1 if kills % 2 == 0 else fatal
            connection.close()
        execution.refresh_from_db()
        if not execution.is_running:
            break
        lease_is_over(execution)
    assert kills
    assert execution.state == "finished"
    assert logs_of(due) == [ARCHIVED] * 7
    assert not Run.objects.filter(pk__in=old).exists()
    assert set(DeletedRun.objects.values_list("run_id", flat=True)) == set(old)
    assert execution.deleted_runs == 2
    assert execution.archived == 9
    assert execution.verified >= 9
    assert execution.errors == 0
    DoomedObject.objects.update(due_at=timezone.now())
    doomed.sweep(timezone.now())
    whole(folder)


def test_a_run_that_ends_every_worker_is_left_and_told_of(
    version, folder, small_batches, monkeypatch
):
    run_ids = [ended(version, 100 + days) for days in range(3)]
    fatal = run_ids[1]
    plain = archiving.archive

    def dies(given, **more):
        if fatal in given:
            raise Killed
        return plain(given, **more)

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
    assert logs_of(run_ids) == [ARCHIVED, LIVE, ARCHIVED]
    finding = Finding.objects.get()
    assert finding.run_id == fatal
    assert "its worker came to its end each time" in finding.problem
    assert (execution.archived, execution.errors) == (2, 1)


def test_a_run_that_cannot_be_archived_keeps_no_other_from_it(version, folder, monkeypatch):
    run_ids = [ended(version, 100) for _ in range(3)]
    plain = archiving.archive

    def refuses(given, **more):
        if run_ids[1] in given:
            raise ValueError("what is this")
        return plain(given, **more)

    monkeypatch.setattr(archiving, "archive", refuses)
    execution = until_ended(begin())
    assert execution.state == "finished"
    assert logs_of(run_ids) == [ARCHIVED, LIVE, ARCHIVED]
    assert Finding.objects.get().problem == "ValueError: what is this"
    assert (execution.archived, execution.errors, execution.found) == (2, 1, 1)


def test_a_log_with_gaps_is_told_of_once_an_execution(version, folder, small_batches):
    run_ids = [ended(version, 100 + days) for days in range(7)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('runs.purge', 'on', false)")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq = 2", [run_ids[3]])
        cursor.execute("SELECT set_config('runs.purge', 'off', false)")
    execution = until_ended(begin())
    assert (execution.seen, execution.archived, execution.errors) == (7, 6, 1)
    assert Finding.objects.get().run_id == run_ids[3]
    assert "gaps" in Finding.objects.get().problem


def test_findings_are_bounded_and_counted(version, folder, monkeypatch):
    monkeypatch.setattr(taken, "MOST_FINDINGS", 2)
    execution = begin()
    mine = taken.take(execution.pk, 1)
    for _ in range(3):
        mine.commit({}, findings=[Finding(problem="one"), Finding(problem="two")])
    execution.refresh_from_db()
    # The row's own count says how many there were.
    assert (execution.found, Finding.objects.count()) == (6, 2)


# -- Side by side ----------------------------------------------------------------------------


def at_once(*acts):
    failures = []

    def run(act):
        try:
            act()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_one_worker_at_a_time_has_an_execution(version, folder, small_batches):
    run_ids = [ended(version, 100 + days) for days in range(20)]
    execution = begin()

    def works():
        for _ in range(100):
            work.work(execution.pk, 0)

    at_once(works, works, works)
    execution = until_ended(execution)
    assert logs_of(run_ids) == [ARCHIVED] * 20
    # Had two been at it, it would have seen some twice.
    assert (execution.seen, execution.archived, execution.skipped) == (20, 20, 0)
    whole(folder)


def test_who_lost_its_lease_moves_nothing(version, folder):
    execution = begin()
    first = taken.take(execution.pk, 1)
    assert taken.take(execution.pk, 1) is None
    lease_is_over(execution)
    second = taken.take(execution.pk, 1)
    assert first.commit({"phase": "doomed"}, figures={"seen": 1}) is False
    assert not first.keep()
    assert first.finish() == []
    assert second.commit({"phase": "gone"}, figures={"seen": 2}) is True
    execution.refresh_from_db()
    assert execution.cursor == {"phase": "gone"}
    assert execution.seen == 3
    assert execution.is_running


def test_a_long_log_is_had_for_as_long_as_it_takes(version, folder, monkeypatch):
    monkeypatch.setattr(archive_work, "EVENTS_A_SECOND", 0.01)
    run_id = ended(version, 100)
    execution, plain, until = begin(), archiving._claim, []

    def sees(*args):
        until.append(Execution.objects.get().taken_until)
        return plain(*args)

    monkeypatch.setattr(archiving, "_claim", sees)
    until_ended(execution)
    events = Run.objects.get(pk=run_id).last_seq
    assert until[0] > timezone.now() + timedelta(seconds=events / 0.01)


def test_a_night_and_a_run_now_at_once_do_no_harm(version, folder, small_batches):
    policy(delete_days=400)
    run_ids = [ended(version, 100 + days) for days in range(15)]
    old = [ended(version, 500 + days) for days in range(5)]
    both = [begin(), begin()]
    at_once(*(lambda each=each: until_ended(each) for each in both))
    assert logs_of(run_ids) == [ARCHIVED] * 15
    assert not Run.objects.filter(pk__in=old).exists()
    rows = list(Execution.objects.all())
    assert {row.state for row in rows} == {"finished"}
    assert sum(row.deleted_runs for row in rows) == 5
    assert sum(row.archived for row in rows) == 20
    DoomedObject.objects.update(due_at=timezone.now())
    doomed.sweep(timezone.now())
    whole(folder)


# -- Storage that is away --------------------------------------------------------------------


@pytest.fixture
def away(monkeypatch):
    """Storage that takes so many objects and then none until it is back."""
    state = {"left": 0}
    plain = objects.put_new

    def put_new(*args):
        if state["left"] <= 0:
            raise objects.StorageAway("Object storage cannot be reached: see whether it is up.")
        state["left"] -= 1
        return plain(*args)

    monkeypatch.setattr(objects, "put_new", put_new)
    return state


def test_storage_that_goes_away_stops_it_and_it_goes_on_when_that_is_back(
    version, folder, small_batches, away
):
    policy(delete_days=400)
    run_ids = [ended(version, 100 + days) for days in range(8)]
    old = ended(version, 500)
    away["left"] = 4
    execution = begin()
    for _ in range(6):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    assert "cannot be reached" in execution.trouble
    assert execution.trouble_since is not None
    assert execution.tries >= 1
    assert Run.objects.filter(pk=old).exists()
    # What is in the database is all there, but for what storage has shown to have.
    gone = Run.objects.filter(logs=ARCHIVED).count()
    assert gone <= 4
    for run in Run.objects.filter(logs=LIVE):
        assert Event.objects.filter(run=run).count() == run.last_seq
    away["left"] = 1_000
    execution = until_ended(execution)
    assert (execution.state, execution.trouble, execution.trouble_since) == ("finished", "", None)
    assert logs_of(run_ids) == [ARCHIVED] * 8
    assert execution.archived == 9
    assert execution.deleted_runs == 1
    assert execution.errors == 0


def test_while_storage_is_away_it_waits_longer_each_time(version, folder, away):
    ended(version, 100)
    execution = begin()
    pauses = []
    for _ in range(4):
        work.work(execution.pk, 0)
        work.work(execution.pk, 0)
        execution.refresh_from_db()
        if execution.next_at:
            pauses.append((execution.next_at - execution.moved_at).total_seconds())
            # Before its pause is over nobody begins it.
            assert work.work(execution.pk, 0) == work.Worked()
        lease_is_over(execution)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


def test_it_gives_up_after_hours_and_deletes_nothing(version, folder, away):
    run_id = ended(version, 500)
    policy(delete_days=400)
    execution = begin()
    while not Execution.objects.get().trouble:
        work.work(execution.pk, 0)
    lease_is_over(execution)
    long_ago = timezone.now() - taken.GIVES_UP
    Execution.objects.update(trouble_since=long_ago)
    execution = until_ended(execution)
    assert execution.state == "failed"
    assert "cannot be reached" in execution.trouble
    assert logs_of([run_id]) == [LIVE]
    away["left"] = 10
    assert until_ended(begin()).state == "finished"
    assert not Run.objects.exists()


def test_a_folder_that_is_not_there_is_told_of_with_what_to_do(version, settings, tmp_path):
    ended(version, 100)
    (tmp_path / "file").write_text("")
    storage_in(settings, tmp_path / "file")
    execution = begin()
    for _ in range(4):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    assert f"{tmp_path / 'file'} is a file, where the folder" in execution.trouble
    assert Event.objects.exists()


# -- Changed in the middle -------------------------------------------------------------------


def middle(execution):
    """After its first batch."""
    while not Execution.objects.get(pk=execution.pk).archived:
        work.work(execution.pk, 0)


def test_in_another_folder_than_that_of_the_archives_nothing_is_archived(
    version, settings, folder, tmp_path_factory
):
    ended(version, 100)
    until_ended(begin())
    later = ended(version, 99)
    storage_in(settings, tmp_path_factory.mktemp("unmounted"))
    execution = begin()
    work.work(execution.pk)
    execution.refresh_from_db()
    assert "is its folder mounted" in execution.trouble
    assert logs_of([later]) == [LIVE]
    storage_in(settings, folder)
    lease_is_over(execution)
    assert until_ended(execution).archived == 1
    # Who checks the whole archive learns that it is lost, and is not kept waiting.
    storage_in(settings, tmp_path_factory.mktemp("new"))
    until_ended(begin("check", options={"most": None, "however_many": True}))
    last = ended(version, 98)
    assert until_ended(begin()).archived == 1
    assert logs_of([last]) == [ARCHIVED]


def test_abort_stops_it_and_what_was_done_stays_done(version, folder, small_batches):
    policy(delete_days=120)
    run_ids = [ended(version, 150 - days) for days in range(9)]
    execution = begin()
    middle(execution)
    assert executions.abort(execution, by=ANNA, now=timezone.now(), reason="enough")
    for _ in range(5):
        assert work.work(execution.pk, 30) == work.Worked()
    execution.refresh_from_db()
    assert execution.state == "aborted"
    assert execution.ended_at is not None
    assert logs_of(run_ids) == [ARCHIVED] * 3 + [LIVE] * 6
    assert not executions.abort(execution, by=ANNA, now=timezone.now())
    entry = AuditEntry.objects.get(action="abort retention")
    assert (entry.actor, entry.reason, entry.target_id) == ("anna", "enough", execution.public_id)


def test_abort_while_a_batch_is_under_way_stops_behind_it(version, folder, monkeypatch):
    monkeypatch.setattr(archiving, "BATCH_EVENTS", 1)
    run_ids = [ended(version, 100 - days) for days in range(5)]
    execution = begin()
    plain, done = archiving._purge, []

    def aborts(given, result):
        plain(given, result)
        done.extend(given)
        executions.abort(Execution.objects.get(), by=ANNA, now=timezone.now())

    monkeypatch.setattr(archiving, "_purge", aborts)
    work.work(execution.pk, 30)
    execution.refresh_from_db()
    assert execution.state == "aborted"
    assert len([each for each in logs_of(run_ids) if each == ARCHIVED]) == len(set(done)) == 1
    # Its figures tell of what was done all the same.
    assert execution.archived == 1


def test_a_policy_that_keeps_longer_holds_from_the_next_batch_on(version, folder, small_batches):
    run_ids = [ended(version, 150 - days) for days in range(9)]
    execution = begin()
    middle(execution)
    policy(completed_days=365)
    execution = until_ended(execution)
    assert execution.state == "finished"
    assert logs_of(run_ids)[6:] == [LIVE] * 3
    assert execution.options["policy"]["completed_days"] == 90


def test_a_hold_in_the_middle_keeps_what_is_not_archived_yet(version, folder, small_batches):
    run_ids = [ended(version, 150 - days) for days in range(9)]
    execution = begin()
    middle(execution)
    lifecycle.hold(Run.objects.filter(pk__in=run_ids[6:]), by=ANNA)
    until_ended(execution)
    assert logs_of(run_ids) == [ARCHIVED] * 6 + [LIVE] * 3


# -- The second term -------------------------------------------------------------------------


def test_for_good_goes_only_what_is_archived_due_and_not_held(version, folder):
    policy(delete_days=400)
    other = workflow("contracts")
    WorkflowPolicy.objects.create(workflow_id=other.workflow_id, never_deleted=True)
    due, young, held, restored = (ended(version, days) for days in (401, 399, 500, 500))
    never = ended(other, 500)
    policy(delete_days=None)
    until_ended(begin())
    lifecycle.hold(Run.objects.filter(pk=held), by=ANNA)
    restore([restored], days=1)
    policy(delete_days=400)
    execution = until_ended(begin())
    assert logs_of([due, young, held, restored, never]) == [
        None, ARCHIVED, ARCHIVED, LogState.RESTORED, ARCHIVED,
    ]  # fmt: skip
    assert execution.deleted_runs == 1
    tombstone = DeletedRun.objects.get()
    assert (tombstone.run_id, tombstone.deleted_by) == (due, "anna")
    assert execution.public_id in tombstone.reason
    entry = AuditEntry.objects.get(action="delete by age")
    assert (entry.count, entry.target_id) == (1, execution.public_id)
    # Its object went with it.
    assert stored(folder) == sorted(Archive.objects.values_list("name", flat=True))
    assert len(stored(folder)) == 4


def test_what_is_held_or_restored_after_it_was_chosen_stays(version, folder, monkeypatch):
    policy(delete_days=400)
    held, restored = ended(version, 501), ended(version, 500)
    plain = recorder.delete

    def late(run_ids, may_go, **more):
        Run.objects.filter(pk=held).update(held_at=timezone.now())
        Run.objects.filter(pk=restored).update(logs=LogState.RESTORED)
        return plain(run_ids, may_go, **more)

    monkeypatch.setattr(recorder, "delete", late)
    execution = until_ended(begin())
    assert Run.objects.count() == 2
    assert (execution.deleted_runs, execution.skipped) == (0, 2)


# -- A dry run -------------------------------------------------------------------------------


def test_a_dry_run_counts_and_writes_nothing(version, folder, monkeypatch):
    monkeypatch.setattr(dry_run, "PAGE", 2)
    policy(delete_days=400)
    for days in range(5):
        ended(version, 100 + days)
    ended(version, 200, "failed")
    ended(version, 401)
    before = list(Run.objects.order_by("id").values()), Event.objects.count()
    execution = until_ended(begin(dry_run=True))
    assert execution.state == "finished"
    assert (execution.seen, execution.archived, execution.deleted_runs) == (7, 0, 0)
    workflow_id = version.workflow_id
    lines = [dict(zip(dry_run.TERM, line, strict=True)) for line in execution.report["terms"]]
    assert [(line["workflow"], line["state"], line["runs"], line["gone"]) for line in lines] == [
        (workflow_id, "completed", 6, 1), (workflow_id, "failed", 1, 0),
    ]  # fmt: skip
    ends = Run.objects.filter(state="completed").order_by("completed_at")
    told = [stamp(line.completed_at) for line in (ends.first(), ends.last())]
    assert [lines[0]["oldest"], lines[0]["newest"]] == told
    assert all(line["events"] * 50 < line["bytes"] < line["events"] * 5_000 for line in lines)
    assert execution.report["gone"] == 1
    assert (list(Run.objects.order_by("id").values()), Event.objects.count()) == before
    assert not stored(folder)
    assert not DoomedObject.objects.exists()
    done = until_ended(begin())
    assert (done.archived, done.deleted_runs) == (execution.seen, 1)


def test_a_dry_run_tells_by_workflow_what_would_go_for_good(version, folder, monkeypatch):
    monkeypatch.setattr(dry_run, "PAGE", 2)
    other = workflow("contracts")
    for days in (500, 510, 520):
        ended(version, days)
    ended(other, 505)
    until_ended(begin())
    kept = ended(workflow("letters"), 600)
    WorkflowPolicy.objects.create(
        workflow_id=Run.objects.get(pk=kept).workflow_id, completed_days=1_000
    )
    policy(delete_days=400)
    assert expected.going(timezone.now()) == (4, 0, False)
    execution = until_ended(begin(dry_run=True))
    lines = [dict(zip(dry_run.GONE, line, strict=True)) for line in execution.report["deleted"]]
    archives = Archive.objects.order_by("completed_at")
    of_version = [each for each in archives if each.run.workflow_id == version.workflow_id]
    assert lines[0] == {
        "workflow": version.workflow_id,
        "runs": 3,
        "bytes": sum(each.bytes for each in of_version),
        "oldest": stamp(of_version[0].completed_at),
        "newest": stamp(of_version[-1].completed_at),
    }
    assert (lines[1]["workflow"], lines[1]["runs"]) == (other.workflow_id, 1)
    assert (execution.report["gone"], execution.seen, execution.expected) == (4, 4, 4)
    past = set(archives.values_list("run_id", flat=True))
    done = until_ended(begin())
    assert (done.seen, done.expected, done.deleted_runs, done.archived) == (4, 4, 4, 0)
    assert {each.run_id for each in executions.deleted_by(done)} == past
    assert not executions.deleted_by(execution).exists()
    with as_for_many_rows():
        assert "deleted_runs_times" in executions.deleted_by(done)[:51].explain()


def test_what_goes_for_good_is_counted_before_it_does(version, folder):
    ended(version, 500)
    assert expected.going(timezone.now()) == (0, 0, False)
    policy(delete_days=400)
    assert expected.going(timezone.now()) == (0, 1, False)
    execution = until_ended(begin())
    # It was archived, and then deleted.
    assert (execution.expected, execution.seen) == (2, 2)
    assert (execution.archived, execution.deleted_runs) == (1, 1)


def test_its_record_has_the_days_of_every_workflow(version, folder):
    other = workflow("contracts")
    WorkflowPolicy.objects.create(workflow_id=other.workflow_id, completed_days=10, failed_days=20)
    WorkflowPolicy.objects.create(workflow_id=version.workflow_id, never_deleted=True)
    policy(delete_days=400)
    assert begin().options["policy"] == {
        "completed_days": 90, "failed_days": 180, "terminated_days": 30, "delete_days": 400,
        "workflows": {
            "contracts": {"completed_days": 10, "failed_days": 20},
            "invoice_processing": {"never_deleted": True},
        },
    }  # fmt: skip


def test_an_aborted_one_has_seen_what_it_did_and_says_who_and_why(
    version, folder, small_batches, monkeypatch
):
    run_ids = [ended(version, 100 + days) for days in range(7)]
    execution = begin()
    for _ in range(20):
        work.work(execution.pk, 0)
        execution.refresh_from_db()
        if execution.cursor.get("queue") and execution.archived:
            break
    assert executions.abort(execution, by=ANNA, now=timezone.now(), reason="too late in the day")
    execution.refresh_from_db()
    assert execution.seen == execution.archived == logs_of(run_ids).count(ARCHIVED)
    assert 0 < execution.seen < 7
    assert (execution.aborted_by, execution.abort_reason) == ("anna", "too late in the day")


def test_what_was_in_its_way_stays_in_its_record(version, folder, monkeypatch):
    run_id = ended(version, 100)
    plain, calls = archiving.archive, []

    def away(*args, **more):
        calls.append(1)
        if len(calls) <= 2:
            raise objects.StorageAway("storage does not answer")
        return plain(*args, **more)

    monkeypatch.setattr(archiving, "archive", away)
    execution = until_ended(begin())
    assert logs_of([run_id]) == [ARCHIVED]
    assert execution.trouble == ""
    [wait] = execution.waits
    assert wait["why"] == "storage does not answer"
    assert stamp(execution.created_at) <= wait["since"] <= wait["until"]
    assert wait["until"] <= stamp(execution.ended_at)
    assert until_ended(begin()).waits is None


def test_a_dry_run_counts_of_what_came_late_only_that(version, folder):
    run_id = ended(version, 100)
    until_ended(begin())
    line = NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": "late"})
    recorder.record({run_id: [line]}, now=timezone.now())
    counted = until_ended(begin(dry_run=True))
    assert counted.events == 1
    assert [line[3] for line in counted.report["terms"]] == [1]
    assert until_ended(begin()).events == counted.events


# -- What is sent ----------------------------------------------------------------------------


def test_the_tick_wakes_what_rests_and_nothing_else(version, folder, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks, "send", sent.append)
    policy(is_on=False)
    now = timezone.now()
    rests, fresh, is_taken, waits, is_due, over = (begin() for _ in range(6))
    ago = now - timedelta(minutes=5)
    Execution.objects.exclude(pk=fresh.pk).update(moved_at=ago)
    Execution.objects.filter(pk=is_taken.pk).update(taken_until=now + timedelta(minutes=1))
    Execution.objects.filter(pk=waits.pk).update(next_at=now + timedelta(minutes=1))
    Execution.objects.filter(pk=is_due.pk).update(next_at=now)
    Execution.objects.filter(pk=over.pk).update(state="finished")
    tasks.tick()
    assert sorted(sent) == sorted([str(rests.pk), str(is_due.pk)])


def test_after_a_night_a_sample_is_checked_and_once_a_week_storage_is_swept(version, folder):
    def night(day):
        now = timezone.now() + timedelta(days=day)
        row = executions.begin("archive", by=executions.SCHEDULE, now=now, night=now.date())
        Execution.objects.filter(pk=row.pk).update(created_at=now)
        before = set(Execution.objects.values_list("pk", flat=True))
        until_ended(row)
        new = Execution.objects.exclude(pk__in=before)
        kinds = sorted(new.values_list("kind", flat=True))
        # As if it had been that day.
        new.update(created_at=now, state="finished")
        return kinds

    assert night(0) == ["check", "sweep"]
    assert night(1) == ["check"]
    Execution.objects.filter(kind="sweep").update(created_at=timezone.now() - timedelta(days=7))
    assert night(2) == ["check", "sweep"]
    begun = begin()
    until_ended(begun)
    # A person's own brings nothing after it.
    assert not Execution.objects.filter(state="running").exists()


def test_every_act_is_audited(version, folder):
    execution = begin(reason="quarter's end", dry_run=True)
    entry = AuditEntry.objects.get(action="begin archive")
    assert (entry.actor, entry.reason, entry.target_type) == ("anna", "quarter's end", "retention")
    assert entry.filter["dry_run"] is True
    assert entry.target_id == execution.public_id


def test_what_makes_no_sense_is_refused(version, folder):
    for kind, more in (
        ("burn", {}),
        ("check", {"dry_run": True}),
        ("check", {"options": {"most": 0}}),
        ("check", {"options": {"most": True}}),
        ("archive", {"options": {"most": 5}}),
    ):
        with pytest.raises(executions.NotPossible):
            begin(kind, **more)
    for _ in range(executions.MOST_RUNNING):
        begin()
    with pytest.raises(executions.NotPossible, match="10 executions"):
        begin()


def test_terms_are_found_by_their_index(version, folder):
    [term] = [
        each for each in terms.terms(terms.rules(), timezone.now()) if each.state == "completed"
    ]
    with as_for_many_rows():
        plan = terms.after(terms.due(term), term.before, Run().pk)[:100].explain()
    assert "jobs_to_archive" in plan
    assert "Sort" not in plan


def test_archives_past_their_second_term_are_found_by_their_age(version, folder):
    policy(delete_days=400)
    with as_for_many_rows():
        plan = terms.old(terms.rules(), timezone.now())[:100].explain()
    assert "archives_age" in plan
    assert "Sort" not in plan


def test_runs_past_their_second_term_are_found_among_many_that_are_kept(
    version, folder, monkeypatch
):
    monkeypatch.setattr(archive_work, "OLD_ONES", 3)
    monkeypatch.setattr(archive_work, "DELETED_TOGETHER", 2)
    kept = workflow("kept-for-ever")
    stay = [ended(kept, 500 + days) for days in range(10)]
    young = ended(version, 200)
    go = [ended(version, 495 + 4 * days) for days in range(5)]
    until_ended(begin())
    policy(delete_days=400)
    WorkflowPolicy.objects.create(
        workflow=kept.workflow, never_deleted=True, changed_at=timezone.now(), changed_by="anna"
    )
    told = until_ended(begin(dry_run=True))
    assert told.report["gone"] == 5
    execution = until_ended(begin())
    assert (execution.deleted_runs, execution.skipped, execution.errors) == (5, 0, 0)
    assert not Run.objects.filter(pk__in=go).exists()
    assert logs_of([*stay, young]) == [ARCHIVED] * 11
