"""MANAGE → Archive in a browser: from the question to the figures, by mouse and by keyboard."""

from playwright.sync_api import expect

from tests.browser.checks import PHONE, barriers, is_no_wider

PATH = "/admin/retention/executions/"


def test_a_dry_run_is_asked_for_followed_to_its_end_and_readable_for_everybody(visit, teller):
    teller.tell("failed_invoice")
    page = visit(path=PATH)
    assert barriers(page) == []
    page.locator("#begin-dry").focus()
    page.keyboard.press("Enter")
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("writes and deletes nothing")
    assert barriers(page, "dialog") == []
    asked.get_by_label("Reason").fill("tried in a browser")
    page.keyboard.press("Enter")
    page.wait_for_url("**/executions/exec_*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dry run")
    expect(page.locator("main").get_by_text("Finished").first).to_be_visible(timeout=20_000)
    expect(page.get_by_role("region", name="What was asked")).to_contain_text("tried in a browser")
    assert barriers(page) == []
    page.set_viewport_size(PHONE)
    assert is_no_wider(page)
    page.goto(f"{page.base}{PATH}")
    assert is_no_wider(page)
    assert barriers(page, "main") == []


def test_a_check_is_begun_without_javascript(visit):
    page = visit(path=PATH, java_script_enabled=False)
    page.get_by_role("link", name="Check…").click()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Integrity check")
