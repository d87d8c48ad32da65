"""INFRASTRUCTURE → Services in a browser: what really runs is up, by keyboard, for everybody."""

import re

from playwright.sync_api import expect

from tests.browser.checks import PHONE, barriers, is_no_wider

PATH = "/admin/services/"


def test_the_services_of_a_real_portal_are_up_and_unfold_by_keyboard(visit):
    page = visit(path=PATH)
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    for name in (re.compile("^runs@"), "PostgreSQL", "Valkey", "Object storage", "Beat"):
        row = page.locator("tbody tr", has=page.get_by_role("link", name=name, exact=True))
        expect(row.locator(".op-pill")).to_contain_text("Up")
    link = page.get_by_role("link", name="PostgreSQL", exact=True)
    link.focus()
    page.keyboard.press("Enter")
    expect(link).to_have_attribute("aria-expanded", "true")
    expect(link).to_be_focused()
    expect(page.locator(".op-svc-more")).to_contain_text("Longest query")
    assert "open=database" in page.url
    # What comes by itself leaves it unfolded, and the focus where it is.
    page.evaluate("document.getElementById('polled').dataset.old = '1'")
    expect(page.locator("#polled[data-old]")).to_have_count(0)
    expect(page.locator(".op-svc-more")).to_have_count(1)
    expect(link).to_be_focused()
    assert barriers(page) == []


def test_the_services_without_javascript_and_on_a_phone(visit):
    page = visit(path=PATH, java_script_enabled=False, viewport=PHONE)
    page.get_by_role("link", name="Beat", exact=True).click()
    expect(page.locator(".op-svc-more")).to_have_count(1)
    page = visit("?open=database", path=PATH, viewport=PHONE)
    assert is_no_wider(page)
    assert barriers(page) == []
