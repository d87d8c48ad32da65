"""The list of runs without JavaScript, on a phone, in the dark, enlarged, with less motion."""

import re

from playwright.sync_api import expect

from tests.browser.checks import (
    FAILED,
    LIST,
    PHONE,
    ZOOMED,
    barriers,
    is_no_wider,
    live,
    moved,
    row,
    rows,
    three,
    without_motion,
)


def test_it_is_read_and_filtered_without_javascript(visit, teller):
    made = three(teller, "scriptless")
    page = visit("?workflow=scriptless", java_script_enabled=False)

    expect(rows(page)).to_have_count(3)
    expect(page.locator("#live")).to_be_hidden()
    page.get_by_role("link", name="Failed").click()
    expect(page.locator("h2", has_text="No failed runs of scriptless")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    page.click("#menu-workflow")
    page.locator("details[open]").get_by_role("link", name="scriptless").click()
    page.fill("#search", made[0])
    page.press("#search", "Enter")
    page.wait_for_url(f"**{LIST}{made[0]}/")


def test_the_menu_under_ones_name_opens_by_key_and_without_javascript(visit):
    page = live(visit())
    name = page.locator(".op-account > summary")
    settings = page.get_by_role("link", name="My settings")
    expect(settings).to_be_hidden()
    name.press("Enter")
    expect(settings).to_be_visible()
    page.get_by_role("button", name="Dark").press("Enter")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert barriers(page, ".op-account") == []
    settings.press("Escape")
    expect(settings).to_be_hidden()
    expect(name).to_be_focused()
    name.click()
    page.mouse.click(700, 500)
    expect(settings).to_be_hidden()

    page = visit(java_script_enabled=False)
    expect(page.get_by_role("link", name="My settings")).to_be_hidden()
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.locator(".op-account > summary").click()
    page.get_by_role("link", name="My settings").click()
    expect(page.get_by_label("Time zone")).to_be_visible()


def test_on_a_phone_the_chosen_tab_is_in_sight_with_its_count(visit, teller):
    three(teller, "tabbed")
    page = live(visit("?workflow=tabbed&state=queued"))
    page.set_viewport_size(PHONE)
    page.reload()
    expect(page.locator("#count-queued")).to_have_text("3")
    page.wait_for_function(
        """() => { const tab = document.getElementById("tab-queued").getBoundingClientRect();
            const tabs = document.getElementById("tabs").getBoundingClientRect();
            return tab.left >= tabs.left && tab.right <= tabs.right + 1 }"""
    )


def test_axe_finds_nothing(visit, teller):
    made = [*three(teller, "axed"), teller.tell("queued_run", "axed")]
    teller.tell("queued_run", "axed")
    teller.go_on(made[0], ["active"], ["start", "first"])
    teller.go_on(made[1], ["active"], ["terminate", "enough"])
    teller.go_on(made[2], *FAILED)
    teller.go_on(made[3], ["active"], ["state", "active", "completed"])
    page = live(visit("?workflow=axed"))
    expect(rows(page)).to_have_count(5)
    assert barriers(page) == []
    page.set_viewport_size(PHONE)
    assert barriers(page, "#runs") == []

    page = visit("?workflow=axed&state=completed&trigger=api")
    expect(page.locator("h2", has_text="No completed runs")).to_be_visible()
    assert barriers(page, "#runs") == []
    page = visit("?workflow=axed&created_from=yesterday", known="400")
    expect(page.get_by_role("alert")).to_contain_text("“yesterday” is not a time")
    assert barriers(page, "#runs") == []


def test_what_opens_over_the_list_has_no_barriers(visit, teller):
    made = three(teller, "over")
    page = live(visit("?workflow=over"))
    for menu in page.locator("#runs details.op-menu > summary").all():
        menu.click()
        assert barriers(page, "details.op-menu[open]") == [], menu.get_attribute("id")
        page.keyboard.press("Escape")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys on this page")).to_be_visible()
    assert barriers(page, "#keys") == []
    page.keyboard.press("Escape")
    row(page, made[0]).get_by_role("checkbox").check()
    assert barriers(page, "#bulk", "#rows") == []
    page.get_by_role("button", name="Terminate Selected").click()
    expect(page.get_by_role("dialog", name="Terminate 1 run?")).to_be_visible()
    assert barriers(page, "#asked") == []


def test_at_twice_the_size_nothing_sticks_out(visit, teller):
    made = three(teller, "enlarged")
    page = live(visit("?workflow=enlarged", **ZOOMED))
    assert is_no_wider(page)
    row(page, made[0]).get_by_role("checkbox").check()
    assert is_no_wider(page)
    for menu in page.locator("#runs details.op-menu > summary").all():
        if menu.is_visible():
            menu.click()
            assert is_no_wider(page), menu.get_attribute("id")
            page.keyboard.press("Escape")


def test_on_a_phone_a_run_is_two_lines_and_nothing_sticks_out(visit, teller):
    made = three(teller, "on_the_phone")
    page = live(visit("?workflow=on_the_phone", viewport=PHONE))

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    box = row(page, made[0]).bounding_box()
    assert 50 <= box["height"] <= 70
    page.click("#menu-created")
    menu = page.locator("details[open] .op-menu-body").bounding_box()
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= PHONE["width"]
    assert menu["y"] + menu["height"] <= PHONE["height"]
    page.keyboard.press("Escape")

    page.mouse.click(box["x"] + box["width"] - 30, box["y"] + 12)
    page.wait_for_url(f"**{LIST}{made[0]}/")


def test_for_who_wants_less_motion_nothing_moves(visit, teller):
    made = three(teller, "still")
    teller.go_on(made[0], ["active"])
    page = live(visit("?workflow=still", before=without_motion))
    expect(row(page, made[0]).locator(".op-spin")).to_be_visible()
    row(page, made[1]).hover()
    row(page, made[1]).get_by_role("checkbox").check()
    page.click("#menu-created")
    page.get_by_role("link", name="Last 24 hours").click()
    expect(page.locator("#menu-created")).to_contain_text("Last 24 hours")
    page.get_by_role("button", name="Terminate Selected").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert moved(page) == []
