"""The page of one run: what it says of each state, its parts, its acts, and its bounds."""

import html
import io
import json
import logging
import re
import zipfile
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode

from runs import ids, lifecycle
from runs.actors import Actor
from runs.models import AuditEntry, Run
from runs.rows import NewEvent
from runs.states import Kind
from runs.views import run_history
from tests.runs import stories
from tests.runs.conftest import page_bytes, page_events
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db
ANNA = Actor(name="anna", ref_type="user", ref_id="user_anna")
HOSTILE = "<script>alert(1)</script>"
JOB_KEYS = [
    "job_id",
    "dag_id",
    "state",
    "created_at",
    "started_at",
    "completed_at",
    "total_duration_ms",
    "ref_id",
    "ref_type",
]


@pytest.fixture
def olga():
    """May look, also at home, and nothing else."""
    return visitor("runs.view_run", "runs.export_run")


@pytest.fixture
def operator():
    allowed = ("view_run", "retry_run", "terminate_run", "execute_workflow")
    return visitor(*(f"runs.{name}" for name in allowed), name="oskar")


def url(run, query=""):
    public_id = run if isinstance(run, str) else run.public_id
    return f"/admin/runs/run/{public_id}/{query}"


def shown(client, run, query=""):
    answer = client.get(url(run, query))
    assert answer.status_code == 200
    return answer.content.decode()


