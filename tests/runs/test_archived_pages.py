"""What the list and a run's page say of archived logs, and how they come back."""

import io
import json
import re
import threading
import zipfile
from contextlib import nullcontext, suppress
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from runs import archiving, doomed, objects
from runs.bulk import tasks, work
from runs.filters import RunFilter
from runs.models import Archive, AuditEntry, BulkOperation, Event, Run
from runs.states import LogState
from runs.views import run_archive
from runs.views.run_address import TABS
from runs.views.run_node import PANES
from tests.runs import stories
from tests.runs.archives import archive, in_folder, late, restore, spoil, storage_away
from tests.runs.test_run_page import part, seqs, shown, url, words
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("view_run", "export_run", "retry_run", "restore_run", "execute_workflow", "view_workflow")


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    in_folder(settings, tmp_path)
    return tmp_path


@pytest.fixture
def rita():
    return visitor(*(f"runs.{name}" for name in NAMES), name="rita")


@pytest.fixture
def viewer():
    return visitor("runs.view_run", name="vera")


@pytest.fixture
def story():
    made = stories.failed_invoice()
    archive(made)
    return made


def post(client, run, **data):
    return client.post(url(run), data)


# -- The list --------------------------------------------------------------------------------


def test_rows_of_archived_runs_are_marked_and_can_be_filtered(viewer, story):
    live = stories.failed_invoice()
    page = viewer.get("/admin/runs/run/").content.decode()
    row = part(page, f'id="{story.public_id}"', "</tr>")
    assert "Logs archived" in words(row)
    assert "Logs archived" not in part(page, f'id="{live.public_id}"', "</tr>")
    found = viewer.get("/admin/runs/run/?logs=archived").content.decode()
    assert story.public_id in found
    assert live.public_id not in found
    assert "Logs Archived" in words(part(found, 'id="menu-logs"', "</summary>"))
    Archive.objects.filter(pk=story.id).update(problem="it is cut off")
    found = viewer.get("/admin/runs/run/?logs=damaged").content.decode()
    assert story.public_id in found
    assert live.public_id not in found
    assert "Logs Archive damaged" in words(part(found, 'id="menu-logs"', "</summary>"))
    found = viewer.get("/admin/runs/run/?logs=live").content.decode()
    assert live.public_id in found
    assert story.public_id not in found
    restore(story)
    assert "Logs archived" not in words(viewer.get("/admin/runs/run/").content.decode())


def test_the_filter_says_itself_and_refuses_what_it_does_not_know():
    wanted, errors = RunFilter.parse(QueryDict("logs=archived&state=failed"))
    assert not errors
    assert wanted.query() == "?state=failed&logs=archived"
    assert wanted.words(None) == "failed runs with archived logs"
    assert RunFilter.parse(QueryDict("logs=lost"))[1]["logs"]


def test_logs_are_restored_from_the_list(rita, story):
    live = stories.failed_invoice()
    both = f"{story.public_id},{live.public_id}"
    asked = rita.post("/admin/runs/run/act/", {"act": "restore", "runs": both})
    said = words(asked.content.decode())
    assert "Restore the logs of 1 run?" in said
    assert "1 failed will be skipped: their logs are not archived" in said
    given = {"act": "restore", "runs": both, "confirm": "1", "days": "0"}
    answer = rita.post("/admin/runs/run/act/", given)
    assert answer.status_code == 422
    assert "A whole number from 1 to 36,500." in answer.content.decode()
    answer = rita.post("/admin/runs/run/act/", given | {"days": "12"})
    operation = BulkOperation.objects.get()
    assert answer.url == f"/admin/operate/bulk/{operation.public_id}/" or "bulk" in answer.url
    assert (operation.kind, operation.options) == ("restore", {"days": 12})
    work.work(operation.pk)
    assert story.run.logs == LogState.RESTORED
    page = words(rita.get(answer.url).content.decode())
    assert "Restore the logs of 2 runs" in page
    assert "12 days" in page


def test_of_more_than_are_counted_those_that_are_archived_are_told_apart(rita, monkeypatch):
    monkeypatch.setattr("runs.views.bulk.counted.COUNT_CAP", 1)
    some = [stories.failed_invoice() for _ in range(5)]
    archive(*some[:2])
    asked = rita.post("/admin/runs/run/act/", {"act": "restore", "all": "1", "filter": "?"})
    said = words(asked.content.decode())
    assert "1+ failed will be restored" in said
    assert "1+ failed will be skipped: their logs are not archived" in said


def test_who_may_not_restore_is_told(viewer, story):
    asked = viewer.post("/admin/runs/run/act/", {"act": "restore", "runs": story.public_id})
    assert asked.status_code == 403
    assert post(viewer, story, act="restore").status_code == 403
    page = words(shown(viewer, story))
    assert "Your account may not restore logs." in page
    assert not BulkOperation.objects.exists()


