"""The list of bulk operations, and the page of one: what was asked, how far, what came of it."""

import html
import json
import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from runs import ids
from runs.actors import Actor
from runs.bulk import operations, tasks, work
from runs.filters import RunFilter
from runs.models import AuditEntry, BulkOperation, BulkOutcome, Run, User
from runs.models.bulk import BulkState
from runs.views.bulk import outcomes
from runs.views.bulk.operation_list import _after
from tests.plans import as_for_many_rows
from tests.runs.conftest import changed
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db
LIST = "/admin/bulk/"
BEN = Actor(name="ben", ref_type="user", ref_id="user_ben")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def olga():
    return visitor("runs.view_run", "runs.retry_run", "runs.view_auditentry")


@pytest.fixture
def failed(make_run):
    error = {"error": {"node": "first", "kind": "E", "message": "m"}}

    def make(count):
        return [
            make_run(changed("created", "active"), changed("active", "failed", **error))
            for _ in range(count)
        ]

    return make


@pytest.fixture
def begun(monkeypatch):
    found = []
    monkeypatch.setattr(tasks, "begin", lambda operation: found.append(operation.pk))
    return found


def begin(kind="retry", **more):
    if not {"chosen", "failed_of"} & more.keys():
        more.setdefault("wanted", RunFilter(state="failed"))
    more.setdefault("reason", "a bad morning")
    return operations.make(kind, by=BEN, now=timezone.now(), **more)


def finish(operation):
    while work.step(operation.pk)[0] is work.Moved.ON:
        pass
    operation.refresh_from_db()
    return operation


def url(operation, query=""):
    return f"{LIST}{operation.public_id}/{query}"


def text_of(answer):
    bare = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", html.unescape(bare))


def test_the_list_says_kind_who_why_how_far_and_what_came_of_it(olga, failed):
    finish(begin(chosen=failed(2)))
    begin(wanted=RunFilter(state="failed", workflow="example", triggered_by="olga"), rate=5)
    said = text_of(olga.get(LIST))
    assert said.index("Retry failed runs of example") < said.index("Retry 2 runs")
    assert "Retry 2 runs a bad morning" in said
    # What the title says is not said again.
    assert "Retry failed runs of example triggered by olga · a bad morning" in said
    assert "2 retried" in said
    assert "0 of not yet counted" in said
    assert "ben" in said


def test_an_empty_list_leads_to_the_runs(olga):
    said = olga.get(LIST).content.decode()
    assert "No bulk operation yet" in said
    assert "/admin/runs/run/?state=failed" in said


def test_the_list_is_paged_by_key_in_few_queries(olga, django_assert_max_num_queries):
    now = timezone.now()
    BulkOperation.objects.bulk_create(
        BulkOperation(
            kind="retry", actor="ben", created_at=now - timedelta(minutes=n), bound=now,
            moved_at=now, chosen=[ids.new_id()], total=1, state="finished",
        )
        for n in range(60)
    )  # fmt: skip
    with django_assert_max_num_queries(9):
        first = olga.get(LIST).content.decode()
    assert first.count("Retry one run") == 50
    older = re.search(r"\?before=bulk_\w+", first)[0]
    rest = olga.get(LIST + older).content.decode()
    assert rest.count("Retry one run") == 10
    assert not set(re.findall(r"/bulk/(bulk_\w+)/", first)) & set(
        re.findall(r"/bulk/(bulk_\w+)/", rest)
    )
    last = BulkOperation.objects.newest_first()[49]
    with as_for_many_rows():
        plan = _after(last)[:51].explain()
    assert "bulk_newest" in plan
    assert "Sort" not in plan


def test_a_part_of_the_list_is_asked_for_while_something_moves(olga, failed):
    operation = begin()
    assert 'hx-trigger="every 2s"' in olga.get(LIST).content.decode()
    finish(operation)
    part = olga.get(LIST, headers=HTMX).content.decode()
    assert "hx-trigger" not in part
    assert "<html" not in part


def test_the_page_says_what_was_asked_and_moves_until_it_ends(olga, failed):
    failed(3)
    operation = begin(rate=2, at_least=3)
    page = olga.get(url(operation)).content.decode()
    said = text_of(olga.get(url(operation)))
    assert "a bad morning" in said
    assert "runs visited of at least 3" in said
    assert 'href="/admin/runs/run/?state=failed"' in page
    assert 'hx-trigger="every 1s"' in page
    assert 'class="op-progress is-unknown"' in page

    work.step(operation.pk)
    operations.count(operation)
    part = text_of(olga.get(url(operation, "?fragment=live"), headers=HTMX))
    assert "66 % 2 of about 3 runs" in part
    assert "2 retried" in part
    assert "about 1 to do" in part

    finish(operation)
    ended = olga.get(url(operation, "?fragment=live"), headers=HTMX).content.decode()
    assert "100 %" in ended
    assert "hx-trigger" not in ended
    assert "Pause" not in ended


