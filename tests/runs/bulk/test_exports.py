"""Exports of any size: no run twice, none lost, no file left over, whatever happens in between."""

import csv
import gzip
import io
import json
import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone

from runs import doomed, lifecycle, objects, recorder
from runs.bulk import export_work, exports, operations, parts, tasks, work
from runs.exports import event_line
from runs.models import AuditEntry, BulkOperation, BulkOutcome, DoomedObject, Event, ExportPart, Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.runs.bulk.test_work import BEN, begin, finish, outcomes
from tests.runs.conftest import changed

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def in_a_folder(settings, tmp_path, monkeypatch):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    monkeypatch.setattr(work, "_size", lambda operation: operation.rate or 3)
    return tmp_path


def log(number):
    return NewEvent(Kind.LOG, node="first", data={"level": "info", "message": f"line\n{number}"})


def export(form="ndjson", with_logs=False, **more):
    return begin("export", options={"format": form, "with_logs": with_logs}, reason="", **more)


async def _collected(told):
    return b"".join([piece async for piece in exports.document(told)])


def text_of(operation):
    return async_to_sync(_collected)(exports.downloads(operation)).decode()


def lines_of(operation):
    *lines, end = map(json.loads, text_of(operation).splitlines())
    return lines, end["export"]["completeness"]


def files(folder):
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*.gz"))


def named():
    return sorted(ExportPart.objects.values_list("name", flat=True))


def swept():
    """What is left once all that was abandoned has had its time."""
    doomed.sweep(timezone.now() + timedelta(hours=2))


def test_every_run_stands_in_it_once_with_its_figures(make_run, in_a_folder):
    runs = [make_run() for _ in range(8)]
    operation = finish(export())
    assert (operation.state, operation.done, operation.trouble) == ("finished", 8, "")
    lines, end = lines_of(operation)
    assert [line["id"] for line in lines] == [
        str(run) for run in Run.objects.newest_first()
    ]  # fmt: skip
    events = Event.objects.filter(run=runs[0]).count()
    assert {(each["events"], each["last_seq"], each["missing"]) for each in lines} == {
        (events, events, 0)
    }
    assert end == {"runs": 8, "skipped": 0, "events": 8 * events, "missing": 0}
    assert set(outcomes(operation)) == set(runs)
    assert ExportPart.objects.count() == 3
    assert files(in_a_folder) == named()
    assert not DoomedObject.objects.exists()


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("form", parts.FORMATS)
def test_logs_are_whole_and_in_order(make_run, monkeypatch, form, small):
    if small:
        monkeypatch.setattr(parts, "PAGE_EVENTS", 3)
        monkeypatch.setattr(parts, "PAGE_BYTES", 100)
        monkeypatch.setattr(exports, "GIVEN", 28)
    runs = [make_run(*map(log, range(count))) for count in (0, 1, 2, 10)]
    operation = finish(export(form, with_logs=True))
    found, end = READERS[form](text_of(operation))
    expected = {
        str(Run(pk=run)): list(
            Event.objects.filter(run=run).order_by("seq").values_list("seq", "data")
        )
        for run in runs
    }
    assert found == expected
    assert end == {
        "runs": 4, "skipped": 0, "events": Event.objects.count(), "missing": 0,
    }  # fmt: skip


def test_an_event_stands_in_it_as_in_the_file_of_a_run(make_run):
    run = make_run(NewEvent(Kind.LOG, actor='a "b"', data={"message": "ü\u2028 \\ \n", "n": 1.50}))
    text = text_of(finish(export("json", with_logs=True)))
    events = Event.objects.filter(run=run).order_by("seq")
    assert json.loads(text)["runs"][0]["logs"] == [event_line(event) for event in events]


def read_json(text):
    told = json.loads(text)
    found = {run["id"]: [(e["seq"], e["data"]) for e in run["logs"]] for run in told["runs"]}
    assert len(found) == len(told["runs"])
    return found, told["completeness"]


def read_ndjson(text):
    *lines, end = map(json.loads, text.splitlines())
    found = {}
    for line in lines:
        if "run" in line:
            found[line["run"]].append((line["seq"], line["data"]))
        else:
            assert found.setdefault(line["id"], []) == []
    return found, end["export"]["completeness"]


