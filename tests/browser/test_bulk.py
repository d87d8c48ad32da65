"""Bulk operations: from the selection in the list to the page on which the last run is done."""

import re

from playwright.sync_api import expect

from tests.browser.checks import LIST, PHONE, barriers, is_no_wider, live, row, rows, three

# The browser's own words for a request that was refused.
REFUSED = "Failed to load resource"


def test_all_that_match_a_filter_are_retried_and_the_page_tells_it_live(visit, teller):
    teller.tell("failed_runs", "morning", 55)
    page = live(visit("?workflow=morning"))
    expect(rows(page)).to_have_count(50)
    page.click("#select-page")
    expect(page.locator("#bulk-count")).to_have_text("50 selected")
    page.get_by_role("button", name="Select all 55 matching this filter").click()
    page.click("#older")
    expect(rows(page)).to_have_count(5)
    expect(page.locator("#bulk-count")).to_have_text("All 55 selected")
    assert page.locator("#rows input:checked").count() == 5
    page.reload()
    expect(page.locator("#bulk-count")).to_have_text("All 55 selected")

    page.get_by_role("button", name="Retry Selected").click()
    dialog = page.get_by_role("dialog", name="Retry 55 runs?")
    expect(dialog).to_contain_text("All runs of morning, as of now")
    dialog.get_by_label("Reason").fill("the disk is no longer full")
    dialog.get_by_label("At most, runs a second").fill("12")
    assert barriers(page, "#asked", "#bulk") == []
    dialog.get_by_role("button", name="Retry these 55").click()

    page.wait_for_url("**/admin/bulk/bulk_*/")
    expect(page.locator("#bulk-head .op-pill")).to_have_text(re.compile("Running"))
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
    # It is no other page that shows the end.
    page.evaluate("window.same = true")
    page.locator("#bulk-pause").click()
    expect(page.locator("#bulk-head .op-pill")).to_have_text(re.compile("Paused"))
    page.locator("#bulk-rate").fill("")
    page.get_by_role("button", name="Set").click()
    expect(page.locator(".op-notice", has_text="as fast as it goes")).to_be_visible()
    page.locator("#bulk-resume").click()
    page.evaluate("window.same = true")
    expect(page.locator("#bulk-head .op-pill")).to_have_text(re.compile("Finished"))
    expect(page.locator(".op-key")).to_contain_text("55 retried")
    expect(page.locator("#live")).to_be_hidden()
    assert page.evaluate("window.same")
    assert barriers(page, "main") == []

    page.goto(f"{page.base}/admin/bulk/")
    expect(page.locator(".op-bulk-list")).to_contain_text("55 retried")
    assert barriers(page, "main") == []
    page.set_viewport_size(PHONE)
    assert is_no_wider(page)
    page.locator("a.op-bulk-name").first.click()
    page.wait_for_url("**/admin/bulk/bulk_*/")
    assert is_no_wider(page)


def test_deleting_wants_the_figure_that_is_shown(visit, teller):
    teller.tell("failed_runs", "to_delete", 3)
    page = live(visit("?workflow=to_delete", known=REFUSED, viewport=PHONE))
    for box in page.locator("#rows input.op-check").all():
        box.check()
    assert is_no_wider(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete 3 runs?")
    expect(dialog.get_by_role("button", name="Export them first")).to_be_visible()
    dialog.get_by_role("button", name="Delete these 3").click()
    expect(dialog.get_by_role("alert").first).to_have_text(
        "Say why: the reason is kept in the audit."
    )
    expect(dialog.get_by_label("Reason")).to_be_focused()
    dialog.get_by_label("Reason").fill("test data")
    dialog.get_by_label("Type 3").fill("4")
    dialog.get_by_role("button", name="Delete these 3").click()
    expect(dialog.get_by_text("Say why")).to_have_count(0)
    expect(dialog.get_by_role("alert")).to_contain_text("Type 3")
    expect(dialog.get_by_label("Reason")).to_have_value("test data")
    assert barriers(page, "#asked") == []
    dialog.get_by_label("Type 3").fill("3")
    dialog.get_by_role("button", name="Delete these 3").click()
    expect(page.locator(".op-notice", has_text="3 runs were deleted")).to_be_visible()
    expect(page.locator("#runs")).to_contain_text("No runs of to_delete")
    expect(page.locator("#bulk")).to_be_hidden()


def test_one_of_all_can_be_left_out_and_another_filter_ends_it(visit, teller):
    teller.tell("failed_runs", "left_out", 52)
    page = live(visit("?workflow=left_out"))
    page.click("#select-page")
    page.click("#bulk-all")
    expect(page.locator("#bulk-count")).to_have_text("All 52 selected")
    page.locator("#rows input.op-check").first.uncheck()
    expect(page.locator("#bulk-count")).to_have_text("49 selected")
    page.click("#select-page")
    page.click("#bulk-all")
    page.click("#tab-queued")
    expect(page.locator("#bulk")).to_be_hidden()


def test_a_run_is_held_from_its_page(visit, teller):
    made = three(teller, "to_hold")
    page = visit(path=f"{LIST}{made[0]}/")
    page.locator("details[data-key=more] > summary").click()
    page.get_by_role("link", name="Legal hold…").click()
    dialog = page.get_by_role("dialog", name=re.compile("under legal hold"))
    dialog.get_by_label("Reason").fill("court order 7")
    dialog.get_by_role("button", name="Legal hold").click()
    expect(page.locator(".op-held")).to_contain_text("Under legal hold since")
    assert barriers(page, "#run-notice") == []
    page.goto(f"{page.base}{LIST}?workflow=to_hold")
    expect(row(page, made[0])).to_contain_text("Under legal hold")

    def offered(act):
        button = page.locator(f"#bulk button[name=act][value={act}]")
        return button.locator("small").inner_text(), button.get_attribute("aria-disabled")

    page.click("#select-page")
    page.locator("#bulk summary[aria-label=More]").click()
    assert [offered(act) for act in ("restore", "hold", "release")] == [
        ("0", "true"), ("2", "false"), ("1", "false"),
    ]  # fmt: skip
    row(page, made[0]).get_by_role("checkbox").uncheck()
    page.locator("#bulk summary[aria-label=More]").click()
    assert [offered(act) for act in ("hold", "release")] == [("2", "false"), ("0", "true")]

    # All of a filter: what it says of them is known.
    page.goto(f"{page.base}{LIST}?workflow=to_hold&held=yes")
    expect(page.locator("#rows > tr")).to_have_count(1)
    expect(page.locator("#menu-held")).to_contain_text("Held")
    page.locator("#count-all", has_text="1").wait_for()
    page.evaluate("document.getElementById('bulk-all').click()")
    page.locator("#bulk summary[aria-label=More]").click()
    assert [offered(act) for act in ("restore", "hold", "release")] == [
        ("", "false"), ("0", "true"), ("1", "false"),
    ]  # fmt: skip
