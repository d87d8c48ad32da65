"""An archived run in a browser: what it says, and how its log comes back."""

from playwright.sync_api import expect

from tests.browser.checks import live, three


def archived(teller):
    run = teller.tell("failed_invoice")
    teller.go_on(run, ["archive"])
    return run


def test_one_click_restores_and_the_page_fills_in_by_itself(visit_run, teller):
    run = archived(teller)
    page = live(visit_run(run))
    expect(page.locator("#log-archived")).to_contain_text("Logs archived on")
    expect(page.locator("#log-lines")).to_have_count(0)
    # What comes later moves what is below it: nothing is pressed until it is there.
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible(timeout=30_000)
    page.get_by_text("About the archive").click()
    expect(page.get_by_text(f"{run}.")).to_be_visible()
    page.locator("#run-logs").get_by_role("button", name="Restore").click()
    expect(page.locator("#log-lines > li").first).to_be_visible(timeout=30_000)
    expect(page.locator("#run-logs")).to_contain_text("Its log is restored from the archive until")
    expect(page.locator("#log-archived")).to_have_count(0)


def test_inputs_and_the_context_are_read_from_the_archive(visit_run, teller):
    page = live(visit_run(archived(teller), "?node=check_totals&pane=input"))
    page.get_by_role("link", name="Show input from the archive").click()
    expect(page.locator("#run-payload")).to_contain_text("check_totals")
    page.get_by_role("link", name="View Context").click()
    expect(page.locator("#json")).to_contain_text("invoice_processing")
    expect(page.get_by_text("Inputs and outputs are read from the archive.")).to_be_visible()


def test_who_watches_sees_that_it_is_archived(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run))
    expect(page.locator("#log-lines > li").first).to_be_visible()
    teller.go_on(run, ["archive"])
    teller.go_on(run, ["log", "classify", "said later"])
    expect(page.locator("#log-archived")).to_contain_text("archived on")
    expect(page.locator("#log-lines > li")).to_have_count(1)
    expect(page.locator("#log-lines")).to_contain_text("said later")


def test_who_missed_what_is_archived_by_now_goes_on_behind_it(visit_run, teller):
    run = teller.tell("failed_invoice")
    page = live(visit_run(run, known="Failed to load resource"))
    page.context.set_offline(True)
    # What it waits for has to break: a browser keeps an open stream when it is set offline.
    page.evaluate("document.querySelector('#live button').click()")
    teller.go_on(run, ["log", "classify", "missed"], ["archive"])
    page.context.set_offline(False)
    page.evaluate("document.querySelector('#live button').click()")
    expect(page.locator("#log-archived")).to_contain_text("archived on")
    live(page)
    teller.go_on(run, ["log", "classify", "said later"])
    expect(page.locator("#log-lines")).to_contain_text("said later")


def test_without_javascript_it_is_restored_too(visit_run, teller):
    run = archived(teller)
    page = visit_run(run, java_script_enabled=False)
    page.locator("#run-logs").get_by_role("button", name="Restore").click()
    for _ in range(60):
        page.reload()
        if page.locator("#log-lines > li").count():
            break
        page.wait_for_timeout(500)
    expect(page.locator("#log-lines > li").first).to_be_visible()


def test_selected_runs_are_restored_from_the_list(visit, teller):
    runs = three(teller, "restored_here")
    for run in runs:
        teller.go_on(run, ["active"], ["terminate", "not needed"])
    for run in runs[:2]:
        teller.go_on(run, ["archive"])
    page = live(visit("?workflow=restored_here"))
    expect(page.locator("#rows").get_by_title("Logs archived")).to_have_count(2)
    page.locator("#select-page").check()
    page.locator("#bulk").get_by_label("More").click()
    page.get_by_role("button", name="Restore logs…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 terminated will be skipped: their logs are not archived")
    dialog.get_by_label("For how many days").fill("3")
    dialog.get_by_role("button", name="Restore logs of these 2").click()
    expect(page.get_by_text("3 days; then the logs leave the database again")).to_be_visible()
    expect(page.locator("#bulk-live")).to_contain_text("3 runs visited", timeout=30_000)
    page.goto(f"{page.base}/admin/runs/run/?workflow=restored_here&logs=archived")
    expect(page.get_by_text("No runs of restored_here with archived logs")).to_be_visible()