def read_csv(text):
    *rows, end = csv.DictReader(io.StringIO(text, newline=""))
    found = {}
    for row in rows:
        if row["row"] == "run":
            found[row["id"]] = []
        else:
            found[row["id"]].append((int(row["seq"]), json.loads(row["data"])))
    assert end["row"] == "end"
    count = int(end["id"].removesuffix(" runs"))
    figures = {name: int(end[name]) for name in ("events", "missing")}
    return found, {"runs": count, "skipped": 0, **figures}


READERS = {"json": read_json, "ndjson": read_ndjson, "csv": read_csv}


@pytest.mark.parametrize("form", parts.FORMATS)
def test_without_runs_it_is_a_file_as_well(db, form):
    operation = finish(export(form, with_logs=True))
    assert READERS[form](text_of(operation)) == (
        {}, {"runs": 0, "skipped": 0, "events": 0, "missing": 0},
    )  # fmt: skip


def test_a_csv_holds_no_formula(make_run):
    run = make_run()
    Run.objects.filter(pk=run).update(ref_type="order", ref_id="=cmd|' /C calc'!A0")
    recorder.record({run: [NewEvent(Kind.LOG, actor="@SUM(1)", data={})]}, now=timezone.now())
    rows = list(csv.DictReader(io.StringIO(text_of(finish(export("csv", with_logs=True))))))
    assert rows[0]["ref_id"] == "'=cmd|' /C calc'!A0"
    assert rows[-2]["actor"] == "'@SUM(1)"


def test_a_gap_is_told(make_run):
    run = make_run(*map(log, range(5)))
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL runs.purge = 'on'")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq = 3", [run])
        cursor.execute("COMMIT")
    (line,), end = lines_of(finish(export()))
    assert (line["missing"], end["missing"]) == (1, 1)
    assert not exports.downloads(BulkOperation.objects.get()).is_complete


def test_a_file_ends_early_where_runs_are_large(make_run, monkeypatch):
    runs = [make_run(*map(log, range(4))) for _ in range(6)]
    monkeypatch.setattr(parts, "ENOUGH_BYTES", 500)
    operation = finish(export("json", with_logs=True))
    assert ExportPart.objects.count() == 6
    assert set(read_json(text_of(operation))[0]) == {str(Run(pk=run)) for run in runs}
    monkeypatch.setattr(parts, "MOST_EVENTS", {True: 15, False: 1})
    assert finish(export(chosen=runs)).done == 6
    assert ExportPart.objects.count() == 12


def test_named_runs_that_are_gone_are_skipped(make_run):
    runs = [make_run(changed("created", "active"), changed("active", "completed"))
            for _ in range(4)]  # fmt: skip
    operation = export(chosen=runs)
    lifecycle.delete(Run.objects.filter(pk__in=runs[:2]), by=BEN)
    operation = finish(operation)
    assert (operation.done, operation.skipped) == (2, 2)
    lines, end = lines_of(operation)
    assert len(lines) == 2
    assert end["skipped"] == 2


# -- What may happen in between --------------------------------------------------------------


def once(monkeypatch, module, name, *, before):
    """Be killed the first time it comes to this, before or after it is done."""
    real, killed = getattr(module, name), []

    def die(*args, **more):
        if killed:
            return real(*args, **more)
        killed.append(True)
        if not before:
            real(*args, **more)
        raise Killed

    monkeypatch.setattr(module, name, die)


