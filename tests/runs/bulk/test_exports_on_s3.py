"""An export to a bucket ends as one to a folder does, whatever the bucket does meanwhile."""

import os
import tracemalloc
from itertools import count

import pytest
from asgiref.sync import async_to_sync

from runs import doomed, objects
from runs.bulk import exports, parts, tasks, work
from runs.models import BulkOperation, Event, ExportPart, Run
from tests.runs.bulk.test_exports import READERS, export, lines_of, log, named, swept, text_of
from tests.runs.bulk.test_work import finish
from tests.seaweed import Answer, CutOff, Hang, HangUp, LoseAnswer, Spoil, Swallow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def on_s3(settings, bucket, between, monkeypatch):
    settings.STORAGES = bucket.storages(between)
    monkeypatch.setattr(work, "_size", lambda operation: operation.rate or 3)


def goes_on(operation):
    """As a worker takes its message; whatever may be wrong."""
    BulkOperation.objects.update(taken_until=None)
    tasks.bulk_work(str(operation.pk))
    operation.refresh_from_db()


def ends_whole(operation, bucket, runs):
    BulkOperation.objects.update(taken_until=None)
    operation = finish(operation)
    assert (operation.state, operation.done, operation.trouble) == ("finished", len(runs), "")
    lines, end = lines_of(operation)
    assert sorted(line["id"] for line in lines) == sorted(str(Run(pk=run)) for run in runs)
    assert end["missing"] == 0
    swept()
    assert bucket.keys() == named()
    assert bucket.unfinished() == 0


@pytest.mark.parametrize("form", parts.FORMATS)
def test_it_is_the_same_document(make_run, bucket, form):
    runs = [make_run(*map(log, range(number))) for number in (0, 1, 5, 40)]
    operation = finish(export(form, with_logs=True))
    found, end = READERS[form](text_of(operation))
    assert found == {
        str(Run(pk=run)): list(
            Event.objects.filter(run=run).order_by("seq").values_list("seq", "data")
        )
        for run in runs
    }
    assert end == {"runs": 4, "skipped": 0, "events": Event.objects.count(), "missing": 0}
    assert bucket.keys() == named()
    assert len(named()) == 2


def test_storage_that_is_away_in_the_middle_holds_it_up_and_shows(
    make_run, seaweed, bucket, caplog
):
    runs = [make_run() for _ in range(8)]
    operation = export()
    work.step(operation.pk)
    tasks._trouble.over()  # another test's
    caplog.clear()
    seaweed.stop()
    for _ in range(2):
        goes_on(operation)
        assert (operation.state, operation.visited) == ("running", 3)
        assert "cannot be reached" in operation.trouble
        assert "S3_ENDPOINT_URL" in operation.trouble
    # It is tried every few seconds.
    assert ["cannot be reached" in one.getMessage() for one in caplog.records] == [True]
    seaweed.start()
    ends_whole(operation, bucket, runs)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Answer(500), "see its log, and whether its disk is full"),
        (Answer(503, "SlowDown"), "too busy"),
        (Answer(403, "AccessDenied"), "S3_SECRET_ACCESS_KEY"),
        (Answer(404, "NoSuchBucket"), "make it, or set S3_BUCKET"),
        (HangUp(), "cannot be reached, or broke off"),
        (Hang(), "does not answer in time"),
    ],
    ids=str,
)
def test_a_bucket_that_fails_for_a_while_holds_it_up(
    make_run, settings, bucket, between, fault, said
):
    runs = [make_run() for _ in range(5)]
    operation = export()
    if fault == Hang():
        settings.STORAGES = bucket.storages(between, read_seconds=0.5)
    between.meets(fault, method="PUT")
    goes_on(operation)
    assert (operation.state, operation.visited) == ("running", 0)
    assert said in operation.trouble
    between.heal()
    settings.STORAGES = bucket.storages(between)
    ends_whole(operation, bucket, runs)


def test_an_answer_that_was_lost_makes_no_second_file(make_run, bucket, between):
    runs = [make_run() for _ in range(5)]
    operation = export()
    between.meets(LoseAnswer(), method="PUT", times=1)
    operation = finish(operation)
    assert len(named()) == 2
    assert bucket.keys() == named()
    ends_whole(operation, bucket, runs)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Spoil(), exports.Damaged),
        (CutOff(300_000), objects.StorageAway),
        (Answer(500), objects.StorageAway),
    ],
    ids=str,
)
def test_a_download_that_cannot_be_whole_breaks_off(make_run, between, fault, raised):
    # Noise, so that packing leaves much of it.
    make_run(*(log(os.urandom(8_000).hex()) for _ in range(60)))
    operation = finish(export(with_logs=True))
    between.meets(fault, method="GET")
    with pytest.raises(raised):
        text_of(operation)
    between.heal()
    assert len(text_of(operation).splitlines()) == Event.objects.count() + 2


def test_a_file_that_storage_lost_breaks_the_download_off(make_run, between):
    make_run()
    between.meets(Swallow(), method="PUT")
    operation = finish(export())
    between.heal()
    with pytest.raises(objects.Missing):
        text_of(operation)


def test_a_large_file_is_given_without_being_in_memory_as_a_whole(
    make_run, settings, bucket, monkeypatch
):
    # What stands between would have it in this process's memory.
    settings.STORAGES = bucket.storages()
    make_run(*(log(os.urandom(100_000).hex()) for _ in range(150)))
    monkeypatch.setattr(parts, "PAGE_BYTES", 500_000)
    numbers = count()

    async def length(told):
        total = 0
        async for piece in exports.document(told):
            total += len(piece)
            next(numbers)
        return total

    operation = finish(export(with_logs=True))
    tracemalloc.start()
    try:
        total = async_to_sync(length)(exports.downloads(operation))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    stored = ExportPart.objects.get().bytes
    assert stored > 15_000_000
    assert total > 30_000_000
    assert next(numbers) > 20
    assert most < stored / 3


def test_files_that_are_past_their_time_leave_the_bucket(make_run, bucket):
    for _ in range(5):
        make_run()
    operation = finish(export())
    assert len(bucket.keys()) == 2
    until = exports.downloads(operation).until
    exports.sweep(until)
    doomed.sweep(until)
    assert bucket.keys() == []
    assert not exports.downloads(operation, until).is_ready
