"""The pages of the analysis, on one store with a few runs: as seen, by keyboard, on a phone."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.checks import PHONE, barriers, is_no_wider

PAGES = {
    "Overview": "/admin/",
    "Failures": "/admin/analysis/failures/",
    "Cost": "/admin/analysis/cost/",
    "Duration": "/admin/analysis/duration/",
}
# Of runs that failed, by a workflow of their own.
OWN = "?workflow=analysed&created=24h"
# Seconds within which they are counted.
COUNTED = 60
FAILED = 3


@pytest.fixture(scope="module")
def counted(teller, portal, browser, signed_in):
    """Three failed runs with model calls, as soon as the rollups have them."""
    newest = teller.tell("failed_runs", "analysed", FAILED)
    teller.go_on(newest, ["call", "first"])
    context = browser.new_context(storage_state=signed_in)
    until = time.monotonic() + COUNTED
    address = f"{portal.url}{PAGES['Failures']}{OWN}&as=json"
    while time.monotonic() < until:
        if context.request.get(address).json()["figures"][0]["value"] == FAILED:
            context.close()
            return
        time.sleep(0.5)
    raise AssertionError("the runs are not counted")


# Whether each chart has pixels.
DRAWN = """() => [...document.querySelectorAll("canvas[data-chart]")].every((each) =>
    each.getContext("2d").getImageData(0, 0, each.width, each.height).data.some(Boolean))"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_by_everybody(visit, counted, name):
    page = visit("" if name == "Overview" else OWN, path=PAGES[name])
    expect(page.locator("canvas[data-chart]")).to_be_visible()
    page.wait_for_function(DRAWN)
    # In dark the colours are the same classes' on all of them.
    assert barriers(page, "#content", colours=name == "Failures") == []
    page.set_viewport_size(PHONE)
    assert is_no_wider(page)


def test_by_keyboard_the_table_leads_to_the_runs_behind_a_figure(visit, counted):
    page = visit(OWN, path=PAGES["Failures"])
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('.op-chart-split td')"):
            break
    expect(page.locator(":focus")).to_have_text(str(FAILED))
    page.keyboard.press("Enter")
    expect(page.locator("#rows > tr")).to_have_count(FAILED)


def test_a_group_is_marked_in_its_row(visit, counted):
    page = visit(OWN, path=PAGES["Failures"])
    group = page.locator(".op-group")
    group.get_by_label("Mark this group").click()
    group.get_by_label("Note").fill("the scanner's fault")
    group.get_by_role("button", name="Known").click()
    expect(group).to_contain_text("the scanner's fault")
    expect(group.locator(".op-tag")).to_have_text("known")


def test_the_overview_is_fetched_again_under_the_focus(visit, counted):
    page = visit(path=PAGES["Overview"])
    page.locator("#overview-now").evaluate("now => { now.dataset.old = 'yes'; }")
    link = page.get_by_role("link", name="Spent today")
    link.focus()
    page.evaluate("htmx.ajax('GET', '/admin/', { target: '#overview-now', swap: 'outerHTML' })")
    expect(page.locator("#overview-now[data-old]")).to_have_count(0)
    expect(link).to_be_focused()


def test_an_overview_that_cannot_be_counted_anew_says_so(visit, counted):
    page = visit(path=PAGES["Overview"], known="503")
    said, now = page.locator("#overview-stale"), page.locator("#overview-now")
    expect(said).to_be_hidden()
    again = "htmx.ajax('GET', '/admin/?again', { target: '#overview-now', swap: 'outerHTML' })"
    page.route("**/admin/?again", lambda route: route.fulfill(status=503, body="away"))
    page.evaluate(again)
    expect(said).to_contain_text("could not count them anew")
    expect(now).to_contain_text("Running now")
    page.unroute("**/admin/?again")
    page.evaluate(again)
    expect(said).to_be_hidden()
