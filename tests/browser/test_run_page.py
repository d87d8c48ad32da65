"""The page of a run in a browser: live, its panel, its tabs, its acts."""

import json
import re

from playwright.sync_api import expect

from tests.browser.checks import events, is_gapless, live, seqs


def copy(page, button):
    """What a press of the button puts into the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    return json.loads(page.wait_for_function("() => navigator.clipboard.readText()").json_value())


def test_a_run_is_followed_from_queue_to_failure_without_a_reload(visit_run, teller):
    run = teller.tell("queued_invoice")
    page = live(visit_run(run))
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#run-head .op-pill")).to_contain_text("Queued")

    teller.go_on(run, ["active"], ["start", "extract_text"], ["log", "extract_text", "page 1"])
    expect(page.locator("#run-head .op-pill")).to_contain_text("Running")
    expect(page.locator('[data-key="extract_text"] .op-bar[data-growing]')).to_be_visible()
    expect(events(page).last).to_contain_text("page 1")
    grown = page.locator('[data-key="extract_text"] .op-tick')
    first = grown.text_content()
    expect(grown).not_to_have_text(first)

    error = {"node": "extract_text", "kind": "Boom", "message": "it broke"}
    teller.go_on(run, ["fail", "extract_text"], ["fail_run", error])
    expect(page.locator("#run-head .op-pill")).to_contain_text("Failed")
    expect(page.locator("#run-notice")).to_contain_text("extract_text failed. Boom: it broke")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.locator("#run-head")).not_to_contain_text("Terminate")
    expect(page.locator("#run-tab-links .op-count").first).to_have_text("7")
    expect(events(page)).to_have_count(7)
    assert is_gapless(seqs(page))
    assert page.evaluate("window.sameDocument"), "the page was not loaded anew"


def test_what_a_person_opened_stays_open_while_the_run_goes_on(visit_run, teller):
    run = teller.tell("active_invoice")
    page = live(visit_run(run, "?node=extract_text&pane=input"))
    page.locator("#log-lines > li").first.locator("summary").click()
    fold = page.locator("#log-lines > li").first.locator("pre")
    expect(fold).to_be_visible()
    link = page.locator('#run-lanes [data-key="classify"] a.op-tl-name')
    link.focus()
    teller.go_on(run, ["complete", "extract_fields", 2], ["queue", "human_review"])
    expect(page.locator('[data-key="human_review"]')).to_contain_text("queued")
    expect(page.locator("#run-node-name")).to_have_text("extract_text")
    expect(page.locator("#run-payload")).to_contain_text("extract_text")
    expect(fold).to_be_visible()
    expect(link).to_be_focused()


def test_a_node_is_opened_by_click_and_by_keys_and_closed_by_escape(visit_run, teller):
    page = live(visit_run(teller.tell("completed_run"), "?node="))
    expect(page.locator("#run-node")).to_have_count(0)
    page.locator('[data-key="sum"] .op-bar').click()
    expect(page.locator("#run-node-name")).to_have_text("sum")
    expect(page).to_have_url(re.compile("node=sum"))
    page.get_by_role("link", name="Input").click()
    expect(page.locator("#run-payload")).to_contain_text('"key": "sum"')

    first = page.locator('[data-key="load"] .op-tl-name')
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-key="sum"] .op-tl-name')).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#run-node-name")).to_have_text("load")
    expect(page.locator("#run-node-name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#run-node")).to_have_count(0)
    expect(first).to_be_focused()


def test_the_table_takes_the_timelines_place_and_back_brings_it_again(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice")))
    page.get_by_role("link", name="Table", exact=True).click()
    expect(page.locator("table.op-nodes tbody tr")).to_have_count(7)
    expect(page).to_have_url(re.compile("view=table"))
    page.get_by_role("link", name="route").click()
    expect(page.locator("#run-node-name")).to_have_text("route")
    page.go_back()
    expect(page.locator("#run-node-name")).to_have_text("check_totals")
    page.go_back()
    expect(page.locator("#run-lanes .op-tl")).to_be_visible()


def test_a_thousand_nodes_are_usable(visit_run, teller):
    page = live(visit_run(teller.tell("wide_run")))
    expect(page.locator(".op-tl.is-long .op-tl-row")).to_have_count(1_000)
    page.locator('[data-key="n900"] .op-tl-name').click()
    expect(page.locator("#run-node-name")).to_have_text("n900")
    expect(page.locator('[data-key="n900"]')).to_be_in_viewport()


def test_what_was_not_answered_is_asked_for_again(visit_run, teller):
    page = live(visit_run(teller.tell("active_invoice"), known="ERR_FAILED"))
    page.route("**/*same_lanes=1*", lambda route: route.abort(), times=1)
    page.locator('[data-key="classify"] .op-tl-name').click()
    expect(page.locator("#toast")).to_contain_text("The portal does not answer.")
    expect(page.locator("#run-node-name")).to_have_text("classify")


def test_the_context_is_folded_searched_and_copied(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run, permissions=["clipboard-read", "clipboard-write"]))
    page.get_by_role("link", name="View Context").click()
    tree = page.locator(".op-tree")
    expect(tree).to_contain_text('"run_id"')
    expect(page).to_have_url(re.compile("tab=context"))
    page.get_by_label("Find a key or value").fill("line items sum")
    expect(page.locator("#json-found")).to_have_text("1 of 1")
    expect(page.locator(".op-tree .is-found")).to_be_visible()
    page.get_by_role("button", name="Fold all").click()
    expect(tree.get_by_text('"run_id"')).to_be_visible()
    expect(tree.get_by_text('"document"')).to_be_hidden()
    copied = copy(page, page.get_by_role("button", name="Copy", exact=True))
    assert copied["run_id"] == run


def test_the_job_is_copied_as_it_stands(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run, "?tab=job", permissions=["clipboard-read", "clipboard-write"]))
    copied = copy(page, page.locator("#run-tab").get_by_role("button", name="Copy"))
    assert copied["job_id"] == run.replace("run_", "job_")
    assert len(copied) == 9


def test_terminating_asks_in_a_dialog_and_shows_at_once(visit_run, teller):
    page = live(visit_run(teller.tell("active_invoice")))
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong file")
    dialog.get_by_role("button", name="Terminate").click()
    expect(page.locator("#run-head .op-pill")).to_contain_text("Terminated")
    expect(page.locator("#run-notice")).to_contain_text("wrong file")
    expect(page.locator("#run-notice")).to_contain_text("draining 1 node")


def test_what_was_typed_stays_where_the_portal_does_not_answer(visit_run, teller):
    page = live(visit_run(teller.tell("active_invoice"), known="net::ERR_FAILED"))
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong file")
    page.route("**/*", lambda route: route.abort())
    dialog.get_by_role("button", name="Terminate").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal does not answer")
    expect(dialog.get_by_label("Reason")).to_have_value("wrong file")
    page.unroute("**/*")
    dialog.get_by_role("button", name="Terminate").click()
    expect(page.locator("#run-notice")).to_contain_text("wrong file")


def test_who_terminates_what_has_ended_meanwhile_is_told_in_the_dialog(visit_run, teller):
    run = teller.tell("active_invoice")
    page = live(visit_run(run, known="status of 409"))
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong file")
    teller.go_on(run, ["terminate"])
    dialog.get_by_role("button", name="Terminate").click()
    expect(dialog.get_by_role("alert")).to_contain_text("it is terminated already")
    expect(page.locator("#run-head .op-pill")).to_contain_text("Terminated")


def test_a_change_that_could_not_be_fetched_is_asked_for_again(visit_run, teller):
    # So long a run that its axis is not made anew meanwhile.
    run = teller.tell("active_invoice", 36_000)
    page = live(visit_run(run, known="status of 503"))
    refused = []

    def refuse(route):
        refused.append(route.request.url)
        route.fulfill(status=503)

    page.route("**/*fragment=overview*", refuse, times=1)
    teller.go_on(run, ["terminate"])
    expect(page.locator("#run-head .op-pill")).to_contain_text("Terminated")
    assert len(refused) == 1


def test_a_retry_leads_to_the_new_run(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run))
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: run not in url)
    expect(page.locator(".op-notice").first).to_contain_text("This is the retry of")
    expect(page.locator("#run-facts")).to_contain_text(run[-8:])


def test_the_job_of_a_run_that_was_terminated_before_it_started(visit_run, teller):
    run = teller.tell("queued_invoice")
    page = live(visit_run(run, permissions=["clipboard-read", "clipboard-write"]))
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("not wanted any more")
    dialog.get_by_role("button", name="Terminate").click()
    expect(page.locator("#run-head .op-pill")).to_contain_text("Terminated")
    page.get_by_role("link", name="Job Tracking").click()
    expect(page.locator("#job-json")).to_be_visible()
    job = copy(page, page.locator("#run-tab").get_by_role("button", name="Copy"))
    assert list(job) == [
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
    assert job["state"] == "terminated"
    assert job["started_at"] is None
    assert job["total_duration_ms"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", job["completed_at"])
    assert job["created_at"] <= job["completed_at"]


def test_two_runs_of_a_lineage_are_chosen_by_named_columns_and_compared(visit_run, teller):
    original = teller.tell("failed_invoice")
    page = live(visit_run(original))
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#run-head h1")).to_be_visible()
    expect(page).not_to_have_url(re.compile(original))
    retry = page.url.rstrip("/").rpartition("/")[2]
    page.get_by_role("link", name="Lineage").click()
    table = page.get_by_role("region", name="Original and retries")
    expect(table.get_by_role("columnheader", name="From")).to_be_visible()
    expect(table.get_by_role("columnheader", name="To", exact=True)).to_be_visible()
    names = [f"run_…{run[-8:]}" for run in (original, retry)]
    expect(page.locator("#run-difference h3")).to_have_text(" → ".join(names))
    table.get_by_role("radio", name=f"Compare from {names[1]}").check()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.get_by_text("Choose two different runs")).to_be_visible()
    table.get_by_role("radio", name=f"Compare to {names[0]}").check()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.locator("#run-difference h3")).to_have_text(" → ".join(names[::-1]))
