"""The integrity check: what is not whole is told of, whatever else goes on."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from retention import check, taken, work
from retention.models import Execution, Finding
from retention.taken import take
from runs import lifecycle, objects
from runs.models import Archive, Run
from tests.plans import as_for_many_rows
from tests.retention.nightly import (
    ANNA,
    begin,
    ended,
    lease_is_over,
    policy,
    storage_in,
    until_ended,
    workflow,
)
from tests.seaweed import Hang

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    storage_in(settings, tmp_path)
    policy()
    return tmp_path


@pytest.fixture
def archives(db):
    version = workflow()
    for days in range(6):
        ended(version, 100 + days, lines=4)
    until_ended(begin())
    for days, archive in enumerate(Archive.objects.order_by("run_id")):
        Archive.objects.filter(pk=archive.pk).update(
            verified_at=timezone.now() - timedelta(days=10 - days)
        )
    return list(Archive.objects.order_by("verified_at"))


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(check, "BATCH", 2)


def spoil(folder, archive, how="bytes"):
    path = folder / archive.name
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def problems():
    return dict(Archive.objects.exclude(problem="").values_list("pk", "problem"))


def test_all_that_is_whole_is_verified(archives, small_batches):
    begun = timezone.now()
    execution = until_ended(begin("check", options={"most": None}))
    assert (execution.state, execution.seen, execution.verified) == ("finished", 6, 6)
    assert (execution.errors, execution.found) == (0, 0)
    assert execution.bytes == sum(archive.bytes for archive in archives)
    assert not Archive.objects.filter(verified_at__lt=begun).exists()


def test_a_sample_is_of_those_read_longest_ago(archives, small_batches):
    execution = until_ended(begin("check", options={"most": 3}))
    assert execution.seen == 3
    new = Archive.objects.filter(verified_at__gt=execution.created_at)
    assert set(new) == set(archives[:3])


@pytest.mark.parametrize(
    ("how", "told"),
    [("gone", "not in storage"), ("cut", "damaged"), ("bytes", "damaged")],
)
def test_what_is_spoilt_is_told_of_and_marked(how, told, archives, folder, small_batches):
    spoil(folder, archives[2], how)
    execution = until_ended(begin("check", options={"most": None}))
    assert (execution.seen, execution.verified, execution.errors) == (6, 5, 1)
    finding = Finding.objects.get(execution=execution)
    assert (finding.run_id, finding.object_name) == (archives[2].pk, archives[2].name)
    assert told in finding.problem
    assert problems().keys() == {archives[2].pk}


@pytest.mark.parametrize("most", [None, 3])
def test_no_check_calls_lost_what_may_not_be_mounted_unless_it_is_told_so(archives, folder, most):
    mounted, away = folder / "archive", folder / "away"
    mounted.rename(away)
    execution = begin("check", options={"most": most})
    work.work(execution.pk, 30)
    execution.refresh_from_db()
    assert "is its folder mounted" in execution.trouble
    assert not problems()
    told = until_ended(begin("check", options={"most": most, "however_many": True}))
    assert told.errors == (most or len(archives))
    assert len(problems()) == told.errors
    away.rename(mounted)
    until_ended(begin("check", options={"most": None}))
    assert not problems()


def test_an_object_of_another_run_in_its_place_is_told_of(archives, folder):
    (folder / archives[0].name).write_bytes((folder / archives[1].name).read_bytes())
    until_ended(begin("check", options={"most": None}))
    assert "another one" in Finding.objects.get().problem


def test_a_shorter_log_of_the_same_run_in_its_place_is_told_of(archives):
    Archive.objects.filter(pk=archives[0].pk).update(last_seq=archives[0].last_seq + 1)
    until_ended(begin("check", options={"most": None}))
    assert "another one" in Finding.objects.get().problem


def test_what_is_whole_again_is_no_longer_marked(archives, folder):
    path = folder / archives[5].name
    data = path.read_bytes()
    path.unlink()
    until_ended(begin("check", options={"most": None}))
    path.write_bytes(data)
    # It was read last, and is read again before all others.
    execution = until_ended(begin("check", options={"most": 1}))
    assert (execution.seen, execution.verified) == (1, 1)
    assert not problems()


def test_many_spoilt_ones_keep_no_sample_from_the_others(archives, folder, monkeypatch):
    monkeypatch.setattr(check, "MOST_KNOWN", 1)
    for archive in archives[:3]:
        spoil(folder, archive)
    until_ended(begin("check", options={"most": None}))
    execution = until_ended(begin("check", options={"most": 3}))
    assert (execution.seen, execution.verified, execution.errors) == (3, 2, 1)


def test_it_takes_no_offence_at_what_changed_while_it_read(archives, folder, monkeypatch):
    plain = check.judge

    def later(found):
        came = plain(found)
        lifecycle.delete(Run.objects.filter(pk=archives[0].pk), by=ANNA)
        Archive.objects.filter(pk=archives[1].pk).update(name="archive/another")
        return came

    spoil(folder, archives[0])
    spoil(folder, archives[1])
    monkeypatch.setattr(check, "judge", later)
    execution = until_ended(begin("check", options={"most": None}))
    assert execution.errors == 0
    assert not problems()


def test_storage_that_goes_away_marks_nothing_and_it_goes_on_after(
    archives, small_batches, monkeypatch
):
    plain, away = objects.read, [True]

    def read(name):
        if away and name == archives[3].name:
            raise objects.StorageAway("Object storage cannot be reached")
        return plain(name)

    monkeypatch.setattr(objects, "read", read)
    execution = begin("check", options={"most": None})
    for _ in range(6):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    assert execution.trouble == "Object storage cannot be reached"
    assert not problems()
    away.clear()
    execution = until_ended(execution)
    assert execution.state == "finished"
    assert not problems()
    assert not Archive.objects.filter(verified_at__lt=execution.created_at).exists()


def test_what_is_still_wrong_is_told_once_though_storage_goes_away(
    archives, folder, small_batches, monkeypatch
):
    Archive.objects.update(problem="its object is not in storage")
    known = list(Archive.objects.order_by("run_id"))
    monkeypatch.setattr(check, "BATCH", 6)
    for archive in (known[0], known[1], known[4]):
        spoil(folder, archive)
    plain, away = objects.read, [True]

    def read(name):
        if away and name == known[3].name:
            raise objects.StorageAway("The disk fails")
        return plain(name)

    monkeypatch.setattr(objects, "read", read)
    execution = begin("check", options={"most": None})
    for _ in range(4):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert (execution.trouble, execution.tries) == ("The disk fails", 4)
    # The two before it, and what is whole wherever it stands.
    assert (execution.seen, execution.errors, execution.verified) == (4, 2, 2)
    away.clear()
    execution = until_ended(execution)
    assert (execution.seen, execution.errors, execution.verified) == (6, 3, 3)
    told = Finding.objects.filter(execution=execution).values_list("run_id", flat=True)
    assert sorted(told) == [known[0].pk, known[1].pk, known[4].pk]


def test_storage_that_hangs_longer_than_the_lease_lasts_is_told_of(
    archives, settings, bucket, between, monkeypatch
):
    monkeypatch.setattr(taken, "LEASE", timedelta(seconds=0.3))
    settings.STORAGES = bucket.storages(between, read_seconds=3)
    between.meets(Hang())
    execution = begin("check", options={"most": None})

    def first():
        try:
            work.work(execution.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(first)
        until = time.monotonic() + 60
        while not between.count() or not (other := take(execution.pk, 1)):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert not working.done()
        working.result()
    execution.refresh_from_db()
    assert execution.taken_until == other.token
    assert "does not answer in time" in execution.trouble
    assert (execution.trouble_since is not None, execution.tries) == (True, 1)


def test_what_every_worker_loses_is_given_up_after_hours(archives):
    execution = begin("check")
    for hours, state in ((0, "running"), (7, "failed")):
        lost = take(execution.pk, 1)
        lease_is_over(execution)
        assert take(execution.pk, 1)
        if hours:
            Execution.objects.filter(pk=execution.pk).update(
                trouble_since=timezone.now() - timedelta(hours=hours)
            )
        lost.wait("Object storage does not answer in time")
        lease_is_over(execution)
        execution.refresh_from_db()
        assert (execution.state, bool(execution.trouble)) == (state, True)


def test_what_senders_sent_is_not_read(archives):
    mine = take(begin("check").pk, 1)
    Archive.objects.filter(pk=archives[0].pk).update(problem="it is damaged")
    for found in (check._known({}), check._others(mine, {})):
        assert "senders" in found.first().get_deferred_fields()


def test_the_next_are_found_by_an_index(archives):
    mine = take(begin("check").pk, 1)
    with as_for_many_rows():
        plan = check._others(mine, {"behind": check._behind(archives[1])})[:100].explain()
    assert "archives_verified" in plan
    assert "Sort" not in plan