@pytest.mark.parametrize(
    ("module", "name", "before"),
    [
        (parts, "_fill", True),
        (parts, "_fill", False),
        (objects, "put_new", True),
        # Between the file and the transaction that names it.
        (objects, "put_new", False),
        (export_work, "_add", True),
        (export_work.progress, "advance", False),
        # Between the transaction and the next file.
        (export_work, "_commit", False),
        (export_work.progress, "finish", True),
    ],
)
def test_whenever_it_is_killed_no_run_is_lost_or_doubled(
    make_run, monkeypatch, in_a_folder, module, name, before
):
    runs = {str(Run(pk=make_run())) for _ in range(7)}
    operation = export()
    work.step(operation.pk)
    once(monkeypatch, module, name, before=before)
    with pytest.raises(Killed):
        finish(operation)
    # Nobody goes on while the file may still be in the making.
    if BulkOperation.objects.get().taken_until:
        assert work.step(operation.pk)[0] is work.Moved.BUSY
        BulkOperation.objects.update(taken_until=timezone.now())
    operation = finish(operation)
    assert (operation.state, operation.done) == ("finished", 7)
    lines, _ = lines_of(operation)
    assert len(lines) == 7
    assert {line["id"] for line in lines} == runs
    assert BulkOutcome.objects.count() == 7
    assert set(named()) <= set(files(in_a_folder))
    swept()
    assert files(in_a_folder) == named()
    assert len(lines_of(operation)[0]) == 7


def test_storage_that_is_away_stops_it_and_shows(make_run, in_a_folder):
    for _ in range(4):
        make_run()
    operation = export()
    # No account can write there, not even root.
    in_a_folder.rmdir()
    in_a_folder.touch()
    tasks.bulk_work(str(operation.pk))
    operation.refresh_from_db()
    assert (operation.state, operation.visited) == ("running", 0)
    assert "is a file, where the folder of the objects should be" in operation.trouble
    in_a_folder.unlink()
    operation = finish(operation)
    assert (operation.done, operation.trouble) == (4, "")
    swept()
    assert files(in_a_folder) == named()


def test_two_workers_at_one_export(make_run, monkeypatch, in_a_folder):
    """Without the lease: each makes files, and for each step one of them counts."""
    monkeypatch.setattr(export_work, "LEASE", timedelta(0))
    runs = {str(Run(pk=make_run())) for _ in range(20)}
    operation = export()
    barrier = threading.Barrier(3)

    def go():
        barrier.wait()
        for _ in range(100):
            if work.step(operation.pk)[0] is work.Moved.OUT:
                break
        connection.close()

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("finished", 20)
    swept()
    assert files(in_a_folder) == named()
    lines, _ = lines_of(operation)
    assert len(lines) == 20
    assert {line["id"] for line in lines} == runs


def test_a_file_that_comes_too_late_is_made_anew(make_run, monkeypatch, in_a_folder):
    make_run()
    operation = export()
    real = export_work._keep

    def slow(*args):
        name = real(*args)
        swept()
        return name

    monkeypatch.setattr(export_work, "_keep", slow)
    assert work.step(operation.pk)[:2] == (work.Moved.ON, 0)
    monkeypatch.setattr(export_work, "_keep", real)
    operation = finish(operation)
    assert len(lines_of(operation)[0]) == 1
    swept()
    assert files(in_a_folder) == named()


@pytest.mark.parametrize("act", ["pause", "abort"])
def test_what_is_paused_or_aborted_meanwhile_keeps_no_file_more(
    make_run, monkeypatch, in_a_folder, act
):
    for _ in range(5):
        make_run()
    operation = export()
    work.step(operation.pk)
    real = export_work._keep

    def meanwhile(*args):
        getattr(operations, act)(operation, by=BEN, now=timezone.now())
        return real(*args)

    monkeypatch.setattr(export_work, "_keep", meanwhile)
    assert work.step(operation.pk)[0] is work.Moved.OUT
    monkeypatch.setattr(export_work, "_keep", real)
    swept()
    assert len(files(in_a_folder)) == len(named()) == 1
    if act == "pause":
        operations.resume(operation, by=BEN, now=timezone.now())
        assert len(lines_of(finish(operation))[0]) == 5
        return
    tasks.sweep_storage()
    assert files(in_a_folder) == named() == []
    operation.refresh_from_db()
    assert not exports.downloads(operation).is_ready


def test_a_file_that_was_changed_breaks_the_download_off(make_run, in_a_folder):
    make_run()
    operation = finish(export())
    (in_a_folder / named()[0]).write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(exports.Damaged):
        text_of(operation)