def test_each_outcome_leads_to_the_run_and_the_new_one_and_can_be_filtered(olga, failed, make_run):
    runs = [*failed(2), make_run()]
    operation = finish(begin(chosen=[*runs, ids.new_id()]))
    page = olga.get(url(operation)).content.decode()
    for run_id in runs:
        assert f"/admin/runs/run/{ids.encode('run', run_id)}/" in page
    for new in Run.objects.filter(retry_of__in=runs):
        assert f"/admin/runs/run/{new.public_id}/" in page

    skipped = olga.get(url(operation, "?status=skipped"))
    assert ids.encode("run", runs[0]) not in skipped.content.decode()
    said = text_of(skipped)
    assert "only failed runs are retried; this one is created" in said
    assert "not there any more" in said
    why = olga.get(url(operation, "?status=skipped&why=only failed runs")).content.decode()
    assert ids.encode("run", runs[2]) in why
    assert why.count('class="op-pill"') == 1


def test_a_run_that_a_reason_names_is_led_to(olga, failed):
    (run_id,) = failed(1)
    finish(begin(chosen=[run_id]))
    operation = finish(begin(chosen=[run_id]))
    new = Run.objects.get(retry_of=run_id).public_id
    page = olga.get(url(operation)).content.decode()
    assert "it is being retried already, as <a" in page
    assert f'href="/admin/runs/run/{new}/"' in page


def test_once_it_has_ended_its_limit_is_asked_for_no_more(olga, failed):
    operation = begin(chosen=failed(2))
    assert 'id="bulk-asked"' not in olga.get(url(operation, "?fragment=live")).content.decode()
    assert 'id="bulk-rate"' in olga.get(url(operation)).content.decode()
    finish(operation)
    part = olga.get(url(operation, "?fragment=live")).content.decode()
    assert 'id="bulk-asked"' in part
    assert 'id="bulk-rate"' not in part


def test_reasons_beyond_those_that_are_counted_are_said_to_be_more(olga, failed, monkeypatch):
    monkeypatch.setattr(outcomes, "MOST_REASONS", 2)
    runs = failed(3)
    finish(begin(chosen=runs))
    again = finish(begin(chosen=runs))
    said = text_of(olga.get(url(again)))
    assert "It is being retried already 2+" in said
    assert "Counted among the first 2 of them" in said


def test_aborting_an_export_says_that_its_file_goes(failed):
    erin = visitor("runs.view_run", "runs.export_run")
    operation = begin("export", chosen=failed(1), options={"format": "csv"})
    assert "Its file is deleted" in text_of(erin.get(url(operation, "?confirm=abort")))
    erin.post(url(operation), {"act": "abort"})
    page = erin.get(url(operation)).content.decode()
    card = page.partition('id="bulk-file"')[2].partition("</section>")[0]
    assert "It was aborted: there is no file." in card
    # What is not there has no size.
    assert "0 runs" not in card


def test_reasons_that_differ_by_the_run_they_name_are_counted_together(failed):
    runs = failed(3)
    finish(begin(chosen=runs))
    again = finish(begin(chosen=runs))
    (reason,) = outcomes.reasons_of(again)
    assert (reason.status, reason.words, reason.count) == (
        "skipped", "it is being retried already", 3,
    )  # fmt: skip


def test_outcomes_are_paged_by_key(olga, failed, monkeypatch):
    monkeypatch.setattr(outcomes, "PAGE_SIZE", 2)
    runs = failed(3)
    operation = finish(begin(chosen=runs))
    first = olga.get(url(operation)).content.decode()
    assert ids.encode("run", runs[0]) not in first
    older = re.search(r"\?before=run_\w+", first)[0]
    rest = olga.get(url(operation, older)).content.decode()
    assert ids.encode("run", runs[0]) in rest
    assert ids.encode("run", runs[2]) not in rest


@pytest.mark.parametrize("status", ["", "skipped", "failed"])
def test_outcomes_are_read_by_an_index(failed, status):
    operation = begin()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bulk_outcomes (operation_id, run_id, status, reason) "
            "SELECT %s, gen_random_uuid(), (ARRAY['done','done','done','done','skipped','failed'])"
            "[1 + n %% 6], '' FROM generate_series(1, 20000) n",
            [operation.pk],
        )
        cursor.execute("ANALYZE bulk_outcomes")
    plan = outcomes.chosen(operation, status).order_by("-run_id")[:51].explain()
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
    if status:
        assert "bulk_outcomes_status" in plan


