"""What a person keeps of the list: saved views, columns, the zone of times; and where they were."""

import re

from playwright.sync_api import expect

from tests.browser.checks import LIST, at_rest, live, order, row, rows, three

VIEWS = f"{LIST}views/"


def notice(page, words):
    return page.locator(".op-notice", has_text=words)


def test_a_view_is_saved_opened_renamed_made_the_default_and_deleted(visit, teller):
    made = three(teller, "viewed")
    page = live(visit("?state=queued&workflow=viewed"))
    page.click("#menu-views")
    page.get_by_role("link", name="Save this view…").click()
    dialog = page.get_by_role("dialog", name="Save this view")
    expect(dialog).to_contain_text("queued runs of viewed")
    dialog.get_by_label("Name").fill("Waiting claims")
    dialog.get_by_label("Shared with all staff").check()
    dialog.get_by_role("button", name="Save view").click()
    expect(notice(page, "The view “Waiting claims” is saved.")).to_be_visible()
    expect(page).to_have_url(f"{page.base}{LIST}?state=queued&workflow=viewed")
    expect(page.locator("#menu-views")).to_contain_text("Waiting claims")

    page.goto(f"{page.base}{LIST}")
    page.click("#menu-views")
    page.locator("details[open]").get_by_role("link", name="Waiting claims").click()
    expect(rows(page)).to_have_count(3)
    expect(page).to_have_url(f"{page.base}{LIST}?state=queued&workflow=viewed")
    assert order(page) == made

    page.click("#menu-views")
    page.get_by_role("link", name="Manage views…").click()
    page.wait_for_url(f"**{VIEWS}")
    page.get_by_label("Rename Waiting claims").click()
    page.get_by_label("Name", exact=True).fill("Claims that wait")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(notice(page, "“Waiting claims” is “Claims that wait” now.")).to_be_visible()
    page.get_by_role("button", name="Stop sharing Claims that wait").click()
    expect(notice(page, "is seen by only its owner now")).to_be_visible()
    page.get_by_role("button", name="Share Claims that wait").click()
    expect(notice(page, "is seen by all staff now")).to_be_visible()

    page.get_by_role("button", name="Make Claims that wait my default").click()
    expect(page.locator(".op-saved")).to_contain_text("my default")
    page.goto(f"{page.base}{LIST}")
    expect(page).to_have_url(f"{page.base}{LIST}?state=queued&workflow=viewed")
    page.goto(f"{page.base}{VIEWS}")
    page.get_by_role("button", name="Open all runs instead of Claims that wait").click()
    expect(notice(page, "Runs opens all runs from now on.")).to_be_visible()

    page.get_by_label("Delete Claims that wait").click()
    page.get_by_role("button", name="Delete view").click()
    expect(notice(page, "is deleted. No run was touched.")).to_be_visible()
    expect(page.get_by_role("link", name="Claims that wait")).to_have_count(0)


def test_what_was_typed_for_a_view_stays_when_it_is_not_saved(visit, teller):
    made = three(teller, "unsaved")
    page = live(visit("?workflow=unsaved", known="Failed to load resource"))
    row(page, made[0]).get_by_role("checkbox").check()
    page.click("#menu-views")
    page.get_by_role("link", name="Save this view…").click()
    dialog = page.get_by_role("dialog", name="Save this view")
    save = dialog.get_by_role("button", name="Save view")
    save.click()
    expect(dialog.get_by_role("alert")).to_have_text("Give the view a name.")
    dialog.get_by_label("Name").fill("Kept by the dialog")
    dialog.get_by_label("Shared with all staff").check()

    page.context.set_offline(True)
    save.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal does not answer")
    expect(dialog.get_by_role("alert")).to_contain_text("look at your views")
    page.context.set_offline(False)
    page.route("**/views/new/", lambda route: route.fulfill(status=503, body="busy"))
    save.click()
    expect(dialog.get_by_role("alert")).to_contain_text("The portal could not do this (answer 503)")
    page.unroute("**/views/new/")
    expect(dialog.get_by_label("Name")).to_have_value("Kept by the dialog")
    expect(dialog.get_by_label("Shared with all staff")).to_be_checked()

    save.click()
    expect(notice(page, "The view “Kept by the dialog” is saved.")).to_be_visible()
    expect(page.locator("#bulk-count")).to_have_text("1 selected")


