"""Logs on their way to storage and back: byte for byte, whenever whoever does it is killed."""

import hashlib
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from runs import (
    archiving,
    coldstore,
    doomed,
    lifecycle,
    objects,
    recorder,
    recorder_archive,
    restoring,
)
from runs.actors import Actor
from runs.models import Archive, DoomedObject, Event, Run
from runs.rows import NewEvent
from runs.states import Kind, LogState
from tests.runs.stories import Story, node, publish

pytestmark = pytest.mark.django_db(transaction=True)

ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
ODD = {"number": 1, "text": "ä\n\u2028", "deep": [[{"a": None}]]}


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def in_a_folder(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


@pytest.fixture
def version(db):
    return publish(node("ocr"), node("extract", "ocr"))


def told(version, lines=3, **more):
    """A failed run with some lines."""
    story = Story(version, **more)
    story.at(1).tell(
        NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"}),
        *(
            NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": f"line {i}", **ODD})
            for i in range(lines)
        ),
    )
    story.at(2).tell(
        NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": "failed", "reason": "no"})
    )
    return story


def late(story, text="late"):
    recorder.record(
        {story.id: [NewEvent(Kind.LOG, node="ocr", data={"level": "info", "message": text})]},
        now=timezone.now(),
    )


def rows(run_id):
    """All columns of its events, as PostgreSQL has them, and their SHA-256."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_tracking::text FROM event_tracking WHERE run_id = %s ORDER BY seq",
            [run_id],
        )
        found = [row for (row,) in cursor.fetchall()]
    return found, hashlib.sha256("\n".join(found).encode()).hexdigest()


def restore(*stories, days=7):
    run_ids = [story.id for story in stories]
    now = timezone.now()
    fetched = restoring.fetch(run_ids)
    with transaction.atomic():
        return restoring.finish(fetched, run_ids, until=now + timedelta(days=days), now=now)


def stored(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_log_comes_back_as_the_rows_that_went(version, in_a_folder):
    stories = [told(version, lines) for lines in (0, 3, 40)]
    before = {story.id: rows(story.id) for story in stories}
    result = archiving.archive([story.id for story in stories])
    assert result.archived == set(before)
    assert result.verified == 3
    assert result.deleted_events == sum(len(found) for found, _ in before.values())
    assert not Event.objects.exists()
    assert {run.logs for run in Run.objects.all()} == {LogState.ARCHIVED}
    assert len(stored(in_a_folder)) == 3
    assert restore(*stories).done.keys() == before.keys()
    assert {story.id: rows(story.id) for story in stories} == before
    assert {run.logs for run in Run.objects.all()} == {LogState.RESTORED}


def test_numbers_keep_all_their_digits(version):
    story = told(version)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event_tracking (run_id, seq, kind, node, actor, at, recorded_at, data)"
            " SELECT id, last_seq + 1, 'log', '', '', now(), now(),"
            ' \'{"a": 1.00, "b": 123456789012345678901234567890.10, "c": 1e400}\'::jsonb'
            " FROM jobs WHERE id = %s",
            [story.id],
        )
        cursor.execute("UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %s", [story.id])
    before = rows(story.id)
    archiving.archive([story.id])
    restore(story)
    assert rows(story.id) == before


def test_what_is_open_or_held_or_has_gaps_stays(version, in_a_folder):
    open_, held, gaps = Story(version), told(version), told(version)
    lifecycle.hold(Run.objects.filter(pk=held.id), by=ANNA)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('runs.purge', 'on', false)")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq = 3", [gaps.id])
        cursor.execute("SELECT set_config('runs.purge', 'off', false)")
    count = Event.objects.count()
    result = archiving.archive([open_.id, held.id, gaps.id])
    assert result.skipped == {open_.id: archiving.OPEN, held.id: archiving.HELD}
    assert "events 1 to 6 there are 5" in result.failed[gaps.id]
    assert Event.objects.count() == count
    assert not stored(in_a_folder)


def test_what_comes_late_continues_the_numbering_and_is_archived_in_its_turn(version, in_a_folder):
    story = told(version)
    archiving.archive([story.id])
    [first] = stored(in_a_folder)
    late(story)
    assert story.run.logs == LogState.PARTLY
    assert [event.seq for event in Event.objects.all()] == [7]
    late(story)
    archiving.archive([story.id])
    assert story.run.logs == LogState.ARCHIVED
    assert not Event.objects.exists()
    # The former one goes when nobody reads it any more.
    assert DoomedObject.objects.get().name == first
    doomed.sweep(timezone.now() + timedelta(hours=2))
    assert stored(in_a_folder) == [story.run.archive.name]
    restore(story)
    assert [event.seq for event in Event.objects.order_by("seq")] == [*range(1, 9)]


def test_a_restored_log_expires_again_without_being_put_again(version, in_a_folder):
    story = told(version)
    before = rows(story.id)
    archiving.archive([story.id])
    [name] = stored(in_a_folder)
    restore(story)
    assert story.run.archive.expires_at > timezone.now()
    result = archiving.archive([story.id])
    assert result.archived == {story.id}
    assert stored(in_a_folder) == [name]
    assert not DoomedObject.objects.exists()
    assert story.run.archive.expires_at is None
    restore(story)
    late(story)
    archiving.archive([story.id])
    restore(story)
    assert rows(story.id)[0][:6] == before[0]
    assert len(rows(story.id)[0]) == 7


def test_a_deleted_run_takes_its_object_with_it(version, in_a_folder):
    story = told(version)
    archiving.archive([story.id])
    lifecycle.delete(Run.objects.filter(pk=story.id), by=ANNA)
    assert not Archive.objects.exists()
    doomed.sweep(timezone.now())
    assert not stored(in_a_folder)


def test_a_retry_reads_its_input_from_the_archive(version):
    story = told(version, data={"document": "inv-1.pdf", "pages": [1, 2]})
    archiving.archive([story.id])
    outcome = lifecycle.retry(Run.objects.filter(pk=story.id), by=ANNA)
    new = outcome.done[story.id]
    assert Event.objects.get(run=new, seq=1).data["input"] == {
        "document": "inv-1.pdf",
        "pages": [1, 2],
    }
    assert lifecycle.input_of(story.run)["document"] == "inv-1.pdf"


def test_a_retry_whose_object_is_lost_says_so(version):
    story = told(version)
    archiving.archive([story.id])
    objects.delete_many([story.run.archive.name])
    outcome = lifecycle.retry(Run.objects.filter(pk=story.id), by=ANNA)
    assert "not whole" in outcome.skipped[story.id]


def test_an_object_that_is_in_use_is_not_swept(version, in_a_folder, caplog):
    story = told(version)
    archiving.archive([story.id])
    name = story.run.archive.name
    doomed.doom([name, "archive/nobodys"], "by mistake", now=timezone.now())
    assert doomed.sweep(timezone.now()) == 1
    assert stored(in_a_folder) == [name]
    assert not DoomedObject.objects.exists()
    assert name in caplog.text


def test_two_archivers_make_one_object_and_lose_nothing(version, in_a_folder):
    stories = [told(version) for _ in range(20)]
    run_ids = [story.id for story in stories]
    results = []

    def one():
        try:
            results.append(archiving.archive(run_ids, threads=4))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert set.union(*(result.archived for result in results)) == set(run_ids)
    doomed.sweep(timezone.now() + timedelta(days=1))
    assert len(stored(in_a_folder)) == 20
    assert set(Archive.objects.values_list("name", flat=True)) == set(stored(in_a_folder))
    restore(*stories)
    assert all(len(rows(run_id)[0]) == 6 for run_id in run_ids)


@pytest.mark.parametrize("step", ["put_new", "read", "name", "purge", "settle"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_is_killed_has_lost_nothing(version, in_a_folder, monkeypatch, step, when):
    stories = [told(version) for _ in range(3)]
    before = {story.id: rows(story.id) for story in stories}
    place = objects if step in ("put_new", "read") else recorder_archive
    original = getattr(place, step)
    calls = []

    def killed(*args, **kwargs):
        calls.append(1)
        # In the middle of the objects, where there are several.
        if len(calls) < 2 and place is objects:
            return original(*args, **kwargs)
        if when == "after":
            original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(place, step, killed)
    with pytest.raises(Killed):
        archiving.archive(list(before), threads=1)
    monkeypatch.setattr(place, step, original)
    for story in stories:
        there = story.run.logs in (LogState.LIVE, LogState.ARCHIVING)
        assert there
    archiving.archive(list(before))
    assert {run.logs for run in Run.objects.all()} == {LogState.ARCHIVED}
    assert not Event.objects.exists()
    doomed.sweep(timezone.now() + timedelta(days=1))
    assert set(Archive.objects.values_list("name", flat=True)) == set(stored(in_a_folder))
    assert not DoomedObject.objects.exists()
    restore(*stories)
    assert {story.id: rows(story.id) for story in stories} == before


@pytest.mark.parametrize("spoil", ["lost", "cut", "other"])
def test_storage_that_does_not_give_back_what_it_took_is_caught(
    version, in_a_folder, monkeypatch, spoil
):
    story, other = told(version), told(version, 9)
    count = Event.objects.count()
    archiving.archive([other.id])
    put = objects.put_new

    def bad(name, file, size):
        if spoil == "lost":
            return True
        kept = put(name, file, size)
        path = in_a_folder / name
        if spoil == "cut":
            path.write_bytes(path.read_bytes()[:-20])
        else:
            path.write_bytes((in_a_folder / other.run.archive.name).read_bytes())
        return kept

    monkeypatch.setattr(objects, "put_new", bad)
    result = archiving.archive([story.id])
    assert "did not come back" in result.failed[story.id]
    assert Event.objects.count() == 6 < count
    assert story.run.logs == LogState.LIVE
    monkeypatch.setattr(objects, "put_new", put)
    # What was spoilt goes first, at once; the next night makes it anew.
    doomed.sweep(timezone.now())
    assert archiving.archive([story.id]).archived == {story.id}


def test_an_object_that_is_lost_before_the_purge_is_caught(version, in_a_folder, monkeypatch):
    story = told(version)
    before = rows(story.id)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(recorder_archive, "leaving", killed)
        with pytest.raises(Killed):
            archiving.archive([story.id])
    assert story.run.logs == LogState.ARCHIVING
    (in_a_folder / story.run.archive.name).unlink()
    result = archiving.archive([story.id])
    assert "stays in the database" in result.failed[story.id]
    assert story.run.logs == LogState.LIVE
    assert rows(story.id) == before


def test_what_was_fetched_before_the_run_was_archived_once_more_is_not_put_back(version):
    story = told(version)
    archiving.archive([story.id])
    fetched = restoring.fetch([story.id])
    late(story)
    archiving.archive([story.id])
    now = timezone.now()
    outcome = restoring.finish(fetched, [story.id], until=now, now=now)
    assert outcome.skipped == {story.id: "it was changed meanwhile"}
    assert story.run.logs == LogState.ARCHIVED
    assert not Event.objects.exists()


def test_a_long_log_goes_and_comes_in_pieces(version, monkeypatch):
    story = told(version, 60)
    before = rows(story.id)
    for module in (archiving, restoring):
        monkeypatch.setattr(module, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)
    monkeypatch.setattr(recorder_archive, "PAGE_EVENTS", 10)
    purges = []
    purge = recorder_archive.purge
    monkeypatch.setattr(
        recorder_archive, "purge", lambda upto: purges.append(purge(upto)) or purges[-1]
    )
    archiving.archive([story.id])
    assert max(purges) == 7
    assert sum(purges) == 63
    restore(story)
    assert rows(story.id) == before


def test_restoring_that_was_not_ended_is_undone(version, monkeypatch):
    story = told(version, 60)
    before = rows(story.id)
    archiving.archive([story.id])
    monkeypatch.setattr(restoring, "TOGETHER", 7)
    monkeypatch.setattr(restoring, "FETCHED_EVENTS", 20)
    put_back = recorder_archive.put_back
    calls = []

    def killed(events):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        put_back(events)

    monkeypatch.setattr(recorder_archive, "put_back", killed)
    with pytest.raises(Killed):
        restoring.fetch([story.id])
    assert story.run.logs == LogState.RESTORING
    assert Event.objects.count() == 21
    late(story)
    now = timezone.now()
    assert restoring.undo_abandoned(now - timedelta(hours=1), 100) == []
    assert restoring.undo_abandoned(now + timedelta(hours=1), 100) == [story.id]
    archiving.archive([story.id])
    assert story.run.logs == LogState.PARTLY
    assert Event.objects.count() == 1
    monkeypatch.setattr(recorder_archive, "put_back", put_back)
    restore(story)
    assert rows(story.id)[0][: len(before[0])] == before[0]
    assert len(rows(story.id)[0]) == len(before[0]) + 1


def test_a_damaged_object_restores_nothing(version, in_a_folder):
    good, bad = told(version), told(version)
    archiving.archive([good.id, bad.id])
    path = in_a_folder / bad.run.archive.name
    path.write_bytes(path.read_bytes()[:-30])
    outcome = restore(good, bad)
    assert set(outcome.done) == {good.id}
    assert "not whole" in outcome.skipped[bad.id]
    assert bad.run.logs == LogState.ARCHIVED


def test_a_long_log_comes_back_in_pieces_of_a_size_whatever_its_events_hold(version, monkeypatch):
    story = told(version, 60)
    before = rows(story.id)
    archiving.archive([story.id])
    monkeypatch.setattr(restoring, "FETCHED_BYTES", 2_000)
    pieces = []
    put = restoring._put

    def counted(archive, piece, *more):
        pieces.append(sum(map(len, piece)))
        return put(archive, piece, *more)

    monkeypatch.setattr(restoring, "_put", counted)
    assert restore(story).done
    assert len(pieces) > 5
    assert max(pieces) <= 2_000
    assert rows(story.id) == before


def test_a_log_that_is_just_leaving_says_so(version):
    story = told(version)
    archiving.archive([story.id])
    Run.objects.filter(pk=story.id).update(logs=LogState.ARCHIVING)
    assert restore(story).skipped == {story.id: restoring.LEAVING}


def test_an_object_tells_what_it_is(version):
    story = told(version)
    archiving.archive([story.id])
    manifest = coldstore.check(objects.read(story.run.archive.name))
    assert manifest.about["run_id"] == story.public_id
    assert manifest.about["workflow"] == "invoice_processing"
    assert manifest.about["state"] == "failed"
    assert (manifest.events, manifest.first_seq, manifest.last_seq) == (6, 1, 6)
    assert Archive.objects.filter(last_seq=F("run__last_seq"), sha256=manifest.sha256).exists()
