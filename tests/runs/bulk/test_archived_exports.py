"""Exports of archived runs: complete, with the right counts, and no transaction waits."""

import json

import pytest
from django.db import connection

from runs import archiving, objects, whole_log
from runs.bulk import exports, parts, tasks, work
from runs.models import BulkOperation
from tests.runs.archives import archive, in_folder, late, restore, spoil, storage_away
from tests.runs.bulk.test_exports import export, text_of
from tests.runs.bulk.test_work import finish
from tests.runs.stories import node, publish
from tests.runs.test_archiving import told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    in_folder(settings, tmp_path)
    monkeypatch.setattr(work, "_size", lambda operation: operation.rate or 4)
    return tmp_path


@pytest.fixture
def stories(db):
    version = publish(node("ocr"), node("extract", "ocr"))
    return [told(version, lines) for lines in (0, 3, 7, 30, 1)]


def lines_of(text):
    return [json.loads(line) for line in text.split("\n") if line]


def test_the_events_in_a_file_are_the_same_wherever_the_logs_are(stories):
    def made():
        found = json.loads(text_of(finish(export("json", with_logs=True))))["runs"]
        lines = text_of(finish(export("ndjson", with_logs=True))).split("\n")
        rows = text_of(finish(export("csv", with_logs=True))).split("\r\n")
        return (
            {run["id"]: run["logs"] for run in found},
            [line for line in lines if line.startswith('{"run":')],
            [row for row in rows if not row.startswith("run,")],
        )

    before = made()
    archive(*stories[:4])
    assert made() == before
    restore(*stories[:2])
    assert made() == before


def test_each_run_says_how_many_events_there_are_and_that_none_is_missing(stories):
    archive(*stories[:3])
    late(stories[1])
    late(stories[1])
    for with_logs in (False, True):
        text = text_of(finish(export("json", with_logs=with_logs)))
        found = {run["id"]: run for run in json.loads(text)["runs"]}
        for story in stories:
            run = found[story.public_id]
            assert (run["events"], run["missing"]) == (story.run.last_seq, 0)
            if with_logs:
                assert [each["seq"] for each in run["logs"]] == [*range(1, run["last_seq"] + 1)]
        assert json.loads(text)["completeness"]["missing"] == 0


def test_a_log_that_is_not_whole_shows_and_stops_no_other(stories, folder):
    archive(*stories)
    late(stories[2])
    spoil(stories[2], folder)
    operation = finish(export("ndjson", with_logs=True))
    assert operation.done == 5
    told_of = exports.downloads(operation)
    assert told_of.missing == stories[2].run.archive.last_seq
    run = next(
        each for each in lines_of(text_of(operation)) if each.get("id") == stories[2].public_id
    )
    assert (run["events"], run["missing"]) == (1, run["last_seq"] - 1)


def test_storage_that_is_away_is_waited_for_and_said(stories):
    archive(*stories)
    operation = export("ndjson", with_logs=True)
    with storage_away():
        tasks.bulk_work(str(operation.pk))
    found = BulkOperation.objects.get(pk=operation.pk)
    assert "Storage does not answer" in found.trouble
    assert found.visited == 0
    tasks.bulk_work(str(operation.pk))
    assert finish(operation).done == 5


def test_storage_is_asked_in_no_transaction(stories, monkeypatch):
    archive(*stories)
    read, inside = objects.read, []

    def watched(name):
        inside.append(connection.in_atomic_block)
        return read(name)

    monkeypatch.setattr(objects, "read", watched)
    finish(export("ndjson", with_logs=True))
    assert len(inside) == 5
    assert not any(inside)


def test_runs_that_are_archived_while_the_logs_are_fetched_are_told_whole(stories, monkeypatch):
    fetched = parts._fetched
    left = [stories[1], stories[3], stories[0]]

    def slow(*args):
        found = fetched(*args)
        if left:
            archiving.archive([left.pop().id])
        return found

    monkeypatch.setattr(parts, "_fetched", slow)
    text = text_of(finish(export("json", with_logs=True)))
    assert not left
    for run in json.loads(text)["runs"]:
        assert [each["seq"] for each in run["logs"]] == [*range(1, run["last_seq"] + 1)]


def test_more_archived_logs_than_a_file_holds_make_more_files(stories, monkeypatch):
    archive(*stories)
    monkeypatch.setattr(parts, "ENOUGH_BYTES", 1_500)
    operation = finish(export("json", with_logs=True))
    assert operation.parts.count() > 2
    assert len(json.loads(text_of(operation))["runs"]) == 5


def test_a_log_that_leaves_while_it_is_read_is_read_on_from_its_object(stories, monkeypatch):
    from tests.runs.conftest import page_events

    page_events(monkeypatch, 5)
    story = stories[3]
    pages = whole_log.opened(story.run).pages()
    seqs = [line.seq for line in next(pages)]
    archive(story)
    seqs += [line.seq for page in pages for line in page]
    assert seqs == [*range(1, story.run.last_seq + 1)]
