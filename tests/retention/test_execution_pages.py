"""MANAGE → Archive: the list, the questions, the page of one execution, and the notice."""

import html
import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone

from retention import executions, expected, segments, stock, tasks
from retention.models import Execution, Finding, WorkflowPolicy
from retention.models.execution import ExecutionState
from retention.views.executions import deleted_file, execution_list, execution_page
from runs import ids
from runs.models import Archive, AuditEntry, DeletedRun, Run
from tests.plans import as_for_many_rows
from tests.retention.nightly import (
    ANNA,
    begin,
    ended,
    policy,
    storage_in,
    until_ended,
    workflow,
)
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db
LIST = "/admin/retention/executions/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def usual_policy(db):
    policy()


@pytest.fixture
def olga():
    return visitor("runs.view_run", "runs.manage_retention")


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(tasks, "begin", lambda execution: found.append(execution.pk))
    return found


def url(execution, query=""):
    return f"{LIST}{execution.public_id}/{query}"


def text_of(answer):
    bare = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", html.unescape(bare))


def test_an_empty_list_says_what_will_be(olga):
    said = text_of(olga.get(LIST))
    assert "Nothing was archived yet" in said
    assert "next night" in said
    policy(is_on=False)
    assert "the nightly run is off" in text_of(olga.get(LIST))


def test_the_list_says_kind_who_state_and_figures(olga):
    night = executions.begin(
        "archive", by=executions.SCHEDULE, now=timezone.now(), night=timezone.now().date()
    )
    Execution.objects.filter(pk=night.pk).update(
        state="finished", ended_at=timezone.now(), seen=1200, archived=1190, errors=10,
        deleted_runs=7,
    )  # fmt: skip
    begin("check", options={"most": None}, reason="the disk was full")
    said = text_of(olga.get(LIST))
    assert f"Night of {night.night.day} {night.night:%B %Y}" in said
    assert said.index("Integrity check of all objects") < said.index("Night of")
    assert "1,190 archived" in said
    assert "10 failed" in said
    assert "7 gone for good" in said
    assert "schedule" in said
    assert 'hx-trigger="every 2s"' in olga.get(LIST).content.decode()
    part = olga.get(LIST, headers=HTMX).content.decode()
    assert "<html" not in part


def test_the_list_is_paged_by_key_in_few_queries(olga, django_assert_max_num_queries):
    now = timezone.now()
    Execution.objects.bulk_create(
        Execution(
            kind="sweep", state="finished", started_by="anna",
            created_at=now - timedelta(minutes=n), moved_at=now, ended_at=now,
        )
        for n in range(60)
    )  # fmt: skip
    with django_assert_max_num_queries(16):
        first = olga.get(LIST).content.decode()
    names = re.findall(r"/executions/(exec_\w+)/", first)
    assert len(set(names)) == 50
    older = re.search(r"\?before=exec_\w+", first)[0]
    rest = set(re.findall(r"/executions/(exec_\w+)/", olga.get(LIST + older).content.decode()))
    assert len(rest) == 10
    assert not rest & set(names)
    with as_for_many_rows():
        plan = execution_list._after(Execution.objects.first())[:51].explain()
    assert "retention_newest" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("confirm=archive", "ended more than 90 days ago"),
        ("confirm=archive&dry_run=1", "writes and deletes nothing"),
        ("confirm=sweep", "both ways"),
        ("confirm=check", "compared with their checksums"),
    ],
)
def test_each_is_asked_for_before_it_begins(query, words, olga):
    assert words in text_of(olga.get(f"{LIST}?{query}"))
    part = olga.get(f"{LIST}?{query}", headers=HTMX)
    assert words in text_of(part)
    assert "<html" not in part.content.decode()
    assert not Execution.objects.exists()


def test_run_now_warns_of_what_goes_for_good(olga):
    assert "for good" not in text_of(olga.get(f"{LIST}?confirm=archive", headers=HTMX))
    policy(delete_days=400)
    assert "400 days ago go for good" in text_of(olga.get(f"{LIST}?confirm=archive", headers=HTMX))


