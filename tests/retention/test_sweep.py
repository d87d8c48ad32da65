"""The orphan sweep: what storage has and nothing names, and what is named and not there."""

import os
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from retention import check, lost, sweep, work
from retention.models import Finding
from retention.taken import Taken
from runs import archive_names, doomed, ids, lifecycle, objects
from runs.bulk import export_work, operations
from runs.models import Archive, DoomedObject, ExportPart, Run
from tests.plans import as_for_many_rows
from tests.retention.nightly import (
    ANNA,
    Killed,
    begin,
    ended,
    lease_is_over,
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
def archives(db):
    version = workflow()
    for days in range(7):
        ended(version, 100 + days)
    until_ended(begin())
    return list(Archive.objects.order_by("name"))


@pytest.fixture(params=[2, 3, 1_000])
def pages(request, monkeypatch):
    monkeypatch.setattr(sweep, "PAGE", request.param)


def put(folder, name, data=b"left over"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


def orphan(days=1):
    return archive_names.new_name(ids.new_id(), timezone.now() - timedelta(days=days), 3)


def export(folder, count=1):
    operation = operations.make(
        "export", by=ANNA, now=timezone.now(), chosen=[ids.new_id()], options={"format": "csv"}
    )
    for number in range(count):
        name = put(folder, export_work._name_of(operation))
        ExportPart.objects.create(
            operation=operation, number=number, name=name, runs=1, events=1, missing=0,
            bytes=1, unpacked=1, sha256="",
        )  # fmt: skip
    return operation


def found():
    return {
        (finding.object_name, finding.problem): finding.act for finding in Finding.objects.all()
    }


def test_where_all_is_as_it_should_be_nothing_is_found(archives, folder, pages):
    export(folder, 3)
    execution = until_ended(begin("sweep"))
    assert (execution.state, execution.found, execution.errors) == ("finished", 0, 0)
    assert execution.seen == 10
    assert execution.report == {
        "objects": 10, "rows": 7, "orphans": 0, "strange": 0, "lost": 0, "doomed": 0,
        "leftovers": 0,
    }  # fmt: skip
    assert len(stored(folder)) == 10
    assert not DoomedObject.objects.exists()


def test_what_nothing_names_goes_after_a_day(archives, folder, pages):
    operation = export(folder)
    orphans = {
        put(folder, orphan(1)), put(folder, orphan(400)), put(folder, orphan(4_000)),
        put(folder, export_work._name_of(operation)),
        put(folder, f"exports/{ids.encode('bulk', ids.new_id())}-0000000000-abcdefabcdef.csv.gz"),
    }  # fmt: skip
    execution = until_ended(begin("sweep"))
    assert found() == {(name, sweep.NOBODYS): "it is deleted in a day" for name in orphans}
    assert execution.report["orphans"] == execution.report["doomed"] == 5
    assert doomed.sweep(timezone.now() + timedelta(hours=23)) == 0
    assert doomed.sweep(timezone.now() + timedelta(hours=25)) == 5
    assert len(stored(folder)) == 8
    # The next one finds nothing more.
    assert until_ended(begin("sweep")).found == 0


def test_what_is_doomed_already_is_not_told_of(archives, folder):
    doomed.doom([put(folder, orphan())], "being written", now=timezone.now())
    assert until_ended(begin("sweep")).found == 0


def test_what_has_no_name_of_ours_is_left_alone(archives, folder, pages):
    name, run = orphan(), ids.encode("run", ids.new_id())
    part = f"exports/{ids.encode('bulk', ids.new_id())}-0000000000-abcdefabcdef.csv.gz"
    names = [
        "archive/README", "exports/notes.txt",
        # Copies that somebody made.
        f"{name}.bak", f"{name} (1)", f"{archives[0].name}.bak", f"archive/old/2024/{run}.24.zst",
        name.replace("archive/", "archive/old/"), f"archive/{run}.24.zst", f"archive/2024/{run}",
        name.replace(".zst", ".0.zst"), name.replace(".3.", ".03."), f"{name}\n",
        name.replace("run_", "RUN_"), name.replace("run_", "job_"), f"{part}.bak", f"{part}~",
        part.replace("exports/", "exports/old/"), part.replace(".csv", ".xlsx"),
        f"exports/{ids.encode('bulk', ids.new_id())}-notes",
        # Longer than a column.
        f"archive/2024/01/02/{run}.{'9' * 200}.zst", f"archive/{'long/' * 100}{run}.24.zst",
        f"exports/{ids.encode('bulk', ids.new_id())}-{'0' * 180}-abcdefabcdef.csv.gz",
        f"exports/{ids.encode('bulk', ids.new_id())}-{'a' * 200}",
    ]  # fmt: skip
    for each in names:
        put(folder, each)
    # No text, and thus nothing that a row can hold.
    (folder / os.fsdecode(b"archive/\xff")).write_bytes(b"")
    execution = until_ended(begin("sweep"))
    assert execution.state == "finished"
    assert found() == {(each[:300], sweep.STRANGE): "left alone" for each in names}
    assert not DoomedObject.objects.exists()


def test_rows_without_objects_are_told_of_and_marked(archives, folder, pages):
    for archive in (archives[0], archives[3], archives[6]):
        (folder / archive.name).unlink()
    # One has another object that nothing names.
    put(folder, archive_names.new_name(archives[3].pk, timezone.now(), 99))
    part = export(folder).parts.get()
    (folder / part.name).unlink()
    execution = until_ended(begin("sweep"))
    gone = {archives[0].pk, archives[3].pk, archives[6].pk}
    marked = Archive.objects.exclude(problem="")
    assert set(marked.values_list("pk", flat=True)) == gone
    assert set(marked.values_list("problem", flat=True)) == {"its object is not in storage"}
    told = Finding.objects.filter(problem=sweep.LOST)
    assert {(each.run_id, each.act) for each in told} == {(pk, check.MARKED) for pk in gone}
    assert Finding.objects.filter(object_name=part.name).exists()
    assert (execution.errors, execution.report["lost"]) == (4, 4)


def waits(execution):
    """What it waits for, slice after slice."""
    for _ in range(3):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    execution.refresh_from_db()
    assert execution.is_running
    return execution.trouble


def test_a_folder_that_is_not_mounted_takes_no_night_in_after_a_sweep(archives, folder, tmp_path):
    """Nor after a sample that is read again, as after each night."""
    (folder / "archive").rename(folder / "unmounted")
    late = ended(archives[0].run.version, 200)
    begun = [begin("sweep"), begin("sweep", dry_run=True), begin("check", options={"most": 5})]
    begun += [begin("sweep", options={"however_many": True}), begin()]
    for execution in begun:
        assert waits(execution).startswith("Storage answers, but has none of the 4 archives")
    assert not Archive.objects.exclude(problem="").exists()
    assert not Finding.objects.exists()
    assert not (folder / "archive").exists()
    assert Run.objects.get(pk=late).logs == "live"
    # It is mounted again.
    (folder / "unmounted").rename(folder / "archive")
    for execution in begun:
        assert (until_ended(execution).state, execution.errors) == ("finished", 0)
    assert Run.objects.get(pk=late).logs == "archived"


def test_a_folder_that_is_lost_in_the_middle_marks_nothing(archives, folder, monkeypatch):
    monkeypatch.setattr(sweep, "PAGE", 3)
    sweeping, checking = begin("sweep"), begin("check", options={"most": 6})
    monkeypatch.setattr(check, "BATCH", 3)
    for execution in (sweeping, checking):
        work.work(execution.pk, 0)
        lease_is_over(execution)
    (folder / "archive").rename(folder / "unmounted")
    for execution in (sweeping, checking):
        assert "has none of the" in waits(execution)
    assert not Archive.objects.exclude(problem="").exists()


def test_what_is_lost_for_good_is_marked_by_a_check_of_all(archives, folder):
    for archive in archives:
        (folder / archive.name).unlink()
    assert until_ended(begin("check", options={"most": None, "however_many": True})).errors == 7
    late = ended(archives[0].run.version, 200)
    assert (until_ended(begin()).archived, Run.objects.get(pk=late).logs) == (1, "archived")
    assert until_ended(begin("sweep")).report["lost"] == 7


@pytest.mark.parametrize(("few", "part", "many"), [(2, 10, True), (3, 10, False), (2, 2, False)])
def test_too_many_to_be_lost_are_left_to_a_person(few, part, many, archives, folder, monkeypatch):
    monkeypatch.setattr(lost, "FEW", few)
    monkeypatch.setattr(lost, "PART", part)
    monkeypatch.setattr(lost, "ASKED", 2)
    for archive in archives[2:5]:
        (folder / archive.name).unlink()
    execution = until_ended(begin("sweep"))
    assert (execution.report["lost"], execution.errors) == (3, 3 + many)
    assert Archive.objects.exclude(problem="").count() == (0 if many else 3)
    if many:
        told = Finding.objects.latest("id")
        assert "of 3 of 7 archives there is no whole object" in told.problem
        assert told.act == "none of them was marked"
        assert set(found().values()) == {"", told.act}
        until_ended(begin("sweep", options={"however_many": True}))
        assert Archive.objects.exclude(problem="").count() == 3


def test_what_is_there_again_before_it_is_marked_is_not(archives, folder, monkeypatch):
    """As where a folder was mounted a moment after it had been listed."""
    path = folder / archives[3].name
    path.rename(folder / "aside")
    plain = sweep._STEPS["lost"]

    def there_by_now(taken, cursor):
        if not path.exists():
            (folder / "aside").rename(path)
        return plain(taken, cursor)

    monkeypatch.setitem(sweep._STEPS, "lost", there_by_now)
    assert until_ended(begin("sweep")).found == 1
    assert not Archive.objects.exclude(problem="").exists()


def test_an_object_of_another_size_is_told_of(archives, folder):
    path = folder / archives[2].name
    path.write_bytes(path.read_bytes() + b"!")
    until_ended(begin("sweep"))
    finding = Finding.objects.get()
    assert finding.run_id == archives[2].pk
    assert f"has {archives[2].bytes + 1} bytes, and {archives[2].bytes} were put" in finding.problem


def test_a_dry_run_only_tells(archives, folder):
    name = put(folder, orphan())
    (folder / archives[1].name).unlink()
    execution = until_ended(begin("sweep", dry_run=True))
    assert execution.found == 2
    assert found() == {(name, sweep.NOBODYS): "", (archives[1].name, sweep.LOST): ""}
    assert not DoomedObject.objects.exists()
    assert not Archive.objects.exclude(problem="").exists()


def test_too_many_to_be_left_over_are_left_to_a_person(archives, folder, monkeypatch):
    monkeypatch.setattr(lost, "FEW", 2)
    names = {put(folder, orphan(days)) for days in range(3)}
    execution = until_ended(begin("sweep"))
    assert not DoomedObject.objects.exists()
    told = Finding.objects.latest("id")
    assert "nothing names 3 of 10 objects" in told.problem
    assert (told.act, execution.errors) == ("nothing was deleted", 1)
    until_ended(begin("sweep", options={"however_many": True}))
    assert set(DoomedObject.objects.values_list("name", flat=True)) == names


def test_what_was_named_meanwhile_is_not_doomed(archives, folder, monkeypatch):
    """Found before its row was there, and looked at again at the end."""
    late = archives[4]
    fields = {
        field.attname: getattr(late, field.attname) for field in Archive._meta.concrete_fields
    }
    late.delete()
    plain = sweep._STEPS["doom"]

    def named_by_now(taken, cursor):
        Archive.objects.get_or_create(pk=fields["run_id"], defaults=fields)
        return plain(taken, cursor)

    monkeypatch.setitem(sweep._STEPS, "doom", named_by_now)
    execution = until_ended(begin("sweep"))
    assert (execution.report["orphans"], execution.report["doomed"]) == (1, 0)
    assert not DoomedObject.objects.exists()


def test_a_run_deleted_between_the_two_looks_is_no_finding(archives, folder, monkeypatch):
    plain = sweep._rows

    def later(after, upto):
        rows = plain(after, upto)
        lifecycle.delete(Run.objects.filter(pk=archives[0].pk), by=ANNA)
        doomed.sweep(timezone.now())
        return rows

    monkeypatch.setattr(sweep, "_rows", later)
    assert until_ended(begin("sweep")).found == 0


def test_what_killed_writers_left_is_removed(archives, folder):
    old, fresh = folder / "archive/.draft-old", folder / "archive/.draft-fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 200_000,) * 2)
    assert until_ended(begin("sweep")).report["leftovers"] == 1
    assert fresh.exists()
    assert not old.exists()


def test_what_killed_writers_left_is_looked_for_slice_by_slice(archives, folder):
    paths = [
        folder / f"archive/2020/01/{day:02}/.draft-{letter}"
        for day in range(1, 8)
        for letter in "ab"
    ]
    paths.append(folder / "exports/.draft-c")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 200_000,) * 2)
    execution, left = begin("sweep"), []
    while execution.is_running:
        work.work(execution.pk, 0)
        execution.refresh_from_db()
        if execution.cursor.get("phase") == "leftovers":
            left.append(execution.report["leftovers"])
    # A folder at a time.
    assert {2, 4, 6, 8, 10, 12, 14, 15} <= set(left)
    assert left == sorted(left)
    assert (execution.state, execution.report["leftovers"]) == ("finished", 15)
    assert not list(folder.rglob(".draft-*"))