def test_chosen_columns_stay(visit, teller):
    three(teller, "columned")
    page = live(visit("?workflow=columned"))
    head = page.get_by_role("columnheader")
    expect(head.filter(has_text="Cost")).to_be_visible()
    expect(head.filter(has_text="Reference")).to_be_hidden()
    page.click("#menu-columns")
    page.get_by_role("checkbox", name="Reference").check()
    page.get_by_role("checkbox", name="Cost").uncheck()
    page.get_by_role("button", name="Show these").click()
    for _ in range(2):
        expect(head.filter(has_text="Reference")).to_be_visible()
        expect(head.filter(has_text="Cost")).to_be_hidden()
        expect(page).to_have_url(f"{page.base}{LIST}?workflow=columned")
        page.reload()
    page.click("#menu-columns")
    page.get_by_role("button", name="The usual ones").click()
    expect(head.filter(has_text="Cost")).to_be_visible()
    expect(head.filter(has_text="Reference")).to_be_hidden()


def test_times_are_shown_in_the_zone_that_is_chosen_at_the_foot(visit, teller):
    made = three(teller, "zoned_list")
    teller.go_on(made[0], ["active"])
    page = live(visit("?workflow=zoned_list", timezone_id="Asia/Tokyo"))
    time = row(page, made[0]).locator("[data-c=start] time")
    expect(time).to_have_attribute("datetime", re.compile(r"\+00:00$"))
    expect(page.locator("#menu-zone")).to_contain_text("UTC")
    utc = time.inner_text()
    page.click("#menu-zone")
    chosen = page.locator("details[open] [aria-current]")
    expect(chosen.get_by_text("UTC")).to_be_visible()
    page.get_by_role("button", name="Asia/Tokyo (this device)").click()
    try:
        expect(page.locator("#menu-zone")).to_contain_text("Asia/Tokyo (JST)")
        expect(time).to_have_attribute("datetime", re.compile(r"\+09:00$"))
        expect(time).not_to_have_text(utc)
        expect(page).to_have_url(f"{page.base}{LIST}?workflow=zoned_list")
        page.click("#menu-zone")
        expect(chosen.get_by_text("Asia/Tokyo (this device)")).to_be_visible()
        expect(page.get_by_role("button", name="Asia/Tokyo")).to_have_count(1)
        page.keyboard.press("Escape")
    finally:
        page.click("#menu-zone")
        page.get_by_role("button", name="UTC", exact=True).click()
    expect(time).to_have_text(utc)


def test_a_click_beside_the_links_of_a_row_opens_its_run_and_leaves_marked_text(visit, teller):
    made = three(teller, "clicked")
    page = live(visit("?workflow=clicked"))
    state = row(page, made[1]).locator("td[data-c=state]")
    state.evaluate("cell => getSelection().selectAllChildren(cell)")
    state.dispatch_event("click")
    row(page, made[1]).locator("td[data-c=c]").click(position={"x": 2, "y": 2})
    expect(page).to_have_url(f"{page.base}{LIST}?workflow=clicked")
    state.evaluate("() => getSelection().removeAllRanges()")
    state.click()
    page.wait_for_url(f"**{LIST}{made[1]}/")


def test_back_from_a_run_leads_to_the_same_place_of_the_same_list(visit, teller):
    for second in range(40):
        teller.tell("queued_run", "returned", 100 - second)
    page = live(visit("?workflow=returned"))
    page.click("#tab-queued")
    expect(page).to_have_url(f"{page.base}{LIST}?state=queued&workflow=returned")
    expect(rows(page)).to_have_count(40)
    page.evaluate("scrollTo(0, 500)")
    before = at_rest(page)
    assert before > 0
    page.locator(f"#rows > tr[id='{order(page)[30]}'] .op-id").click()
    page.wait_for_url("**/run_*/")
    page.go_back()
    expect(page).to_have_url(f"{page.base}{LIST}?state=queued&workflow=returned")
    expect(rows(page)).to_have_count(40)
    page.wait_for_function("before => Math.abs(scrollY - before) <= 1", arg=before)