# -- The run's page --------------------------------------------------------------------------


def test_the_page_says_what_is_archived_and_shows_the_rest(rita, story):
    page = shown(rita, story)
    said = words(page)
    assert "check_totals failed after 3 attempts." in said
    assert 'id="run-lanes"' in page
    assert re.search(
        r"Logs archived on \d+ \w+ \d\d:\d\d:\d\d\.? ", words(part(page, 'id="run-logs"', "</p>"))
    )
    last = story.run.last_seq
    assert f"{last} events, " in words(part(page, 'id="log-archived"', "</div>"))
    assert "back for 7 days" in said
    found = Archive.objects.get()
    facts = part(page, "About the archive", "</details>")
    assert found.name in facts
    assert found.sha256 in facts
    assert 'value="restore"' in page
    assert not seqs(page)
    # Nothing moves by itself.
    assert "data-moving" not in page


def test_one_click_restores_and_the_page_says_how_it_goes(rita, story):
    before = seqs(shown(rita, stories.failed_invoice()))
    answer = post(rita, story, act="restore")
    assert answer.url == url(story, "?")
    operation = BulkOperation.objects.get()
    assert (operation.kind, operation.chosen) == ("restore", [story.id])
    page = shown(rita, story)
    assert "data-moving" in page
    assert "Its log is being restored." in words(page)
    assert operation.public_id in page
    assert 'value="restore"' not in page
    # A second press begins nothing more.
    post(rita, story, act="restore")
    assert BulkOperation.objects.count() == 1
    work.work(operation.pk)
    page = shown(rita, story)
    assert seqs(page) == before
    assert "Its log is restored from the archive until" in words(page)
    assert "data-moving" not in page
    assert post(rita, story, act="restore").status_code == 409
    assert AuditEntry.objects.filter(action="bulk restore").count() == 1


def test_a_page_that_was_made_while_the_log_came_back_looks_again(rita, story, monkeypatch):
    post(rita, story, act="restore")
    asked = run_archive.restoring

    def ended_before(run):
        work.work(BulkOperation.objects.get().pk)
        return asked(run)

    with monkeypatch.context() as patch:
        patch.setattr(run_archive, "restoring", ended_before)
        page = shown(rita, story)
    assert story.run.logs == LogState.RESTORED
    assert "Its log is being restored." in words(page)
    assert "data-moving" in page
    assert 'value="restore"' not in page
    assert "data-moving" not in shown(rita, story)