def test_killed_at_any_step_it_finds_the_same(archives, folder, monkeypatch):
    monkeypatch.setattr(sweep, "PAGE", 2)
    orphans = {put(folder, orphan(days)) for days in (1, 50, 150)}
    (folder / archives[5].name).unlink()

    for before in (True, False):
        plain, calls = Taken.commit, 0

        def dies(self, *args, plain=plain, before=before, **more):
            nonlocal calls
            calls += 1
            if before and calls % 2:
                raise Killed
            came = plain(self, *args, **more)
            if not before and calls % 2:
                raise Killed
            return came

        execution = begin("sweep")
        with monkeypatch.context() as patch:
            patch.setattr(Taken, "commit", dies)
            for _ in range(60):
                try:
                    work.work(execution.pk, 30)
                except Killed:
                    connection.close()
                execution.refresh_from_db()
                if not execution.is_running:
                    break
                lease_is_over(execution)
        names = Finding.objects.filter(execution=execution, problem=sweep.NOBODYS)
        assert sorted(names.values_list("object_name", flat=True)) == sorted(orphans)
        assert (execution.state, execution.errors, execution.seen) == ("finished", 1, 9)
        assert execution.report["doomed"] == 3
        DoomedObject.objects.all().delete()


def test_storage_that_is_away_marks_nothing(archives, folder, monkeypatch):
    plain, away = objects.names, [True]

    def names(*args):
        if away:
            raise objects.StorageAway("Object storage cannot be reached")
        return plain(*args)

    monkeypatch.setattr(objects, "names", names)
    execution = begin("sweep")
    work.work(execution.pk, 0)
    execution.refresh_from_db()
    assert execution.trouble == "Object storage cannot be reached"
    assert not Finding.objects.exists()
    away.clear()
    lease_is_over(execution)
    assert until_ended(execution).found == 0


def test_rows_are_read_in_the_order_of_names_by_an_index(archives):
    with as_for_many_rows(), connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sweep._ROWS, ["archive/", "archive/9", 100])
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "Index Scan using archives_name" in plan
    assert "Sort" not in plan
