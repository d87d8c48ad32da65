"""Deleting a run in a browser, and what other open pages then show."""

from playwright.sync_api import expect

from tests.browser.checks import LIST, live, three


def test_a_run_is_deleted_from_its_page_after_its_id_was_typed(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run, known="Failed to load resource"))
    page.get_by_label("More").click()
    page.get_by_role("link", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="Export it as JSON first")).to_be_visible()
    dialog.get_by_label("Reason").fill("test data")
    dialog.get_by_label("the end of its id").fill("wrong")
    delete = dialog.get_by_role("button", name="Delete for good")
    delete.click()
    expect(dialog.get_by_text("the end of this run's id")).to_be_visible()
    dialog.get_by_label("the end of its id").fill(run[-8:])
    page.context.set_offline(True)
    delete.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal does not answer")
    page.context.set_offline(False)
    expect(dialog.get_by_label("Reason")).to_have_value("test data")
    delete.click()
    expect(page).to_have_url(f"{page.base}{LIST}")
    expect(page.get_by_text("is deleted")).to_be_visible()
    expect(page.locator(f"#rows > tr[id={run}]")).to_have_count(0)


def test_an_open_page_says_that_its_run_was_deleted_and_offers_nothing_more(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run))
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    teller.go_on(run, ["delete"])
    expect(page.get_by_text("This run was deleted.")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("Ended")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    expect(page.locator("#run-timeline")).to_be_visible()


def test_a_row_of_a_deleted_run_stays_marked_and_cannot_be_chosen(visit, teller):
    # Of a workflow of its own: the first page of all runs may be full of others' newer ones.
    run, other, _ = three(teller, "deleted_row")
    for each in (run, other):
        teller.go_on(each, ["active"], ["terminate", "not needed"])
    page = live(visit("?workflow=deleted_row"))
    row = page.locator(f"#rows > tr[id={run}]")
    row.locator("input[type=checkbox]").check()
    teller.go_on(run, ["delete"])
    expect(row).to_contain_class("is-deleted")
    expect(row).to_contain_text("deleted")
    expect(row.locator("input[type=checkbox]")).to_be_disabled()
    expect(row.locator("input[type=checkbox]")).not_to_be_checked()
    expect(page.locator(f"#rows > tr[id={other}] input[type=checkbox]")).to_be_enabled()


def test_without_javascript_the_question_is_a_page(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = visit_run(run, java_script_enabled=False, known="422")
    page.locator("summary[aria-label=More]").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("Reason").fill("test data")
    page.get_by_label("the end of its id").fill("wrong")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("the end of this run's id")).to_be_visible()
    page.get_by_label("the end of its id").fill(run[-8:])
    page.get_by_role("button", name="Delete for good").click()
    expect(page).to_have_url(f"{page.base}{LIST}")


def test_the_page_of_the_apis_document_shows_its_operations(visit):
    page = visit(path="/api/docs")
    expect(page.get_by_text("/api/runs/{run_id}/timeline/")).to_be_visible()
    expect(page.get_by_text("One run as it is now").first).to_be_visible()


def test_the_browsable_api_sends_what_is_written_in_its_form(visit, teller):
    run = teller.tell("failed_invoice")
    page = visit(path=f"/api/runs/{run}/retry/", known="405")
    expect(page.locator(".status")).to_have_text("HTTP 405 Method Not Allowed")
    page.locator("textarea").fill('{"reason": "by hand"}')
    page.get_by_role("button", name="POST").click()
    expect(page.locator(".status")).to_have_text("HTTP 201 Created")
    expect(page.locator("pre")).to_contain_text(run)