def test_outcomes_can_be_taken_away_as_a_file(olga, failed):
    runs = failed(3)
    operation = finish(begin(chosen=runs))
    BulkOutcome.objects.filter(operation=operation, run=runs[0]).update(reason="=HYPERLINK(1)")

    answer = olga.get(url(operation, "?download=csv"))
    assert f"{operation.public_id}-outcomes.csv" in answer["Content-Disposition"]
    lines = _read(answer).splitlines()
    assert lines[0] == "run,outcome,reason,new_run,at"
    assert len(lines) == 4
    assert f"{ids.encode('run', runs[0])},done,'=HYPERLINK(1),run_" in "\n".join(lines)

    rows = [json.loads(line) for line in _read(
        olga.get(url(operation, "?download=ndjson"))).splitlines()]  # fmt: skip
    assert {row["run"] for row in rows[:-1]} == {ids.encode("run", run) for run in runs}
    assert rows[-1] == {"operation": operation.public_id, "state": "finished", "count": 3}


def _read(answer):
    async def gather():
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(gather)().decode()


def test_it_is_paused_gone_on_with_and_aborted_by_who_may_do_the_act(olga, failed, begun):
    operation = begin(rate=1)
    olga.post(url(operation), {"act": "pause"})
    operation.refresh_from_db()
    assert operation.state == BulkState.PAUSED
    assert "Resume" in text_of(olga.get(url(operation)))

    olga.post(url(operation), {"act": "resume"})
    assert begun == [operation.pk]

    asked = olga.get(url(operation, "?confirm=abort"), headers=HTMX)
    assert "What is done stays done" in text_of(asked)
    assert "What is done stays done" in text_of(olga.get(url(operation, "?confirm=abort")))
    answer = olga.post(url(operation), {"act": "abort"}, headers=HTMX)
    assert answer["HX-Redirect"] == url(operation)
    operation.refresh_from_db()
    assert operation.state == BulkState.ABORTED
    late = olga.post(url(operation), {"act": "pause"}, follow=True)
    assert "It was too late for that" in text_of(late)


def test_who_may_not_do_the_act_sees_the_page_and_no_button(failed):
    operation = begin(rate=1)
    nina = visitor("runs.view_run", "runs.delete_run", name="nina")
    page = text_of(nina.get(url(operation)))
    assert "a bad morning" in page
    assert "Pause" not in page
    assert "Abort" not in page
    for act in ("pause", "resume", "abort", "rate", "again"):
        assert nina.post(url(operation), {"act": act}).status_code == 403
    operation.refresh_from_db()
    assert (operation.state, operation.rate) == (BulkState.RUNNING, 1)
    nobody = visitor("runs.view_workflow", name="nobody")
    assert nobody.get(LIST).status_code == 403
    assert nobody.get(url(operation)).status_code == 403


def test_its_limit_can_be_changed_under_way(olga, failed):
    operation = begin()
    olga.post(url(operation), {"act": "rate", "rate": "25"})
    operation.refresh_from_db()
    assert operation.rate == 25
    refused = olga.post(url(operation), {"act": "rate", "rate": "-1"}, follow=True)
    assert "greater than or equal to 1" in text_of(refused)
    olga.post(url(operation), {"act": "rate", "rate": ""})
    operation.refresh_from_db()
    assert operation.rate is None


def test_those_that_failed_can_be_tried_again(olga, failed, monkeypatch, begun):
    runs = failed(2)
    monkeypatch.setattr("runs.bulk.kinds.do", _breaks)
    operation = finish(begin(chosen=runs))
    assert operation.failed == 2
    page = text_of(olga.get(url(operation)))
    assert "Retry the ones that failed" in page
    assert "ValueError: bad run" in page

    answer = olga.post(url(operation), {"act": "again"})
    new = BulkOperation.objects.exclude(pk=operation.pk).get()
    assert answer["Location"] == url(new)
    assert new.failed_of_id == operation.pk
    assert begun == [new.pk]
    assert f"{url(operation)}?status=failed" in olga.get(url(new)).content.decode()


def _breaks(*_):
    raise ValueError("bad run")