def words(html):
    """The text a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def seqs(html):
    return [int(seq) for seq in re.findall(r'<li data-seq="(\d+)"', html)]


def part(html, begin, end="</section>"):
    start = html.index(begin)
    return html[start : html.index(end, start)]


# -- What it says -----------------------------------------------------------------------------


def test_a_failed_run_says_which_node_failed_with_what_after_how_many_attempts(olga):
    page = words(shown(olga, stories.failed_invoice()))
    assert "check_totals failed after 3 attempts." in page
    assert "TotalsMismatch: line items sum to 1,204.50, document says 1,240.50" in page


def test_a_failed_run_that_was_retried_leads_to_its_retry_first():
    visited = visitor("runs.view_run", "runs.retry_run")
    original = stories.failed_invoice()
    assert "op-btn-primary" in part(shown(visited, original), 'id="run-head"', "</form>")

    retry = stories.Story(original.version, retry_of=original.run)

    page = shown(visited, original)
    notice = part(page, 'id="run-notice"', "</p>")
    assert "Retried already" in words(notice)
    assert url(retry) in notice
    assert "op-btn-primary" not in part(page, 'id="run-head"', "</form>")


def test_the_head_leads_to_the_workflow_and_the_facts_to_the_persons_runs():
    run = stories.failed_invoice()
    may_see_both = visitor("runs.view_run", "runs.view_workflow", name="both")
    page = shown(may_see_both, run)
    workflow_url = f"/admin/runs/workflow/{run.run.workflow.slug}/"
    assert f'href="{workflow_url}"' in part(page, "<h1>", "</h1>")
    assert 'href="/admin/runs/run/?triggered_by=maria"' in part(page, 'id="run-facts"')
    assert "href" not in part(shown(visitor("runs.view_run"), run), "<h1>", "</h1>")


def test_the_facts_of_a_run(olga):
    run = stories.failed_invoice()
    facts = words(part(shown(olga, run), 'id="run-facts"'))
    for fact in (
        "Created 2 Mar 13:54:07.112 UTC",
        "Started 13:54:11.294",
        "Finished 13:56:19.312",
        "Duration 2 m 08 s",
        "Triggered by maria · manual",
        "Reference user user_…k3m9",
        "Cost $0.0245",
        "Tokens 16,056 total",
        "Input tokens 14,180 · 2,048 cached",
        "Output tokens 1,876",
    ):
        assert fact in facts


def test_times_are_in_the_persons_zone():
    client = visitor("runs.view_run", time_zone="Europe/Berlin")
    page = shown(client, stories.failed_invoice())
    assert "2 Mar 14:54:07.112" in words(page)
    assert "CET" in words(page)
    assert ">14:54:07.112<" in page  # the history too


def test_a_zone_that_the_server_does_not_know_any_more_shuts_nobody_out():
    client = visitor("runs.view_run", time_zone="Europe/Nowhere")
    assert "2 Mar 13:54:07.112" in words(shown(client, stories.failed_invoice()))


def test_a_terminated_run_says_by_whom_why_and_what_still_drains(olga):
    told = stories.draining_invoice()
    notice = words(part(shown(olga, told), 'id="run-notice"', "</p>"))
    assert "Terminated by maria: imported the wrong month" in notice
    assert "draining 2 nodes: scan, read finish their present operation" in notice


def test_nothing_drains_once_the_late_results_are_in(olga):
    told = stories.draining_invoice()
    told.late("scan").late("read")
    page = words(shown(olga, told))
    assert "draining" not in page
    assert "attempt 1 completed too late: nothing follows from it" in page


def test_an_input_that_does_not_fit_is_told_as_such(olga):
    page = words(shown(olga, stories.refused_run()))
    assert "Its input does not fit the workflow, so it did not start." in page
    assert "document must be text, not a number" in page


def test_an_active_run_that_is_bound_to_fail_says_what_it_waits_for(olga):
    told = stories.active_invoice()
    told.start("classify", 2).at(60).fail("extract_fields", 2, message="the model is gone")
    notice = words(part(shown(olga, told), 'id="run-notice"', "</p>"))
    assert "extract_fields failed after 2 attempts. Boom: the model is gone" in notice
    assert "The run fails when the node in flight ends." in notice


def test_a_queued_run_says_how_long_it_has_waited(olga):
    told = stories.Story(stories.publish(*stories.INVOICE), zero=stories.ago(90))
    facts = words(part(shown(olga, told), 'id="run-facts"'))
    assert re.search(r"Duration queued 1 m 3\d s", facts)


def test_an_unknown_id_is_a_404_in_the_portals_frame_with_a_way_back(olga):
    for unknown in (ids.encode("run", ids.new_id()), "run_nope", "job_x", "<b>"):
        answer = olga.get(url(unknown))
        page = answer.content.decode()
        assert answer.status_code == 404
        assert "There is no run with this id" in page
        assert '<b>"' not in page
        assert 'href="/admin/runs/run/"' in page


def test_only_who_may_view_runs_sees_one(client):
    run = stories.completed_run()
    assert visitor(name="guest").get(url(run)).status_code == 403
    answer = client.get(url(run))
    assert answer.status_code == 302
    assert "/login/" in answer.url


# -- Timeline and panel -----------------------------------------------------------------------


def test_the_timeline_has_a_row_for_each_node_and_a_bar_for_each_attempt(olga):
    page = shown(olga, stories.failed_invoice())
    lanes = part(page, 'id="run-lanes"', "</ol>")
    assert re.findall(r'<li class="op-tl-row[^"]*" data-key="(\w+)"', lanes) == [
        node["id"] for node in stories.INVOICE
    ]
    assert lanes.count('class="op-bar" data-state="failed"') == 4
    assert 'title="Attempt 2: TotalsMismatch after 4.3 s"' in lanes
    assert 'title="Back-off 8.0 s"' in lanes
    assert "is-critical" in lanes


def test_the_table_says_the_same_as_the_timeline(olga):
    table = part(shown(olga, stories.failed_invoice(), "?view=table"), 'id="run-lanes"', "</table>")
    rows = [words(row) for row in table.split("<tr")[2:]]
    assert len(rows) == 7
    assert "Failed check_totals on the critical path finance.check_totals 3" in rows[4]
    assert "13:55:46.112 13:55:46.312 13:56:19.312 33.0 s" in rows[4]
    assert "TotalsMismatch: line items sum" in rows[4]
    assert "Skipped route" in rows[5]


def test_a_failed_run_opens_at_the_node_to_blame(olga):
    panel = part(shown(olga, stories.failed_invoice()), 'id="run-node"', "</aside>")
    told = words(panel)
    assert "check_totals" in told
    assert "TotalsMismatch : line items sum to" in told
    assert "compare_totals(lines, doc.total)" in told
    assert "13.3 s + 19.0 s back-off" in told


def test_a_node_is_opened_by_link_and_closed_by_link(olga):
    run = stories.failed_invoice()
    panel = part(shown(olga, run, "?node=extract_text"), 'id="run-node"', "</aside>")
    assert "ocr.extract_text · worker-2 · 17.6 s" in words(panel)
    assert 'id="run-node"' not in shown(olga, run, "?node=")
    assert 'id="run-node"' not in shown(olga, run, "?node=nothing_like_it")


def test_who_opens_a_node_is_not_sent_the_lanes_again(olga):
    run = stories.failed_invoice()
    part_only = shown(olga, run, "?fragment=overview&same_lanes=1&node=classify")
    assert '<div id="run-lanes" data-same></div>' in part_only
    assert "op-tl-row" not in part_only
    assert 'data-shown="classify"' in part_only


def test_the_panel_tells_of_one_attempt(olga):
    run = stories.failed_invoice()
    first = shown(olga, run, "?node=extract_fields&attempt=1")
    assert "RateLimited" in part(first, 'id="run-node"', "</aside>")
    second = part(
        shown(olga, run, "?node=extract_fields&attempt=2&pane=llm"), 'id="run-node"', "</aside>"
    )
    assert "gpt-4.1-mini $0.0184 11,402 in, 1,830 out, 2,048 cached" in words(second)


def test_log_lines_of_a_node_are_bounded(olga):
    told = stories.active_invoice()
    lines = [
        NewEvent(Kind.LOG, "classify", 1, data={"level": "info", "message": f"line {number}"})
        for number in range(250)
    ]
    told.tell(*lines)
    panel = part(shown(olga, told, "?node=classify&pane=logs"), 'id="run-node"', "</aside>")
    assert "The last 200 lines" in panel
    assert "line 249" in panel
    assert "line 49<" not in panel


def test_a_large_payload_is_not_in_the_page_but_can_be_asked_for(olga):
    told = stories.completed_run()
    told = stories.Story(told.version).queue("load").active().start("load")
    told.complete("load", output={"text": "x" * 30_000})
    panel = part(shown(olga, told, "?node=load&pane=output"), 'id="run-node"', "</aside>")
    assert "xxxx" not in panel
    assert "Show output, 30.0 kB" in panel
    answer = olga.get(url(told, "?fragment=payload&seq=5"))
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "x" * 30_000 in answer.content.decode()


# -- Tabs -------------------------------------------------------------------------------------


def test_job_tracking_shows_exactly_the_nine_keys(olga):
    page = shown(olga, stories.failed_invoice(), "?tab=job")
    text = part(page, '<pre class="op-code op-job"', "</pre>")
    job = json.loads(text[text.index(">") + 1 :].replace("&quot;", '"'))
    assert list(job) == JOB_KEYS
    assert job["created_at"] == "2026-03-02T13:54:07.112Z"
    assert job["total_duration_ms"] == 128_018


def test_the_context_is_in_the_page_when_small_and_fetched_when_large(olga):
    small = shown(olga, stories.completed_run(), "?tab=context")
    assert "&quot;workflow_id&quot;: &quot;nightly_report&quot;" in small
    told = stories.Story(
        stories.completed_run().version, data={"text": [str(n) for n in range(9_000)]}
    )
    large = shown(olga, told, "?tab=context")
    assert "&quot;workflow_id&quot;" not in large
    answer = olga.get(url(told, "?fragment=context&download=1"))
    assert answer.json()["input_data"]["text"][-1] == "8999"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_the_lineage_leads_from_the_original_to_its_retries(olga):
    original = stories.failed_invoice()
    version = original.version
    retry = stories.Story(version, by="oskar", retry_of=original.run)
    again = stories.Story(version, by="ina", retry_of=retry.run)
    chain = part(shown(olga, retry, "?tab=lineage"), 'op-chain"', "</table>")
    rows = [words(row) for row in chain.split("<tr")[2:]]
    assert len(rows) == 3
    assert "original · by maria" in rows[0]
    assert "this run" in rows[1]
    assert "retried by oskar" in rows[1]
    assert "retried by ina · retry of this run" in rows[2]
    assert url(again) in chain
    assert url(original) in shown(olga, retry), "the facts name what it retries"


# -- History ----------------------------------------------------------------------------------


@pytest.fixture
def long_run():
    """1,003 events."""
    told = stories.Story(stories.publish(stories.node("read"), slug="long"))
    told.queue("read").active().start("read")
    told.tell(*(_log_line(number) for number in range(999)))
    return told


def _log_line(number):
    data = {"level": "info", "message": f"line {number}"}
    return NewEvent(Kind.LOG, "read", 1, data=data)


def test_the_history_tells_every_event_in_words(olga):
    told = stories.failed_invoice()
    history = part(shown(olga, told), 'id="log-lines"', "</ol>")
    assert seqs(history) == list(range(1, told.run.last_seq + 1))
    rows = [words(row) for row in history.split("<li ")[1:]]
    assert "run created by maria , manual" in rows[0]
    assert "created → active" in rows[2]
    assert "attempt 1 on worker-2" in rows[3]
    assert "in 17.6 s" in rows[6]
    assert "RateLimited: 429 from model server · attempt 1 of 3 · again after 6.0 s" in rows[12]
    assert "gpt-4.1-mini · 2,778 in, 46 out · $0.0061" in rows[13]
    assert "active → failed : check_totals failed after 3 attempts" in rows[-1]


def test_the_history_opens_with_the_first_events_and_goes_on_both_ways(olga, long_run):
    page = shown(olga, long_run)
    assert seqs(page) == list(range(1, 201))
    assert 'id="log-after"' in page
    assert 'id="log-before"' not in page
    middle = shown(olga, long_run, "?fragment=events&after=500")
    assert seqs(middle) == list(range(501, 701))
    assert 'data-more-before="1"' in middle
    assert 'data-more-after="1"' in middle
    earlier = shown(olga, long_run, "?fragment=events&before=501&limit=50")
    assert seqs(earlier) == list(range(451, 501))
    last = shown(olga, long_run, "?fragment=events&before=")
    assert seqs(last) == list(range(804, 1004))
    assert 'data-more-after=""' in last


def test_a_request_for_events_is_bounded(olga, long_run):
    assert len(seqs(shown(olga, long_run, "?fragment=events&after=0&limit=100000"))) == 500
    assert seqs(shown(olga, long_run, "?fragment=events&after=99999999999999999999"))[:1] == [1]
    assert seqs(shown(olga, long_run, "?fragment=events&after=1003")) == []


def test_the_history_is_filtered_by_kind_and_node(olga):
    run = stories.failed_invoice()
    page = shown(olga, run, "?kind=node_failed&kind=llm_call&of=extract_fields")
    assert seqs(page) == [13, 17]
    assert "2 chosen" in words(page)
    assert "All events" in words(page)
    none = shown(olga, run, "?kind=human_action&of=route")
    assert "No events of this kind or node." in words(none)
    unknown = shown(olga, run, "?kind=nonsense")
    assert len(seqs(unknown)) == run.run.last_seq


def test_no_address_breaks_the_history(olga):
    run = stories.failed_invoice()
    for name in ("of", "find", "kind", "after", "before", "limit"):
        for value in ("\0", "route\0", "%_\\", "9" * 30, "<script>"):
            query = "?" + urlencode({"fragment": "events", name: value})
            assert "<script>" not in shown(olga, run, query)


def test_a_large_payload_is_measured_not_read(olga):
    told = stories.Story(stories.completed_run().version, data={"rows": ["é" * 50] * 300})
    [entry] = run_history.after(told.id, 0, run_history.Filter()).entries
    assert "input" not in entry.data
    assert entry.data["trigger"] == "manual"
    assert 30_000 < entry.payload_bytes < 40_000
    page = shown(olga, told)
    assert "éé" not in page
    assert f'data-src="?fragment=payload&amp;seq={entry.seq}"' in page


def test_a_history_over_midnight_says_the_day(olga):
    told = stories.Story(stories.completed_run().version)
    told.at(40_000).active()
    told.terminate()
    assert ">3 Mar 01:00:47.112<" in shown(olga, told)


def test_nothing_from_data_becomes_markup(olga):
    version = stories.publish(stories.node("show"), stories.node("next", "show"), slug="hostile")
    told = stories.Story(version, data={HOSTILE: HOSTILE}, by=HOSTILE, ref_id=HOSTILE)
    told.queue("show").active().start("show", worker=HOSTILE, data={"x": HOSTILE})
    told.log("show", HOSTILE).log("show", HOSTILE, level="error").log("show", HOSTILE * 50)
    told.call("show")
    told.tell(NewEvent(Kind.PROGRESS, "show", 1, data={"done": 1, "message": HOSTILE}))
    told.tell(NewEvent(Kind.HUMAN_ACTION, "show", 1, HOSTILE, data={"comment": HOSTILE}))
    told.fail("show", kind=HOSTILE, message=HOSTILE).skip(HOSTILE, "next")
    error = {"node": "show", "kind": HOSTILE, "message": HOSTILE}
    told.state("active", "failed", actor=HOSTILE, reason=HOSTILE, error=error)
    retry = stories.Story(version, by=HOSTILE, retry_of=told.run)
    queries = ["", "?view=table", "?node=show&pane=logs", "?node=show&pane=input"]
    for query in [*queries, "?tab=context", "?tab=job", "?tab=lineage"]:
        for run in (told, retry):
            page = shown(olga, run, query)
            assert HOSTILE not in page, query
            assert "&lt;script&gt;" in page


def test_events_of_kinds_and_shapes_that_are_not_known_are_shown_all_the_same(olga):
    told = stories.active_invoice()
    told.tell(
        NewEvent(Kind.LOG, "classify", None, data={}),
        NewEvent(Kind.PROGRESS, "classify", None, data={}),
        NewEvent(Kind.COST_UPDATE, "", None, data={"cost": "much"}),
        NewEvent(Kind.HUMAN_ACTION, "classify", None, data={"comment": None}),
        NewEvent(Kind.NODE_FAILED, "classify", 1, data={"retry_at": "2026-03-02T13:00:00"}),
    )
    assert len(seqs(shown(olga, told))) == told.run.last_seq


# -- Bounds -----------------------------------------------------------------------------------


def test_a_page_takes_as_many_queries_for_60_nodes_as_for_two(olga, django_assert_num_queries):
    def run_of(count):
        told = stories.Story(
            stories.publish(*(stories.node(f"n{i}") for i in range(count)), slug=f"wide_{count}")
        )
        told.queue(*(f"n{i}" for i in range(count))).active()
        for number in range(count):
            told.start(f"n{number}").log(f"n{number}", "x").complete(f"n{number}")
        return told

    small, large = run_of(2), run_of(60)
    for told in (small, large):
        shown(olga, told)  # definitions are kept
        with django_assert_num_queries(12):
            shown(olga, told, "?fragment=overview&node=n1&pane=logs")
    for told in (small, large):
        with django_assert_num_queries(7):
            shown(olga, told, "?fragment=events&after=0")


# -- Acts -------------------------------------------------------------------------------------


def test_acts_are_offered_by_state_and_permission(olga, operator):
    failed, active = stories.failed_invoice(), stories.active_invoice()
    done = stories.completed_run()

    def offered(client, run):
        head = part(shown(client, run), 'id="run-head"', 'id="run-notice"')
        names = ("Retry", "Run again…", "Terminate…")
        return {name for name in names if name in head}

    assert offered(operator, failed) == {"Retry", "Run again…"}
    assert offered(operator, active) == {"Run again…", "Terminate…"}
    assert offered(operator, done) == {"Run again…"}
    assert offered(olga, failed) == offered(olga, active) == set()


def test_run_again_leads_to_the_workflows_form_with_this_input(operator):
    run = stories.completed_run()
    assert f'href="/admin/runs/workflow/nightly_report/?run={run.public_id}#run"' in shown(
        operator, run
    )


def test_a_retry_leads_to_the_new_run_and_is_audited(operator):
    run = stories.failed_invoice()
    answer = operator.post(url(run), {"act": "retry"}, follow=True)
    new = Run.objects.get(retry_of=run.id)
    assert answer.redirect_chain == [(url(new), 302)]
    assert f"This is the retry of run_…{run.public_id[-8:]}." in words(answer.content.decode())
    assert new.triggered_by == "oskar"
    assert AuditEntry.objects.get(action="retry").target_id == run.public_id


def test_terminating_asks_for_a_reason_on_a_page_of_its_own(operator):
    run = stories.active_invoice()
    page = shown(operator, run, "?confirm=terminate")
    assert 'name="reason"' in page
    assert "The run ends at once" in page
    answer = operator.post(url(run), {"act": "terminate", "reason": "  "})
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert run.run.state == "active"


def test_a_terminated_run_keeps_the_reason_and_who(operator):
    run = stories.active_invoice()
    answer = operator.post(url(run), {"act": "terminate", "reason": "wrong file"}, follow=True)
    assert answer.redirect_chain == [(url(run), 302)]
    assert "Terminated by oskar: wrong file" in words(answer.content.decode())


def test_a_dialog_is_told_where_to_go_what_is_wrong_or_why_not(operator):
    run = stories.active_invoice()

    def sent(reason):
        data = {"act": "terminate", "reason": reason}
        return operator.post(url(run), data, headers={"HX-Request": "true"})

    wrong = sent("  ")
    assert wrong.status_code == 422
    assert "Say why" in wrong.content.decode()
    assert "<html" not in wrong.content.decode()
    done = sent("wrong file")
    assert (done.status_code, done.headers["HX-Redirect"]) == (200, url(run))
    again = sent("wrong file")
    assert again.status_code == 409
    assert again.content.decode() == "This run was not terminated: it is terminated already."


def test_retrying_what_has_not_failed_is_refused_with_the_reason_and_one_log_line(operator, caplog):
    run = stories.completed_run()
    with caplog.at_level(logging.WARNING):
        answer = operator.post(url(run), {"act": "retry"})
    assert answer.status_code == 409
    page = words(answer.content.decode())
    assert "only failed runs are retried; this one is completed" in page
    assert "nightly_report" in page, "the run's page is shown"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "oskar" in caplog.text


def test_terminating_what_is_over_is_refused(operator):
    run = stories.completed_run()
    answer = operator.post(url(run), {"act": "terminate", "reason": "x"})
    assert answer.status_code == 409
    assert "it is completed already" in words(answer.content.decode())


@pytest.mark.parametrize("act", ["retry", "terminate"])
def test_an_act_without_its_permission_is_refused_on_the_page(olga, caplog, act):
    run = stories.failed_invoice() if act == "retry" else stories.active_invoice()
    before = run.run.last_seq
    answer = olga.post(url(run), {"act": act, "reason": "x"})
    assert answer.status_code == 403
    assert f"You may not {act} runs." in words(answer.content.decode())
    assert run.run.last_seq == before
    assert not Run.objects.filter(retry_of=run.id).exists()
    assert len(caplog.records) == 1


def test_a_retry_needs_the_csrf_token():
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("runs.view_run", "runs.retry_run"))
    run = stories.failed_invoice()
    assert client.post(url(run), {"act": "retry"}).status_code == 403
    assert not Run.objects.filter(retry_of=run.id).exists()


def test_an_unknown_act_and_a_run_that_is_gone_are_refused(operator):
    run = stories.failed_invoice()
    assert operator.post(url(run), {"act": "explode"}).status_code == 400
    gone = ids.encode("run", ids.new_id())
    assert operator.post(url(gone), {"act": "retry"}).status_code == 404


def test_a_run_that_the_portal_executes_itself_has_a_page(olga, version):
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA, now=timezone.now() - timedelta(1))
    assert "Queued" in words(shown(olga, run))


# -- Files ------------------------------------------------------------------------------------


def downloaded(client, run, what):
    answer = client.get(url(run, f"?download={what}"))
    assert answer.status_code == 200
    assert f'filename="{run.public_id}' in answer.headers["Content-Disposition"]

    async def collected():
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(collected)()


def test_the_export_holds_job_context_and_every_event(olga, monkeypatch):
    page_events(monkeypatch, 7)
    run = stories.failed_invoice()
    found = json.loads(downloaded(olga, run, "json"))
    assert list(found) == ["export", "job", "context", "history", "completeness"]
    assert list(found["job"]) == JOB_KEYS
    assert found["context"]["workflow_id"] == "invoice_processing"
    assert [event["seq"] for event in found["history"]] == list(range(1, run.run.last_seq + 1))
    assert found["history"][0]["data"]["input"] == {"document": "inv-88213.pdf"}
    assert found["completeness"] == {"events": run.run.last_seq, "missing": 0}
    entry = AuditEntry.objects.get(action="export")
    assert (entry.actor, entry.target_id) == ("olga", run.public_id)


@pytest.mark.parametrize("what", ["json", "bundle"])
def test_another_sites_link_to_a_download_leads_to_the_page_and_is_not_audited(olga, what):
    run = stories.failed_invoice()
    address = url(run, f"?download={what}")
    answer = olga.get(address, headers={"Sec-Fetch-Site": "cross-site"}, follow=True)
    assert answer.redirect_chain == [(url(run), 302)]
    assert "Nothing was downloaded" in words(answer.content.decode())
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
def test_a_download_asked_for_here_or_by_no_browser_is_given_and_audited(olga, site):
    run = stories.failed_invoice()
    headers = {"Sec-Fetch-Site": site} if site else {}
    answer = olga.get(url(run, "?download=json"), headers=headers)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert AuditEntry.objects.get().target_id == run.public_id


def test_a_look_at_an_exports_headers_is_not_audited(olga):
    run = stories.failed_invoice()
    for what in ("json", "bundle"):
        assert olga.head(url(run, f"?download={what}")).status_code == 200
    assert not AuditEntry.objects.exists()


def test_pages_of_an_export_are_bounded_by_bytes(olga, monkeypatch):
    page_bytes(monkeypatch, 1_000)
    told = stories.active_invoice()
    for number in range(5):
        told.log("classify", f"{number}" * 900)
    found = json.loads(downloaded(olga, told, "json"))
    assert len(found["history"]) == told.run.last_seq


def test_the_bundle_says_what_was_run_by_what_and_nothing_secret(monkeypatch, settings):
    planted = {
        "SECRET_KEY": "planted-key",
        "DATABASE_URL": "postgresql://planted-user:planted-password@db.example/runs",
        "REDIS_URL": "redis://:planted-redis@cache.example/0",
        "S3_SECRET_ACCESS_KEY": "planted-s3",
        "MY_OWN_TOKEN": "planted-token",
        "EXTRA_APPS": "planted-app",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    settings.SECRET_KEY = "planted-django"
    settings.AWS_SECRET_ACCESS_KEY = "planted-aws"
    run = stories.failed_invoice()
    client = visitor("runs.view_run", "runs.export_run")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(client, run, "bundle")))
    assert archive.testzip() is None
    files = {name.split("/")[1]: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(files) == [
        "README.txt", "archive.json", "completeness.json", "context.json", "definition.json",
        "health.json", "history.ndjson", "job.json", "settings.json", "versions.json",
    ]  # fmt: skip
    events = [json.loads(line) for line in files["history.ndjson"].splitlines()]
    assert [event["seq"] for event in events] == list(range(1, run.run.last_seq + 1))
    assert len(json.loads(files["definition.json"])["nodes"]) == 7
    assert json.loads(files["versions.json"])["database"].startswith("PostgreSQL")
    assert json.loads(files["health.json"])["database"] == "ok"
    assert json.loads(files["settings.json"])["variables"]["SECRET_KEY"] == "set"
    for name, text in files.items():
        assert "planted" not in text, name
        assert settings.DATABASES["default"].get("PASSWORD", "") in ("", None) or (
            settings.DATABASES["default"]["PASSWORD"] not in text
        )
    assert AuditEntry.objects.get(action="bundle").target_id == run.public_id


def test_the_support_link_stands_beside_the_bundle_where_one_is_configured(olga, settings):
    run = stories.failed_invoice()
    assert "Contact support" not in shown(olga, run)
    settings.SUPPORT_URL = "https://help.example/runs?a=1&b=2"
    assert 'href="https://help.example/runs?a=1&amp;b=2"' in shown(olga, run)


def test_only_who_may_view_runs_gets_its_files():
    run = stories.completed_run()
    guest = visitor(name="guest")
    assert guest.get(url(run, "?download=json")).status_code == 403
    assert guest.get(url(run, "?download=bundle")).status_code == 403


def test_the_whole_history_is_searched_by_the_text_of_its_events(olga, long_run):
    assert seqs(shown(olga, long_run, "?find=LINE+99"))[:3] == [104, 995, 996]
    assert seqs(shown(olga, long_run, "?fragment=events&find=line+998")) == [1003]
    long_run.log("read", 'a "quoted" 100% \\ über_all')
    for text in ('"quoted" 100%', "\\ Über_", "100% \\"):
        assert seqs(shown(olga, long_run, "?" + urlencode({"find": text}))) == [1004], text
    for text in ("100_", "über%all", "no such text", "\0"):
        assert seqs(shown(olga, long_run, "?" + urlencode({"find": text}))) != [1004], text
    assert seqs(shown(olga, long_run, "?find=state+changed")) == [3]


# -- Lineage ----------------------------------------------------------------------------------


def test_two_runs_of_a_lineage_are_compared_by_input_and_version(olga):
    first = stories.publish(stories.node("read"), stories.node("sum", "read"), slug="compared")
    data = {"rows": [1, 2], "when": {"day": "monday"}, "flag": 1, "same": [{"a": 1}]}
    original = stories.Story(first, data=data)
    second = stories.publish(
        stories.node("read", retries=2), stories.node("file", "read"), slug="compared"
    )
    changed = {**data, "rows": [1, 3, 4], "when": {"day": HOSTILE}, "flag": True}
    retry = stories.Story(second, data=changed, by="oskar", retry_of=original.run)
    page = shown(olga, retry, "?tab=lineage")
    told = words(part(page, 'id="run-difference"'))
    for line in (
        "$.rows[1] 2 3",
        "$.rows[2] not there 4",
        "$.when.day &quot;monday&quot; &quot;&lt;script&gt;",
        "$.flag 1 true",
        "v1 → v2",
        "$.nodes.read.retries not there 2",
        "$.nodes.sum { &quot;executor&quot;".replace("{ ", "{"),
        "$.nodes.file not there {",
    ):
        assert line in told, line
    assert "same[0]" not in told
    assert HOSTILE not in page


def test_a_plain_retry_has_the_same_input_and_version(olga):
    original = stories.failed_invoice()
    retry = stories.Story(original.version, retry_of=original.run)
    told = words(part(shown(olga, original, "?tab=lineage"), 'id="run-difference"'))
    assert "The same input." in told
    assert "The same version, v1." in told
    other = stories.completed_run().public_id
    query = f"?tab=lineage&with={retry.public_id}&to={other}"
    assert 'id="run-difference"' not in shown(olga, retry, query)


def test_of_two_runs_the_older_is_the_first_to_compare(olga):
    original = stories.failed_invoice()
    retry = stories.Story(original.version, retry_of=original.run)
    for run in (original, retry):
        page = shown(olga, run, "?tab=lineage")
        chosen = re.findall(r'name="(with|to)" value="(\w+)"[^>]* checked', page)
        assert dict(chosen) == {"with": original.public_id, "to": retry.public_id}


def test_two_runs_are_compared_in_the_direction_that_is_asked(olga):
    version = stories.publish(stories.node("read"), slug="turned")
    original = stories.Story(version, data={"rows": 1})
    retry = stories.Story(version, data={"rows": 2}, retry_of=original.run)
    query = "?tab=lineage&with={}&to={}"
    told = shown(olga, original, query.format(original.public_id, retry.public_id))
    assert "$.rows 1 2" in words(part(told, 'id="run-difference"'))
    told = shown(olga, original, query.format(retry.public_id, original.public_id))
    assert "$.rows 2 1" in words(part(told, 'id="run-difference"'))
    told = shown(olga, original, query.format(retry.public_id, retry.public_id))
    assert 'id="run-difference"' not in told
    assert "Choose two different runs to compare." in told


def test_a_comparison_is_bounded(olga):
    version = stories.publish(stories.node("read"), slug="bounded")
    original = stories.Story(version, data={"rows": list(range(1_000)), "text": "x" * 5_000})
    retry = stories.Story(
        version, data={"rows": list(range(1, 1_001)), "text": "y"}, retry_of=original.run
    )
    page = part(shown(olga, retry, "?tab=lineage"), 'id="run-difference"')
    assert page.count("<dt") == 200
    assert "these are the first" in page
    assert "x" * 400 not in page


# -- Others like it ---------------------------------------------------------------------------


def test_a_failed_run_says_how_many_failed_like_it_in_a_day(olga, django_assert_num_queries):
    run = stories.failed_invoice(zero=stories.ago(500))
    assert words(shown(olga, run, "?fragment=alike")) == ""
    stories.failed_invoice(zero=stories.ago(900))
    stories.failed_invoice(zero=stories.ago(1_000))
    stories.failed_invoice(zero=stories.ago(26 * 3_600))
    other = stories.active_invoice()
    other.fail("extract_fields", 2)
    other.fail_run({"node": "extract_fields", "kind": "Boom", "message": "it broke"})
    # Session, account, two of permissions, the run, its workflow's id, the others.
    with django_assert_num_queries(6):
        told = shown(olga, run, "?fragment=alike")
    assert words(told) == "2 like it in 24 hours"
    assert "Like it in 24 hours" in shown(olga, run), "without JavaScript it is a plain link"
    assert words(shown(olga, stories.completed_run(), "?fragment=alike")) == ""


def listed(olga, told):
    """The ids of the runs that the link leads to."""
    answer = olga.get(html.unescape(re.search(r'href="([^"]+)"', told)[1]))
    assert answer.status_code == 200
    return set(re.findall(r'<tr role="row" id="(run_\w+)">', answer.content.decode()))


def test_the_list_shows_the_runs_that_are_counted_and_no_other(olga):
    run = stories.failed_invoice(zero=stories.ago(500))
    alike = [stories.failed_invoice(zero=stories.ago(seconds)) for seconds in (900, 1_000)]
    stories.failed_invoice(zero=stories.ago(26 * 3_600))
    node = Run.objects.get(pk=run.id).error_node
    for where, kind in ((node, "TotalsMismatchToo"), ("extract_fields", "TotalsMismatch")):
        other = stories.active_invoice()
        other.fail_run({"node": where, "kind": kind, "message": "TotalsMismatch"})
    told = shown(olga, run, "?fragment=alike")
    assert words(told).startswith("2 like it")
    assert listed(olga, told) == {story.public_id for story in (run, *alike)}


def test_runs_that_failed_before_any_node_are_alike_too(olga):
    version = stories.publish(stories.node("read"), slug="refused")
    error = {"node": "", "kind": "InputInvalid", "message": "no"}

    def refuse(**more):
        story = stories.Story(version, zero=stories.ago(60))
        return story.state("created", "failed", error={**error, **more})

    refused = [refuse() for _ in range(3)]
    refuse(node="read")
    told = shown(olga, refused[0], "?fragment=alike")
    assert words(told).startswith("2 like it")
    assert listed(olga, told) == {story.public_id for story in refused}


# -- Deleting --------------------------------------------------------------------------------


@pytest.fixture
def cleaner():
    return visitor("runs.view_run", "runs.delete_run", "runs.export_run", name="clara")


def end_of(run):
    return run.public_id[-8:]


def test_only_a_run_that_has_ended_can_be_deleted_and_by_who_may(cleaner, olga):
    ended, active = stories.failed_invoice(), stories.active_invoice()
    assert "Delete…" in shown(cleaner, ended)
    assert "Delete…" not in shown(cleaner, active)
    assert "Delete…" not in shown(olga, ended)
    for client, run, status in ((olga, ended, 403), (cleaner, active, 409)):
        answer = client.post(
            url(run), {"act": "delete", "reason": "test data", "typed": end_of(run)}
        )
        assert answer.status_code == status
    assert Run.objects.count() == 2


def test_the_question_is_a_page_of_its_own_and_offers_the_export_first(cleaner):
    run = stories.failed_invoice()
    page = shown(cleaner, run, "?confirm=delete")
    assert f"Type {end_of(run)} , the end of its id" in words(page)
    assert page.index("?download=json") < page.index('name="typed"')
    assert "cannot be undone" in words(page)


@pytest.mark.parametrize(
    ("reason", "typed", "said"),
    [
        ("", "right", "Say why"),
        ("test data", "", "the end of this run"),
        ("test data", "run_wrong", "the end of this run"),
    ],
)
def test_a_deletion_needs_a_reason_and_the_end_of_the_id(cleaner, reason, typed, said):
    run = stories.failed_invoice()
    typed = end_of(run) if typed == "right" else typed
    answer = cleaner.post(url(run), {"act": "delete", "reason": reason, "typed": typed})
    assert answer.status_code == 422
    assert said in words(html.unescape(answer.content.decode()))
    assert Run.objects.exists()


@pytest.mark.parametrize("shape", ["{}", " {} ", "run_…{}"])
def test_a_deleted_run_leads_to_the_list_and_its_page_says_what_became_of_it(cleaner, shape):
    run = stories.failed_invoice()
    typed = shape.format(end_of(run).upper() if shape == "{}" else end_of(run))
    answer = cleaner.post(
        url(run), {"act": "delete", "reason": "test data", "typed": typed}, follow=True
    )
    assert answer.redirect_chain == [("/admin/runs/run/", 302)]
    assert "is deleted" in words(answer.content.decode())
    assert not Run.objects.exists()
    gone = cleaner.get(url(run))
    assert gone.status_code == 404
    assert "was deleted on" in words(gone.content.decode())
    assert "by clara : test data" in words(gone.content.decode()).replace("clara:", "clara :")
    entry = AuditEntry.objects.get(action="delete")
    assert (entry.actor, entry.reason) == ("clara", "test data")


def test_who_may_not_export_is_offered_none_and_given_none():
    run, client = stories.failed_invoice(), visitor("runs.view_run", name="vera")
    assert "?download=" not in shown(client, run)
    assert client.get(url(run, "?download=json")).status_code == 403
    assert not AuditEntry.objects.exists()