def test_two_clicks_at_once_make_one_operation(rita, story, monkeypatch):
    asked, both = run_archive.restoring, threading.Barrier(2)

    def waits_for_the_other(run):
        found = asked(run)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return found

    def click():
        try:
            post(rita, story, act="restore")
        finally:
            connection.close()

    with monkeypatch.context() as patch:
        patch.setattr(run_archive, "restoring", waits_for_the_other)
        threads = [threading.Thread(target=click) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert BulkOperation.objects.count() == 1


def left_restoring(story, minutes):
    Run.objects.filter(pk=story.id).update(logs=LogState.RESTORING)
    at = timezone.now() - timedelta(minutes=minutes)
    Archive.objects.filter(pk=story.id).update(restored_at=at)


def test_a_restoring_that_was_broken_off_can_be_asked_for_again(rita, story):
    left_restoring(story, minutes=3)
    page = shown(rita, story)
    assert "Bringing its log back was broken off." in words(page)
    assert 'value="restore"' in page
    assert "data-moving" not in page
    assert post(rita, story, act="restore").status_code == 302
    page = shown(rita, story)
    assert "Its log is being restored." in words(page)
    assert 'value="restore"' not in page
    work.work(BulkOperation.objects.get().pk)
    assert story.run.logs == LogState.RESTORED


def test_one_that_moves_is_left_to_whoever_is_at_it(rita, story):
    left_restoring(story, minutes=0)
    page = shown(rita, story)
    assert "Its log is being restored." in words(page)
    assert 'value="restore"' not in page
    assert post(rita, story, act="restore").status_code == 409
    assert not BulkOperation.objects.exists()


@pytest.mark.parametrize("state", [LogState.ARCHIVING, LogState.RESTORING])
def test_a_damaged_object_shows_while_its_log_is_on_its_way(rita, story, state):
    left_restoring(story, minutes=0)
    Run.objects.filter(pk=story.id).update(logs=state)
    Archive.objects.update(problem="it is cut off")
    page = shown(rita, story)
    note = words(part(page, 'id="run-logs"', "</div>"))
    assert "Its archived log cannot be read. At the last look, it is cut off." in note
    assert "data-moving" not in page
    assert ('value="restore"' in page) == (state == LogState.RESTORING)
    again = "once a check has found it whole." if state == LogState.ARCHIVING else "restore again."
    assert again in note


def test_storage_that_is_away_shows_on_the_page(rita, story):
    post(rita, story, act="restore")
    with storage_away():
        tasks.bulk_work(str(BulkOperation.objects.get().pk))
        page = words(shown(rita, story))
    assert "Storage does not answer as it should." in page
    assert "nothing is lost" in page
    tasks.bulk_work(str(BulkOperation.objects.get().pk))
    assert story.run.logs == LogState.RESTORED


def test_late_events_are_shown_with_a_note_on_those_before(rita, story):
    last = story.run.last_seq
    late(story, "said later", node="check_totals")
    page = shown(rita, story)
    assert seqs(page) == [last + 1]
    assert f"Events 1–{last} archived on" in words(page)
    assert "said later" in page
    assert "Earlier events" not in page
    assert seqs(shown(rita, story, f"?fragment=events&before={last + 5}")) == [last + 1]
    assert seqs(shown(rita, story, "?fragment=events&after=0")) == [last + 1]
    panel = part(shown(rita, story, "?node=check_totals&pane=logs"), 'id="run-node"', "</aside>")
    assert "said later" not in panel or "archived, but for what came later" in words(panel)


@pytest.fixture
def story_in():
    """Make a failed run whose log is in a state."""

    def make(state):
        made = stories.failed_invoice()
        if state != LogState.LIVE:
            archive(made)
        if state == LogState.PARTLY:
            late(made, node="check_totals")
        elif state == LogState.RESTORED:
            restore(made)
        elif state != LogState.LIVE:
            Run.objects.filter(pk=made.id).update(logs=state)
        return made

    return make


SHOWN = [
    *(f"?tab={tab}{more}" for tab in TABS for more in ("", "&fragment=tabs")),
    *(
        f"?node={key}&pane={pane}&fragment=overview"
        for key in ("check_totals", "classify", "route")
        for pane in PANES
    ),
    "?fragment=events&kind=log&of=check_totals&find=line",
    "?fragment=alike",
    "?view=table",
    "?confirm=retry_from",
]
ASKED = ["fragment=payload&seq=1", "fragment=payload&seq=99999", "fragment=context"]
FILES = ["download=json", "download=bundle"]


def answers(query, made, away):
    """What is not in the database is read from storage, or said to be not to be had."""
    if "seq=99999" in query:
        return 404
    return 503 if away and not made.run.has_log else 200


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("state", list(LogState))
def test_no_page_breaks_wherever_the_log_is(rita, story_in, state, away):
    made = story_in(state)
    with storage_away() if away else nullcontext():
        for query in SHOWN:
            shown(rita, made, query)
        for query in (*ASKED, *FILES):
            assert rita.get(url(made, f"?{query}")).status_code == answers(query, made, away)
        again = rita.get(f"/admin/runs/workflow/invoice_processing/run/?run={made.public_id}")
        assert again.status_code == 200


def test_inputs_and_outputs_are_read_from_the_archive_when_asked_for(rita, story):
    panel = part(shown(rita, story, "?node=check_totals&pane=input"), 'id="run-node"', "</aside>")
    link = re.search(r'href="([^"]*fragment=payload[^"]*)"', panel).group(1).replace("&amp;", "&")
    assert "Show input from the archive" in words(panel)
    live = stories.failed_invoice()
    same = link.replace(story.public_id, live.public_id)
    assert rita.get(link).content == rita.get(same).content
    with storage_away():
        answer = rita.get(link)
    assert answer.status_code == 503
    assert "Storage, where the log is archived, does not answer" in answer.content.decode()


def test_an_error_stays_without_its_stack_trace(rita, story):
    panel = words(
        part(shown(rita, story, "?node=check_totals&pane=error"), 'id="run-node"', "</aside>")
    )
    assert "TotalsMismatch" in panel
    assert "Its stack trace is archived with the log." in panel
    logs = words(
        part(shown(rita, story, "?node=check_totals&pane=logs"), 'id="run-node"', "</aside>")
    )
    assert "Its log lines are archived." in logs


def test_the_context_is_the_same_wherever_the_log_is(rita):
    made = stories.failed_invoice()
    before = rita.get(url(made, "?fragment=context")).json()
    archive(made)
    assert rita.get(url(made, "?fragment=context")).json() == before
    assert "read from the archive" in words(shown(rita, made, "?tab=context"))


def test_a_long_archived_log_is_offered_to_be_restored_instead(rita, story, monkeypatch):
    for module in ("runs.whole_log", "runs.views.run_tabs"):
        monkeypatch.setattr(f"{module}.AT_ONCE_BYTES", 100)
    page = shown(rita, story, "?tab=context")
    assert 'id="log-archived"' in page
    assert 'id="json"' not in page
    answer = rita.get(url(story, "?fragment=context"))
    assert answer.status_code == 409
    assert "too long to be read from here: restore it first" in answer.content.decode()
    # A file is made all the same.
    assert file_of(rita, story, "json")["completeness"]["missing"] == 0


def file_of(client, run, what):
    answer = client.get(url(run, f"?download={what}"))
    assert answer.status_code == 200

    async def collected():
        return b"".join([piece async for piece in answer.streaming_content])

    content = async_to_sync(collected)()
    return json.loads(content) if what == "json" else zipfile.ZipFile(io.BytesIO(content))


def test_downloads_are_complete(rita):
    made = stories.failed_invoice()
    before = file_of(rita, made, "json")
    archive(made)
    late(made, node="check_totals")
    found = file_of(rita, made, "json")
    assert found["context"] == before["context"]
    assert found["history"][:-1] == before["history"]
    assert found["completeness"] == {"events": made.run.last_seq, "missing": 0}
    bundle = file_of(rita, made, "bundle")
    assert bundle.testzip() is None
    history = bundle.read(f"{made.public_id}/history.ndjson").decode().split("\n")[:-1]
    assert [json.loads(line) for line in history] == found["history"]
    told = json.loads(bundle.read(f"{made.public_id}/archive.json"))
    assert (told["logs"], told["archive"]["sha256"]) == ("partly", made.run.archive.sha256)


def test_nothing_is_exported_and_audited_while_storage_is_away(rita, story):
    with storage_away():
        answer = rita.get(url(story, "?download=json"))
    assert answer.status_code == 503
    assert "nothing was exported" in words(answer.content.decode())
    assert not AuditEntry.objects.filter(action="export").exists()


def test_a_download_of_what_is_not_whole_says_so(rita, story, folder):
    last = story.run.last_seq
    spoil(story, folder)
    found = file_of(rita, story, "json")
    assert found["completeness"]["missing"] == last
    assert "not whole" in found["completeness"]["problem"]
    nodes = found["context"]["nodes"]
    assert "input" in nodes["check_totals"]["metadata"]["omitted"]


def test_an_archived_run_is_run_again_and_compared_by_its_input(rita, story):
    path = f"/admin/runs/workflow/invoice_processing/run/?run={story.public_id}"
    assert "inv-88213.pdf" in rita.get(path).content.decode()
    with storage_away():
        page = rita.get(path)
    assert page.status_code == 200
    assert "is not filled in" in words(page.content.decode())
    retry = stories.Story(story.version, retry_of=story.run, data={"document": "other.pdf"})
    lineage = words(shown(rita, retry, "?tab=lineage"))
    assert "inv-88213.pdf" in lineage
    with storage_away():
        lineage = words(shown(rita, retry, "?tab=lineage"))
    assert "cannot be read" in lineage


def test_retrying_from_the_failed_node_says_what_to_do(rita, story):
    said = words(shown(rita, story, "?confirm=retry_from"))
    assert "Restore the log first" in said
    answer = post(rita, story, act="retry_from")
    assert answer.status_code == 409
    assert "restore it first" in words(answer.content.decode())
    answer = post(rita, story, act="retry")
    assert answer.status_code == 302


def test_asking_to_retry_archived_runs_says_where_from_their_inputs_come(rita, story):
    given = {"act": "retry", "runs": story.run.public_id}
    said = words(rita.post("/admin/runs/run/act/", given).content.decode())
    assert "The log of 1 of them is archived. At the start, its input is read" in said
    assert "at the failed node, it is skipped until its log is restored" in said
    live = stories.failed_invoice()
    said = words(
        rita.post("/admin/runs/run/act/", {**given, "runs": live.run.public_id}).content.decode()
    )
    assert "archived" not in said.partition("Begin")[2]


def test_a_restore_that_is_begun_is_found_by_an_index(story):
    Run.objects.filter(pk=story.id).update(logs=LogState.ARCHIVED)
    assert run_archive.restoring(story.run) is None


def test_the_page_of_a_run_whose_object_was_lost_says_so(rita, story):
    Archive.objects.update(problem="storage has no such object")
    objects.delete_many([story.run.archive.name])
    page = words(shown(rita, story))
    assert "At the last look, storage has no such object" in page


def test_a_replaced_object_is_read_until_it_goes(rita, story):
    late(story, node="check_totals")
    archiving.archive([story.id])
    doomed.sweep(story.run.archive.archived_at)
    assert file_of(rita, story, "json")["completeness"]["missing"] == 0
    assert not Event.objects.exists()