def test_files_go_when_their_time_is_over(make_run, in_a_folder, settings):
    make_run()
    operation = finish(export())
    told = exports.downloads(operation)
    assert told.is_ready
    assert told.until == operation.ended_at + timedelta(days=settings.EXPORT_DAYS)
    exports.sweep(told.until - timedelta(seconds=1))
    swept()
    assert len(files(in_a_folder)) == 1
    assert exports.sweep(told.until) == 1
    doomed.sweep(told.until)
    assert files(in_a_folder) == []
    assert not exports.downloads(operation, told.until).is_ready
    assert not DoomedObject.objects.exists()


@pytest.mark.parametrize("given", [{"format": "xml"}, {"format": ""}])
def test_a_kind_of_file_that_there_is_not(db, given):
    with pytest.raises(operations.NotPossible):
        begin("export", options=given)


# -- What cannot be told, and what is not gone on with ---------------------------------------


@pytest.mark.parametrize("form", parts.FORMATS)
def test_a_run_that_cannot_be_told_does_not_stop_the_others(make_run, monkeypatch, form):
    runs = sorted(make_run(log(1)) for _ in range(7))
    bad = {runs[2], runs[5]}
    row_of = parts.row_of

    def odd(run, *more):
        if run.pk in bad:
            raise ValueError("a version without a name")
        return row_of(run, *more)

    monkeypatch.setattr(parts, "row_of", odd)
    operation = finish(export(form, with_logs=True))
    assert (operation.done, operation.failed) == (5, 2)
    assert {run for run, (status, _) in outcomes(operation).items() if status == "failed"} == bad
    assert outcomes(operation)[runs[2]][1] == "ValueError: a version without a name"
    text = text_of(operation)
    for run in runs:
        assert (str(Run(pk=run)) in text) is (run not in bad)


def test_where_none_can_be_told_it_ends_all_the_same(make_run, monkeypatch):
    for _ in range(4):
        make_run()

    def odd(*_):
        raise KeyError("name")

    monkeypatch.setattr(parts, "row_of", odd)
    operation = finish(export())
    assert (operation.state, operation.done, operation.failed) == ("finished", 0, 4)


def test_one_that_is_paused_for_too_long_is_aborted_and_its_files_go(make_run, settings):
    for _ in range(5):
        make_run()
    operation = export()
    work.step(operation.pk)
    assert operations.pause(operation, by=BEN, now=timezone.now())
    soon = timezone.now() + timedelta(days=settings.EXPORT_DAYS - 1)
    for now in (soon, soon + timedelta(days=2)):
        operations.abort_stale(now)
        assert exports.sweep(now) == (now != soon)
    operation.refresh_from_db()
    assert (operation.state, operation.trouble) == ("aborted", operations.TOO_LONG)
    assert not ExportPart.objects.exists()
    entry = AuditEntry.objects.order_by("id").last()
    assert (entry.actor, entry.action) == ("portal", "abort bulk")


def test_what_met_a_step_is_not_said_of_one_that_was_aborted_meanwhile(make_run):
    make_run()
    operation = export()
    assert operations.abort(operation, by=BEN, now=timezone.now())
    tasks._tell(str(operation.pk), objects.StorageAway("it is away"))
    operation.refresh_from_db()
    assert operation.trouble == ""


@pytest.mark.parametrize("form", parts.FORMATS)
def test_a_log_that_breaks_off_in_the_middle_leaves_nothing_of_its_run(make_run, monkeypatch, form):
    runs = sorted(make_run(log(1)) for _ in range(3))
    writer = parts._WRITERS[form]

    def odd(row, history, with_logs):
        for text in writer(row, history, with_logs):
            yield text
            if row["id"] == Run(pk=runs[1]).public_id:
                raise ValueError("half of it")

    monkeypatch.setitem(parts._WRITERS, form, odd)
    operation = finish(export(form, with_logs=True))
    assert (operation.done, operation.failed) == (2, 1)
    assert outcomes(operation)[runs[1]] == ("failed", "ValueError: half of it")
    assert str(Run(pk=runs[1])) not in text_of(operation)
    assert exports.downloads(operation).missing == 0
