"""Runs that are selected in the list, and what is done to them."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.checks import FAILED, LIST, PHONE, WIDE, live, order, row, rows, three

# The browser's own words for a request that was refused or came to nothing.
REFUSED = "Failed to load resource"


def box_of(page, run_id):
    return row(page, run_id).get_by_role("checkbox")


def count(page):
    return page.locator("#bulk-count")


def states(page):
    return page.locator("#bulk-states")


def overlap(one, other):
    one, other = one.bounding_box(), other.bounding_box()
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


def test_runs_are_selected_by_key_and_click_across_filters_and_retried(visit, teller):
    made = three(teller, "chosen")
    teller.go_on(made[1], *FAILED)
    page = live(visit("?workflow=chosen"))
    expect(row(page, made[1])).to_contain_text("Failed")

    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(count(page)).to_have_text("1 selected")
    box_of(page, made[2]).click(modifiers=["Shift"])
    expect(states(page)).to_have_text("· 1 failed · 2 queued")
    assert page.locator("#select-page").is_checked()
    box_of(page, made[0]).uncheck()
    expect(page.locator("#select-page")).to_have_class(re.compile("is-mixed"))

    page.reload()
    expect(count(page)).to_have_text("2 selected")
    page.click("#tab-failed")
    expect(states(page)).to_have_text("· 1 failed · 1 queued · 1 not on this page")

    page.get_by_role("button", name="Retry Selected").click()
    dialog = page.get_by_role("dialog", name="Retry 1 run?")
    expect(dialog).to_contain_text("1 failed will be retried: a new run")
    expect(dialog).to_contain_text("1 queued will be skipped: only failed runs can be retried")
    dialog.get_by_role("button", name="Retry this run").click()
    notice = page.locator(".op-notice", has_text="1 run was retried")
    expect(notice).to_be_visible()
    expect(page).to_have_url(f"{page.base}{LIST}?state=failed&workflow=chosen")
    expect(page.locator("#bulk")).to_be_hidden()
    notice.get_by_role("link", name=re.compile("run_")).click()
    expect(page.locator("#run-facts")).to_contain_text(made[1][-8:])


def test_terminating_wants_a_reason_and_can_be_left(visit, teller):
    made = three(teller, "ended")
    page = live(visit("?workflow=ended", known=REFUSED))
    page.click("#select-page")
    box_of(page, made[2]).uncheck()
    expect(page.get_by_role("button", name="Retry Selected")).to_be_disabled()
    page.get_by_role("button", name="Terminate Selected").click()
    dialog = page.get_by_role("dialog", name="Terminate 2 runs?")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(count(page)).to_have_text("2 selected")

    page.get_by_role("button", name="Terminate Selected").click()
    # A reason of blanks is one for the browser, not for the portal.
    dialog.get_by_label("Reason").fill(" ")
    dialog.get_by_role("button", name="Terminate these 2").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Say why")
    dialog.get_by_label("Reason").fill("wrong month")
    dialog.get_by_role("button", name="Terminate these 2").click()
    expect(page.locator(".op-notice", has_text="2 runs were terminated")).to_be_visible()
    expect(row(page, made[0])).to_contain_text("by admin: wrong month")
    expect(row(page, made[2])).to_contain_text("Queued")
    expect(page.locator("#bulk")).to_be_hidden()


def test_what_could_not_be_done_is_said_and_stays_selected(visit, teller):
    made = three(teller, "refused")
    page = live(visit("?workflow=refused", known=REFUSED))
    box_of(page, made[0]).check()
    page.get_by_role("button", name="Terminate Selected").click()
    dialog = page.get_by_role("dialog", name="Terminate 1 run?")
    dialog.get_by_label("Reason").fill("not wanted")
    press = dialog.get_by_role("button", name="Terminate this run")

    page.route("**/act/", lambda route: route.abort())
    press.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal does not answer")
    page.unroute("**/act/")
    page.route("**/act/", lambda route: route.fulfill(status=503, body="busy"))
    press.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal could not do this (answer 503)")
    page.unroute("**/act/")
    expect(dialog.get_by_label("Reason")).to_have_value("not wanted")
    page.keyboard.press("Escape")
    expect(count(page)).to_have_text("1 selected")
    expect(row(page, made[0])).to_contain_text("Queued")

    page.get_by_role("button", name="Terminate Selected").click()
    dialog.get_by_label("Reason").fill("not wanted")
    press.click()
    expect(row(page, made[0])).to_contain_text("Terminated")
    expect(page.locator("#bulk")).to_be_hidden()


def test_who_was_signed_out_meanwhile_comes_back_to_the_selection(visit, teller, portal):
    made = three(teller, "signed_out")
    page = live(visit("?workflow=signed_out", known=REFUSED))
    box_of(page, made[0]).check()
    page.get_by_role("button", name="Terminate Selected").click()
    dialog = page.get_by_role("dialog", name="Terminate 1 run?")
    dialog.get_by_label("Reason").fill("not wanted")
    kept = page.context.cookies()
    page.context.clear_cookies()
    page.context.add_cookies([cookie for cookie in kept if "csrf" in cookie["name"]])

    dialog.get_by_role("button", name="Terminate this run").click()
    expect(dialog.get_by_role("alert")).to_contain_text("You are signed out")
    dialog.get_by_role("link", name="Sign in").click()
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", portal.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"**{LIST}?workflow=signed_out")
    expect(count(page)).to_have_text("1 selected")
    expect(row(page, made[0])).to_contain_text("Queued")

    page.goto(f"{page.base}{LIST}act/")
    expect(page.locator(".op-notice", has_text="Nothing was done")).to_be_visible()
    expect(page).to_have_url(f"{page.base}{LIST}")


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_bar_floats_at_the_bottom_and_hides_nothing(visit, teller, viewport):
    slug = f"floating_{viewport['width']}"
    made = [teller.tell("queued_run", slug, 30), teller.tell("queued_run", slug, 20)]
    page = live(visit(f"?workflow={slug}", viewport=viewport))
    box_of(page, made[0]).check()
    bar = page.locator("#bulk")
    below = viewport["height"] - bar.bounding_box()["y"] - bar.bounding_box()["height"]
    assert below == 0 if viewport is PHONE else 12 <= below <= 16

    for second in range(38):
        teller.tell("queued_run", slug, 100 + second)
    page.reload()
    live(page)
    expect(rows(page)).to_have_count(40)
    expect(count(page)).to_have_text("1 selected")
    assert bar.bounding_box()["y"] + bar.bounding_box()["height"] <= viewport["height"]
    page.keyboard.press("G")
    last = order(page)[-1]
    expect(row(page, last)).to_have_class(re.compile("is-cursor"))
    assert not overlap(bar, row(page, last))
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.get_by_role("navigation", name="Pages")).to_be_in_viewport()
    assert not overlap(bar, page.get_by_role("navigation", name="Pages"))
    assert not overlap(bar, row(page, last))


def test_the_offer_of_new_runs_covers_no_run_on_a_phone(visit, teller):
    made = three(teller, "offered")
    page = live(visit("?workflow=offered", viewport=PHONE))
    before = row(page, made[0]).bounding_box()
    teller.tell("queued_run", "offered")
    offer = page.get_by_role("button", name="1 new run — show")
    expect(offer).to_be_visible()
    assert row(page, made[0]).bounding_box() == before
    assert not overlap(offer, row(page, made[0]))
    offer.click()
    expect(rows(page)).to_have_count(4)