def test_what_is_in_its_way_is_said(olga, failed):
    failed(4)
    operation = begin()
    work.step(operation.pk)
    BulkOperation.objects.filter(pk=operation.pk).update(
        trouble="OSError: disk is full", total=500, state="running"
    )
    said = text_of(olga.get(url(operation)))
    assert "It does not move. OSError: disk is full" in said
    assert " 0 runs/s" in said
    operation.refresh_from_db()
    assert operation.left is None


def test_the_audit_leads_to_the_operation(failed):
    operation = begin()
    reader = visitor("runs.view_auditentry", "runs.view_run", name="rita")
    page = reader.get("/admin/runs/auditentry/").content.decode()
    assert AuditEntry.objects.get(action="bulk retry").target_id == operation.public_id
    assert f'href="{url(operation)}"' in page
    entry = AuditEntry.objects.get(action="bulk retry")
    detail = reader.get(f"/admin/runs/auditentry/{entry.pk}/change/").content.decode()
    assert 'href="/admin/runs/run/?state=failed"' in detail


@pytest.mark.django_db(transaction=True)
def test_an_export_can_be_downloaded_once_it_is_whole(failed, settings, tmp_path):
    folder = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    settings.STORAGES = {**settings.STORAGES, "default": folder}
    failed(2)
    taker = visitor("runs.view_run", "runs.export_run", name="tara")
    data = {"act": "export", "all": "1", "filter": "?state=failed", "confirm": "1"}
    answer = taker.post("/admin/runs/run/act/", {**data, "format": "ndjson", "with_logs": "on"})
    operation = BulkOperation.objects.get()
    assert answer["Location"] == url(operation)
    link = f"/api/bulk/{operation.public_id}/download/"
    coming = taker.get(url(operation)).content.decode()
    assert "It can be downloaded once it is whole" in coming
    assert link not in coming

    finish(operation)
    page = taker.get(url(operation))
    assert link in page.content.decode()
    assert re.search(r"2 runs, \d+ events · [\d.]+ k?B · kept until", text_of(page))
    rows = [json.loads(line) for line in _read(taker.get(link)).splitlines()]
    assert sum("id" in row for row in rows) >= 2

    nina = visitor("runs.view_run", name="nina")
    assert link not in nina.get(url(operation)).content.decode()


@pytest.mark.parametrize("text", ["bulk_x", "run_01h455vb4pex5vsknk084sn02q", "%00"])
def test_an_operation_that_is_not_there_is_not_found(olga, text):
    assert olga.get(f"{LIST}{text}/").status_code == 404


def test_a_run_is_put_under_legal_hold_and_out_of_it_on_its_page(failed):
    (run_id,) = failed(1)
    public_id = ids.encode("run", run_id)
    page = f"/admin/runs/run/{public_id}/"
    holder = visitor("runs.view_run", "runs.hold_run", "runs.delete_run", name="hugo")
    assert "Legal hold…" in text_of(holder.get(page))
    assert holder.post(page, {"act": "hold"}).status_code == 422
    holder.post(page, {"act": "hold", "reason": "court order 7"})

    said = text_of(holder.get(page))
    assert "Under legal hold since" in said
    assert "not while under legal hold" in said
    assert "Delete…" not in said
    assert "Under legal hold" in text_of(holder.get("/admin/runs/run/?view=all"))
    refused = {"act": "delete", "reason": "x", "typed": public_id[-8:]}
    assert holder.post(page, refused).status_code == 409
    assert AuditEntry.objects.get(action="hold").reason == "court order 7"

    holder.post(page, {"act": "release", "reason": ""})
    assert Run.objects.get(pk=run_id).held_at is None
    other = visitor("runs.view_run", name="otto")
    assert other.post(page, {"act": "hold", "reason": "x"}).status_code == 403
    assert "Legal hold…" not in text_of(other.get(page))


def test_one_that_ended_by_itself_says_why(olga, failed):
    failed(3)
    said = text_of(olga.get(url(finish(begin("delete", at_most=2)))))
    assert "It ended by itself. More runs match its filter than the 2 that were expected" in said
    assert "2 runs at most; it ends before it visits more" in said


def test_who_may_not_any_more_cannot_steer_what_they_began(failed):
    failed(3)
    nora = visitor("runs.view_run", "runs.retry_run", name="nora")
    operation = begin()
    assert nora.post(url(operation), {"act": "pause"}).status_code == 302
    User.objects.get(username="nora").user_permissions.remove(
        Permission.objects.get(codename="retry_run")
    )
    for act in ("resume", "abort", "rate", "again"):
        assert nora.post(url(operation), {"act": act, "rate": "1"}).status_code == 403
    operation.refresh_from_db()
    assert (operation.state, operation.rate) == ("paused", None)
