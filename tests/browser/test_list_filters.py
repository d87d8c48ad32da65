"""The list of runs in a browser: filters, menus, keys, pages."""

import re

from playwright.sync_api import expect

from tests.browser.checks import LIST, live, row, rows, three


def test_filters_change_the_list_and_the_address_and_back_restores_both(visit, teller):
    made = three(teller, "filters")
    teller.go_on(made[1], ["active"], ["terminate"])
    page = live(visit("?workflow=filters"))
    page.evaluate("window.mark = 1")

    page.click("#tab-terminated")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(f"{page.base}{LIST}?state=terminated&workflow=filters")
    page.click("#menu-created")
    page.get_by_role("link", name="Last 24 hours").click()
    page.wait_for_url("**/?state=terminated&workflow=filters&created=24h")
    expect(page.locator("#menu-created")).to_be_focused()
    assert page.evaluate("window.mark") == 1

    page.go_back()
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#menu-created")).not_to_have_class(re.compile("is-set"))
    page.go_back()
    expect(rows(page)).to_have_count(3)
    expect(page).to_have_url(f"{page.base}{LIST}?workflow=filters")
    page.go_forward()
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(rows(page)).to_have_count(3)
    assert page.evaluate("window.mark") == 1


def test_a_custom_range_is_typed_in_the_person_s_zone(visit, teller):
    three(teller, "typed")
    page = live(visit("?workflow=typed", known="400"))
    page.click("#menu-created")
    page.fill("#created-from", "yesterday")
    page.press("#created-from", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("“yesterday” is not a time")

    page.click("#menu-created")
    page.fill("#created-from", "2026-01-31 10:00")
    page.get_by_role("button", name="Apply").first.click()
    page.wait_for_url("**/?workflow=typed&created_from=2026-01-31T10%3A00%3A00Z")
    expect(rows(page)).to_have_count(3)


def test_menus_close_on_escape_and_on_a_click_elsewhere(visit, teller):
    three(teller, "menus")
    page = live(visit("?workflow=menus"))
    opened = page.locator("details[open]")

    page.click("#menu-triggered-by")
    expect(page.get_by_role("link", name="Me admin")).to_be_visible()
    expect(page.locator("details[open] .op-menu-title")).to_have_text("Lately")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Me admin")).to_be_focused()
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(page.locator("#menu-triggered-by")).to_be_focused()

    page.click("#menu-trigger")
    expect(opened).to_have_count(1)
    page.click("#menu-workflow")
    expect(opened).to_have_count(1)
    page.mouse.click(700, 890)
    expect(opened).to_have_count(0)


def test_the_list_is_worked_by_keys(visit, teller):
    made = three(teller, "keys")
    page = live(visit("?workflow=keys"))

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(row(page, made[1])).to_have_class(re.compile("is-cursor"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.keyboard.press("/")
    page.keyboard.type("job_" + made[2][4:])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{LIST}{made[2]}/")
    page.go_back()
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{LIST}{made[0]}/")


def test_a_search_for_something_else_says_what_is_searched(visit, teller):
    three(teller, "searched")
    page = live(visit("?workflow=searched"))
    page.fill("#search", "totals")
    page.press("#search", "Enter")
    expect(page.locator("#runs")).to_contain_text("Runs whose error says “totals”, last 7 days.")
    expect(page.locator("#runs")).to_contain_text("with “totals” in their error in the last 7 days")
    page.get_by_role("link", name="End the search").click()
    expect(rows(page)).to_have_count(3)


def test_older_and_newer_page_through_the_list(visit, teller):
    for second in range(53):
        teller.tell("queued_run", "paged", 100 - second)
    page = live(visit("?workflow=paged"))
    expect(page.locator(".op-foot")).to_contain_text("50 of 53")

    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(3)
    page.wait_for_function("scrollY === 0")
    page.get_by_role("link", name="Newer").click()
    expect(rows(page)).to_have_count(50)


def test_a_range_is_chosen_from_a_calendar_in_the_zone_of_the_page(visit, teller):
    made = three(teller, "calendar")
    page = live(visit("?workflow=calendar", timezone_id="Asia/Tokyo"))
    page.click("#menu-created")
    form = page.get_by_role("form", name="Custom range")
    form.get_by_role("button", name="From: choose from a calendar").press("Enter")
    form.get_by_role("button", name="To: choose from a calendar").click()
    calendars = form.locator("input[type=datetime-local]")
    # UTC, whatever the device says.
    today = page.evaluate("new Date().toISOString().slice(0, 10)")
    assert calendars.nth(0).input_value()[10:] == "T00:00"
    assert calendars.nth(1).input_value() == f"{today}T23:59"

    # The days of the calendar itself are the browser's, out of a script's reach.
    calendars.nth(0).fill("2026-01-05T00:00")
    calendars.nth(1).fill("2026-01-06T23:59")
    expect(form.get_by_label("From", exact=True)).to_have_value("2026-01-05")
    expect(form.get_by_label("To", exact=True)).to_have_value("2026-01-06")
    calendars.nth(0).fill("2026-01-05T14:30")
    expect(form.get_by_label("From", exact=True)).to_have_value("2026-01-05 14:30")
    form.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(
        re.compile("created_from=2026-01-05T14%3A30%3A00Z&created_to=2026-01-07T00%3A00%3A00Z$")
    )
    expect(page.locator("#menu-created")).to_contain_text("from 5 Jan 14:30 to 7 Jan 00:00")
    expect(page.locator("h2", has_text="No runs of calendar")).to_be_visible()

    page.goto(f"{page.base}{LIST}?workflow=calendar")
    page.click("#menu-jump")
    page.get_by_role("button", name="Jump to: choose from a calendar").click()
    page.locator("details[open] input[type=datetime-local]").fill(f"{today}T23:58")
    page.get_by_role("button", name="Jump", exact=True).click()
    expect(row(page, made[0])).to_be_visible()


def test_the_order_is_marked_where_it_is_true(visit, teller):
    three(teller, "ordered")
    page = live(visit("?workflow=ordered&columns=workflow,started,created,duration"))
    head = page.get_by_role("columnheader")
    expect(head.filter(has_text="Created")).to_have_attribute("aria-sort", "descending")
    expect(head.filter(has_text="Started")).not_to_have_attribute("aria-sort", re.compile("."))
    expect(page.locator(".op-foot")).to_contain_text("Newest first, by creation")
    page.goto(
        f"{page.base}{LIST}?workflow=ordered&created=24h&sort=duration&columns=created,duration"
    )
    expect(head.filter(has_text="Duration")).to_have_attribute("aria-sort", "descending")
    head.get_by_role("link", name="Created").click()
    expect(head.filter(has_text="Created")).to_have_attribute("aria-sort", "descending")
