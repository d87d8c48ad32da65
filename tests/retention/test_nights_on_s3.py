"""A night, a sweep and a check on a real S3 server, and what may come in between."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retention import archive_work, sweep, work
from retention.models import Finding
from runs import archive_names, doomed, ids
from runs.models import Archive, DoomedObject, Event, Run
from runs.states import LogState
from tests.retention.nightly import (
    begin,
    ended,
    lease_is_over,
    logs_of,
    policy,
    until_ended,
    workflow,
)
from tests.seaweed import Answer, CutOff, Swallow

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVED = LogState.ARCHIVED


@pytest.fixture
def version(db, monkeypatch):
    monkeypatch.setattr(archive_work, "BATCH", 3)
    monkeypatch.setattr(sweep, "PAGE", 3)
    policy()
    return workflow()


def archive_keys(bucket):
    return sorted(key for key in bucket.keys() if key.startswith("archive/"))  # noqa: SIM118


def test_a_night_a_sweep_and_a_check_agree(version, settings, bucket):
    settings.STORAGES = bucket.storages()
    run_ids = [ended(version, 100 + days) for days in range(7)]
    night = until_ended(begin())
    assert (night.state, night.archived, night.errors) == ("finished", 7, 0)
    assert logs_of(run_ids) == [ARCHIVED] * 7
    assert archive_keys(bucket) == sorted(Archive.objects.values_list("name", flat=True))
    swept = until_ended(begin("sweep"))
    assert (swept.seen, swept.found, swept.bytes) == (7, 0, night.bytes)
    checked = until_ended(begin("check", options={"most": None}))
    assert (checked.verified, checked.errors) == (7, 0)


def test_orphans_and_losses_are_found_in_the_order_of_names(version, settings, bucket):
    settings.STORAGES = bucket.storages()
    for days in range(7):
        ended(version, 100 + days)
    until_ended(begin())
    names = archive_keys(bucket)
    orphans = {
        archive_names.new_name(ids.new_id(), timezone.now() - timedelta(days=days), 3)
        for days in (1, 103, 3_000)
    }
    for name in orphans:
        bucket.client().put_object(Bucket=bucket.name, Key=name, Body=b"left over")
    bucket.client().delete_object(Bucket=bucket.name, Key=names[4])
    execution = until_ended(begin("sweep"))
    found = Finding.objects.filter(execution=execution)
    assert set(found.filter(problem=sweep.NOBODYS).values_list("object_name", flat=True)) == orphans
    assert found.get(problem=sweep.LOST).object_name == names[4]
    assert execution.report["doomed"] == 3
    doomed.sweep(timezone.now() + 2 * sweep.GRACE)
    assert archive_keys(bucket) == sorted(set(names) - {names[4]})


@pytest.mark.long
def test_a_server_that_dies_in_the_middle_stops_it_and_it_goes_on_after(
    version, settings, bucket, seaweed
):
    settings.STORAGES = bucket.storages()
    policy(delete_days=400)
    run_ids = [ended(version, 100 + days) for days in range(9)]
    old = ended(version, 500)
    execution = begin()
    while not execution.archived:
        work.work(execution.pk, 0)
        lease_is_over(execution)
        execution.refresh_from_db()
    done = execution.archived
    assert done < 9
    seaweed.kill()
    for _ in range(3):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    assert bucket.name in execution.trouble or "storage" in execution.trouble.lower()
    assert Run.objects.filter(pk=old).exists()
    live = Run.objects.filter(logs=LogState.LIVE)
    assert all(Event.objects.filter(run=run).count() == run.last_seq for run in live)
    seaweed.start()
    execution = until_ended(execution)
    assert (execution.state, execution.trouble) == ("finished", "")
    assert logs_of(run_ids) == [ARCHIVED] * 9
    assert (execution.archived, execution.deleted_runs) == (10, 1)


@pytest.mark.parametrize(
    ("fault", "method"),
    [(Answer(503), "PUT"), (Answer(500), "GET"), (CutOff(20), "GET"), (Answer(403), "PUT")],
)
def test_what_fails_for_a_while_is_waited_for(fault, method, version, settings, bucket, between):
    settings.STORAGES = bucket.storages(between)
    run_ids = [ended(version, 100 + days) for days in range(4)]
    between.meets(fault, method=method, path="archive/")
    execution = begin()
    for _ in range(6):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    assert execution.trouble
    assert logs_of(run_ids) == [LogState.LIVE] * 4
    between.heal()
    execution = until_ended(execution)
    assert (execution.state, execution.archived) == ("finished", 4)
    DoomedObject.objects.update(due_at=timezone.now())
    doomed.sweep(timezone.now())
    assert archive_keys(bucket) == sorted(Archive.objects.values_list("name", flat=True))


def test_what_storage_loses_is_no_reason_to_delete(version, settings, bucket, between):
    settings.STORAGES = bucket.storages(between)
    run_ids = [ended(version, 100 + days) for days in range(4)]
    between.meets(Swallow(), method="PUT", path="archive/")
    execution = until_ended(begin())
    assert (execution.state, execution.archived, execution.errors) == ("finished", 0, 4)
    assert logs_of(run_ids) == [LogState.LIVE] * 4
    problems = Finding.objects.values_list("problem", flat=True)
    assert all("did not come back" in problem for problem in problems)
    between.heal()
    assert until_ended(begin()).archived == 4


def test_a_bucket_that_is_not_there_is_told_of_with_what_to_do(version, settings, bucket):
    settings.STORAGES = bucket.storages(S3_BUCKET="nobodys-bucket")
    ended(version, 100)
    execution = begin()
    for _ in range(4):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert "has no bucket nobodys-bucket: make it, or set S3_BUCKET" in execution.trouble