def test_run_now_says_how_many_go_for_good_and_looks_dangerous(olga, monkeypatch):
    def asked(query=""):
        return olga.get(f"{LIST}?confirm=archive{query}", headers=HTMX)

    version = workflow()
    for days in (500, 510):
        ended(version, days)
    assert "op-btn-danger" not in asked().content.decode()
    policy(delete_days=1_000)
    assert "By now none is so old." in text_of(asked())
    policy(delete_days=400)
    said = text_of(asked())
    assert "By now 2 runs would be deleted , 2 of them just after they are archived." in said
    assert "Archive now, delete 2 Cancel" in said
    assert "op-btn-danger" in asked().content.decode()
    assert "op-btn-danger" not in asked("&dry_run=1").content.decode()
    # A count that takes too long does not pass for none.
    monkeypatch.setattr(expected, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(segments, "COUNT", f"SELECT pg_sleep(1); {segments.COUNT}")
    said = asked()
    assert "could not be counted in time" in text_of(said)
    assert "op-btn-danger" in said.content.decode()


def test_a_second_one_is_told_of_the_first(olga):
    assert "One is running" not in text_of(olga.get(f"{LIST}?confirm=archive", headers=HTMX))
    first = begin()
    asked = olga.get(f"{LIST}?confirm=archive", headers=HTMX)
    assert "One is running since" in text_of(asked)
    assert url(first) in asked.content.decode()
    assert "One is running" not in text_of(olga.get(f"{LIST}?confirm=check", headers=HTMX))


def test_the_list_is_filtered_by_kind(olga, monkeypatch):
    assert "kind-sweep" not in olga.get(LIST).content.decode()
    monkeypatch.setattr(execution_list, "PAGE_SIZE", 2)
    for kind in ("sweep", "check", "sweep", "sweep"):
        begin(kind)
    page = olga.get(f"{LIST}?kind=sweep").content.decode()
    assert page.count('data-c="what"') == 2
    assert "Integrity check" not in page
    older = html.unescape(re.search(r'href="(\?kind=sweep&amp;before=exec_\w+)"', page)[1])
    assert olga.get(LIST + older).content.decode().count('data-c="what"') == 1
    assert "None of this kind" in text_of(olga.get(f"{LIST}?kind=archive"))


def test_the_list_says_how_much_is_archived_and_when_it_was_checked(olga, monkeypatch):
    assert "archive-stock" not in olga.get(LIST).content.decode()
    version, now = workflow(), timezone.now()
    for number in range(3):
        Archive.objects.create(
            run_id=ended(version, 100), name=f"archive/{number}", last_seq=1, unpacked=1,
            bytes=1_500, sha256="", archived_at=now, verified_at=now, completed_at=now,
        )  # fmt: skip
    said = text_of(olga.get(LIST))
    assert "3 archived logs 4.5 kB in storage all read since" in said
    assert "last check of all never last sweep never" in said
    sample, whole = begin("check"), begin("check", options={"most": None})
    Execution.objects.filter(pk=sample.pk).update(state="finished", ended_at=now)
    assert stock.stock().checked is None
    Execution.objects.filter(pk=whole.pk).update(state="finished", ended_at=now)
    assert stock.stock().checked == whole
    small = begin("check")
    Execution.objects.filter(pk=small.pk).update(
        state="finished", ended_at=now, seen=3, report={"there": 3}
    )
    assert stock.stock().checked == small
    # Of many, about.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE archives")
    monkeypatch.setattr(stock, "MOST", 2)
    found = stock.stock()
    assert (found.archives, found.bytes, found.is_exact) == (3, 4_500, False)
    assert "about 3 archived logs about 4.5 kB in storage" in text_of(olga.get(LIST))
    with as_for_many_rows():
        oldest = Archive.objects.order_by("verified_at", "run_id")[:1]
        assert "archives_verified" in oldest.explain()


def test_run_now_warns_of_workflows_whose_runs_go_for_good_by_their_own_days(olga, monkeypatch):
    def own(slug, **fields):
        WorkflowPolicy.objects.create(workflow_id=workflow(slug).workflow_id, **fields)

    def asked():
        return text_of(olga.get(f"{LIST}?confirm=archive", headers=HTMX))

    own("contracts", never_deleted=True)
    own("letters", completed_days=10)
    assert "for good" not in asked()
    own("invoices", delete_days=200)
    own("orders", delete_days=1_000)
    named = "invoices after 200 days, orders after 1,000 days. This cannot be undone."
    assert f"Archived runs of some workflows go for good , with their archive: {named}" in asked()
    policy(delete_days=400)
    said = asked()
    assert "400 days ago go for good" in said
    assert f"of other workflows after days of their own: {named}" in said
    assert "letters" not in said
    monkeypatch.setattr(execution_list, "MOST_NAMED", 1)
    assert "invoices after 200 days and 1 more." in asked()
    assert "for good" not in text_of(olga.get(f"{LIST}?confirm=archive&dry_run=1", headers=HTMX))


@pytest.mark.parametrize(
    ("form", "kind", "dry_run", "options"),
    [
        ({"kind": "archive"}, "archive", False, None),
        ({"kind": "archive", "dry_run": "on"}, "archive", True, None),
        ({"kind": "sweep", "however_many": "on"}, "sweep", False, {"however_many": True}),
        ({"kind": "check", "most": "sample", "sample": "50"}, "check", False, {"most": 50}),
        ({"kind": "check", "most": "all", "sample": "50"}, "check", False, {"most": None}),
    ],
)
def test_it_is_begun_sent_and_audited(form, kind, dry_run, options, olga, sent):
    answer = olga.post(LIST, {**form, "reason": "because"}, headers=HTMX)
    execution = Execution.objects.get()
    assert answer["HX-Redirect"] == url(execution)
    assert (execution.kind, execution.dry_run) == (kind, dry_run)
    assert options is None or execution.options == options
    assert sent == [execution.pk]
    entry = AuditEntry.objects.get(action=f"begin {kind}")
    assert (entry.actor, entry.reason) == (execution.started_by, "because")
    assert olga.post(LIST, form).status_code == 302


def test_what_cannot_be_done_is_said_in_the_question(olga, sent):
    answer = olga.post(LIST, {"kind": "check", "dry_run": "on"}, headers=HTMX)
    assert answer.status_code == 422
    assert "there is no dry run of it" in text_of(answer)
    answer = olga.post(LIST, {"kind": "check", "most": "sample", "sample": "0"}, headers=HTMX)
    assert answer.status_code == 422
    assert "greater than or equal to 1" in text_of(answer)
    assert olga.post(LIST, {"kind": "burn"}).status_code == 302
    assert not sent


def test_the_page_says_what_it_is_at_and_moves_until_it_ends(olga):
    version = workflow()
    execution = begin(reason="quarter's end")
    Execution.objects.filter(pk=execution.pk).update(
        cursor={"phase": "terms", "behind": {"workflow": version.workflow_id, "state": 0}},
        seen=40, archived=38, errors=2, expected=80, unpacked_bytes=2_000_000, bytes=400_000,
        worked=timedelta(seconds=2),
    )  # fmt: skip
    said = text_of(olga.get(url(execution)))
    assert "Archiving what is due: invoice_processing, completed" in said
    assert "50 % 40 of about 80 runs" in said
    assert "20 runs/s" in said
    assert "about 3 s left" in said
    assert "In storage 400.0 kB 20 % of that" in said
    assert "quarter's end" in said
    assert 'hx-trigger="every 1s"' in olga.get(url(execution)).content.decode()
    part = olga.get(url(execution, "?fragment=live"), headers=HTMX)
    assert 'hx-swap-oob="true"' in part.content.decode()
    executions.abort(execution, by=ANNA, now=timezone.now())
    part = olga.get(url(execution, "?fragment=live"), headers=HTMX).content.decode()
    assert "hx-trigger" not in part
    assert "Abort…" not in part


def test_trouble_stands_on_the_page_and_on_every_other_for_who_sees_to_it(olga):
    execution = begin()
    Execution.objects.filter(pk=execution.pk).update(
        trouble="Object storage cannot be reached: see whether it is up.",
        trouble_since=timezone.now(), next_at=timezone.now(), tries=3,
    )  # fmt: skip
    said = text_of(olga.get(url(execution)))
    assert "It waits. Object storage cannot be reached" in said
    assert "Nothing is deleted meanwhile" in said
    assert "Waiting" in said
    assert said.count("see whether it is up") == 1
    runs = olga.get("/admin/runs/run/")
    assert "Archiving waits. Object storage cannot be reached" in text_of(runs)
    assert url(execution) in runs.content.decode()
    nina = visitor("runs.view_run", name="nina")
    assert "Archiving waits" not in text_of(nina.get("/admin/runs/run/"))
    Execution.objects.update(state=ExecutionState.FAILED, ended_at=timezone.now())
    assert "The last archive run gave up." in text_of(olga.get("/admin/runs/run/"))
    later = begin()
    Execution.objects.filter(pk=later.pk).update(state="finished", ended_at=timezone.now())
    assert "gave up" not in text_of(olga.get("/admin/runs/run/"))


def test_it_is_aborted_after_a_question(olga):
    execution = begin()
    for headers in ({}, HTMX):
        asked = olga.get(url(execution, "?confirm=abort"), headers=headers)
        assert "What is done stays done" in text_of(asked)
    olga.post(url(execution), {"act": "abort", "reason": "not today"})
    execution.refresh_from_db()
    assert execution.state == "aborted"
    assert AuditEntry.objects.get(action="abort retention").reason == "not today"
    late = olga.post(url(execution), {"act": "abort"}, follow=True)
    assert "It was too late for that" in text_of(late)
    assert "cannot be done" in text_of(olga.post(url(execution), {"act": "burn"}, follow=True))


def test_findings_are_paged_and_taken_away_as_a_file(olga, monkeypatch):
    monkeypatch.setattr(execution_page, "PAGE_SIZE", 2)
    execution = begin("check")
    run_ids = [ids.new_id() for _ in range(3)]
    Finding.objects.bulk_create(
        Finding(
            execution=execution, at=timezone.now(), run_id=run_id,
            object_name="archive/one", problem="=its object is damaged", act="marked",
        )
        for run_id in run_ids
    )  # fmt: skip
    Execution.objects.filter(pk=execution.pk).update(found=3)
    first = olga.get(url(execution)).content.decode()
    assert ids.encode("run", run_ids[0]) in first
    assert ids.encode("run", run_ids[2]) not in first
    later = re.search(r"\?after=\d+", first)[0]
    rest = olga.get(url(execution, later)).content.decode()
    assert ids.encode("run", run_ids[2]) in rest
    assert ids.encode("run", run_ids[0]) not in rest
    answer = olga.get(url(execution, "?download=csv"))
    assert f"{execution.public_id}-findings.csv" in answer["Content-Disposition"]
    lines = _read(answer).splitlines()
    assert lines[0] == "at,run,object,problem,done"
    assert len(lines) == 5
    assert f"{ids.encode('run', run_ids[1])},archive/one,'=its object is damaged,marked" in lines[2]
    assert lines[-1].startswith("end,3 of 3 findings")
    assert olga.get(url(execution, "?after=x")).status_code == 404


def test_findings_that_are_forgotten_do_not_pass_for_none(olga):
    execution = begin("check")
    finding = Finding.objects.create(execution=execution, at=timezone.now(), problem="damaged")
    Execution.objects.filter(pk=execution.pk).update(
        found=1, state="finished", ended_at=timezone.now() - timedelta(days=89)
    )
    assert "for 90 days after its end" in text_of(olga.get(url(execution)))
    finding.delete()
    Execution.objects.update(ended_at=timezone.now() - timedelta(days=91))
    page = olga.get(url(execution))
    assert "Findings are kept for 90 days after the end; these are gone." in text_of(page)
    assert "all is as it should be" not in text_of(page)
    assert "findings-csv" not in page.content.decode()


def _read(answer):
    async def gather():
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(gather)().decode()


def test_a_dry_run_shows_what_is_due_by_workflow_and_state(olga):
    version = workflow()
    ended(version, 100)
    ended(version, 200, "failed")
    execution = until_ended(begin(dry_run=True))
    said = text_of(olga.get(url(execution)))
    assert "Dry run" in said
    assert re.search(r"invoice_processing (\w+ )?Completed 1 \d+ [\d.]+ k?B .* 0", said)
    assert "Would be archived 2" in said


def test_what_goes_for_good_stands_first_in_its_record(olga, settings, tmp_path, monkeypatch):
    storage_in(settings, tmp_path)
    version = workflow()
    for days in (500, 510, 520):
        ended(version, days)
    until_ended(begin())
    policy(delete_days=400)
    dry = until_ended(begin(dry_run=True))
    said = text_of(olga.get(url(dry)))
    assert "100 % 3 runs looked at" in said
    assert "0 would be archived 3 would go for good" in said
    assert re.search(r"Would go for good 3 .* invoice_processing 3 [\d.]+ k?B", said)
    monkeypatch.setattr(execution_page, "PAGE_SIZE", 2)
    done = until_ended(begin())
    said = text_of(olga.get(url(done)))
    assert "100 % 3 runs looked at" in said
    assert "0 archived 3 gone for good" in said
    assert "all is as it should be" not in said
    first = olga.get(url(done)).content.decode()
    names = re.findall(r'title="(run_\w+)"', first)
    later = re.search(r"\?deleted_after=run_\w+", first)[0]
    rest = olga.get(url(done, later)).content.decode()
    names += re.findall(r'title="(run_\w+)"', rest)
    assert sorted(names) == sorted(
        ids.encode("run", run_id) for run_id in DeletedRun.objects.values_list("pk", flat=True)
    )
    monkeypatch.setattr(deleted_file, "PAGE", 2)
    answer = olga.get(url(done, "?download=deleted"))
    assert f"{done.public_id}-deleted.csv" in answer["Content-Disposition"]
    lines = _read(answer).splitlines()
    assert lines[0] == "run,workflow,created_at,deleted_at,by,reason"
    assert [line.split(",")[0] for line in lines[1:]] == [*names, "end"]
    assert f"anna,past its second term ({done.public_id})" in lines[1]
    assert lines[-1].startswith("end,3 of 3 runs")
    listed = text_of(olga.get(LIST))
    assert "3 gone for good" in listed
    assert "3 would go for good" in listed
    for wrong in ("run_x", ids.encode("run", ids.new_id())):
        assert olga.get(url(done, f"?deleted_after={wrong}")).status_code == 404


def test_its_record_tells_waits_lateness_who_aborted_it_and_the_days_of_workflows(olga):
    other = workflow("contracts")
    WorkflowPolicy.objects.create(workflow_id=other.workflow_id, completed_days=10, failed_days=20)
    WorkflowPolicy.objects.create(workflow_id=workflow("letters").workflow_id, never_deleted=True)
    now = timezone.now()
    night = executions.begin(
        "archive", by=executions.SCHEDULE, now=now, night=now.date(), due=now - timedelta(hours=2)
    )
    since = now - timedelta(seconds=92)
    Execution.objects.filter(pk=night.pk).update(
        waits=[{"since": since.isoformat(), "until": now.isoformat(), "why": "No disk there."}]
    )
    assert executions.abort(night, by=ANNA, now=now, reason="it is late")
    said = text_of(olga.get(url(night)))
    assert "and began 2 h 00 m late." in said
    assert re.search(r"It waited 1 m 32 s , .*\. No disk there\.", said)
    assert "Aborted by anna : it is late" in said
    assert "all is as it should be" not in said
    assert "contracts completed 10, failed 20 letters never deleted" in said
    soon = begin()
    said = text_of(olga.get(url(soon)))
    assert "late." not in said
    assert "It waited" not in said


def test_what_found_something_bad_is_not_simply_finished(olga):
    bad, good = begin("check"), begin("check")
    Execution.objects.filter(pk=bad.pk).update(
        state="finished", ended_at=timezone.now(), seen=4_589, errors=4_589, found=4_589
    )
    Execution.objects.filter(pk=good.pk).update(
        state="finished", ended_at=timezone.now(), seen=200, verified=200, report={"there": 4_589}
    )
    page = olga.get(url(bad)).content.decode()
    assert 'data-word="Problems"' in page
    page = olga.get(url(good))
    assert 'data-word="Finished"' in page.content.decode()
    assert "200 objects looked at of 1,000 that were asked for; there are 4,589" in text_of(page)
    listed = text_of(olga.get(LIST))
    assert "Problems fact_check Integrity check" in listed
    assert "Finished fact_check Integrity check" in listed


def test_a_finding_about_a_run_that_is_not_there_is_no_link(olga):
    execution = begin("sweep")
    run_id = ids.encode("run", ids.new_id())
    Finding.objects.create(
        execution=execution, at=timezone.now(), run_id=ids.decode("run", run_id), problem="orphan"
    )
    page = olga.get(url(execution))
    assert "no such run now" in text_of(page)
    assert f'class="op-id" title="{run_id}"' not in page.content.decode()


def test_damaged_logs_are_said_on_the_list(olga):
    run = Run.objects.get(pk=ended(workflow(), 100))
    now = timezone.now()
    Archive.objects.create(
        run=run, name="archive/one", last_seq=1, unpacked=1, bytes=1, sha256="", archived_at=now,
        verified_at=now, completed_at=now, problem="its object is damaged",
    )  # fmt: skip
    check = begin("check")
    Execution.objects.filter(pk=check.pk).update(state="finished", ended_at=now, errors=1)
    page = olga.get(LIST).content.decode()
    assert "1 archived log is damaged or lost in storage" in text_of(olga.get(LIST))
    assert "/admin/runs/run/?view=all&amp;logs=damaged" in page
    assert f'id="problems-findings" href="{url(check)}"' in page


def test_who_may_not_see_to_retention_sees_nothing_of_it(sent):
    execution = begin()
    nina = visitor("runs.view_run", "runs.delete_run", "runs.restore_run", name="nina")
    assert nina.get(LIST).status_code == 403
    assert nina.get(url(execution)).status_code == 403
    assert nina.post(LIST, {"kind": "archive"}).status_code == 403
    assert nina.post(url(execution), {"act": "abort"}).status_code == 403
    assert LIST not in nina.get("/admin/runs/run/").content.decode()
    assert Execution.objects.get().is_running


def test_an_id_that_is_none_is_not_found(olga):
    for name in ("exec_x", ids.encode("exec", ids.new_id()), ids.encode("bulk", ids.new_id())):
        assert olga.get(f"{LIST}{name}/").status_code == 404
