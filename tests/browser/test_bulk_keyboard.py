"""Bulk operations without a mouse, and on a telephone."""

import re

from playwright.sync_api import expect

from tests.browser.checks import PHONE, is_no_wider, live, rows


def test_a_page_then_all_are_selected_and_acted_on_by_keys_alone(visit, teller):
    teller.tell("failed_runs", "by_keys", 52)
    page = live(visit("?workflow=by_keys"))
    keys = page.keyboard
    keys.press("b")
    expect(page.locator(".op-toast")).to_contain_text("Nothing is selected")
    keys.press("j")
    keys.press("x")
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    keys.press("b")
    expect(page.locator("#bulk button[value=retry]")).to_be_focused()
    keys.press("Escape")
    expect(page.locator("#rows > tr.is-cursor .op-id")).to_be_focused()

    keys.press("X")
    expect(page.locator("#bulk-count")).to_have_text("50 selected")
    keys.press("b")
    expect(page.locator("#bulk-all")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#bulk-count")).to_have_text("All 52 selected")
    expect(page.locator("#bulk-states")).to_contain_text("52 failed")
    expect(page.locator("#bulk button[value=retry]")).to_be_focused()
    keys.press("Enter")
    dialog = page.get_by_role("dialog", name="Retry 52 runs?")
    expect(dialog.get_by_label("at the start")).to_be_focused()
    keys.press("Tab")
    keys.type("by hand")
    keys.press("Tab")
    keys.type("1")
    keys.press("Enter")
    page.wait_for_url("**/admin/bulk/bulk_*/")

    # What cannot be undone is not what Enter does by itself.
    page.locator("#bulk-abort").focus()
    keys.press("Enter")
    dialog = page.get_by_role("dialog", name=re.compile("Abort"))
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    keys.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#bulk-abort")).to_be_focused()
    keys.press("Enter")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    keys.press("Shift+Tab")
    keys.press("Enter")
    expect(page.locator("#bulk-head .op-pill")).to_contain_text("Aborted")


def test_a_telephone_has_all_of_them_too(visit, teller):
    teller.tell("failed_runs", "by_thumb", 3)
    page = live(visit("?workflow=by_thumb", viewport=PHONE))
    rows(page).first.locator("input.op-check").check()
    page.get_by_role("button", name="Select all 3 matching this filter").click()
    expect(page.locator("#bulk-count")).to_have_text("All 3 selected")
    assert is_no_wider(page)
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog", name="Retry 3 runs?")).to_be_visible()
