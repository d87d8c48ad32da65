"""The list of runs in a browser: live without moving, by keys, without JavaScript, on a phone."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.teller import Teller

LIST = "/admin/runs/run/"
PHONE = {"width": 390, "height": 844}
WAIT = 10_000


@pytest.fixture(scope="module")
def teller(portal):
    made = Teller(portal.data_dir)
    yield made
    made.close()


@pytest.fixture(scope="module")
def signed_in(portal, browser):
    """What a browser remembers of somebody who signed in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{portal.url}/admin/login/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", portal.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(re.compile(r"/admin/(?!login)"))
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(portal, browser, signed_in):
    """Open the list; what goes wrong on it fails the test, but for messages with `known`."""
    contexts, wrong = [], []

    def open_page(query="", before=None, known="", **options) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = browser.new_context(storage_state=signed_in, **options)
        contexts.append(context)
        page = context.new_page()

        def said(line):
            if line.type == "error" and (not known or known not in line.text):
                wrong.append(line.text)

        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", said)
        if before:
            before(page)
        page.goto(f"{portal.url}{LIST}{query}")
        page.base = portal.url
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def live(page):
    expect(page.locator("#live")).to_have_attribute("data-live", "live", timeout=WAIT)
    return page


def rows(page):
    return page.locator("#rows > tr")


def row(page, run_id):
    return page.locator(f"#rows > tr[id='{run_id}']")


def order(page):
    return page.evaluate("[...document.querySelectorAll('#rows > tr')].map(row => row.id)")


def tops(page):
    return page.evaluate(
        "[...document.querySelectorAll('#rows > tr')].map(r => r.getBoundingClientRect().top)"
    )


def serious(page):
    found = Axe().run(page, options={"include": [["main"], [".op-top"]]}).response["violations"]
    return [
        (rule["id"], rule["nodes"][0]["html"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def three(teller, slug):
    """Three queued runs of a workflow of their own, newest first."""
    return [teller.tell("queued_run", slug, seconds) for seconds in (30, 20, 10)][::-1]


# -- Live --------------------------------------------------------------------------------------


def test_a_change_shows_in_its_place_without_reload_and_without_moving_anything(visit, teller):
    made = three(teller, "live_change")
    page = live(visit("?workflow=live_change"))
    expect(page.locator("#count-queued")).to_have_text("3")
    page.evaluate("window.mark = 1")
    before = tops(page)
    row(page, made[1]).locator(".op-id").focus()

    teller.go_on(made[1], ["active"], ["start", "first"])
    expect(row(page, made[1])).to_contain_text("Running", timeout=WAIT)
    expect(row(page, made[1])).to_contain_text("first · 0 of 2")
    teller.go_on(made[1], ["terminate", "not needed"])
    expect(row(page, made[1])).to_contain_text("by maria: not needed", timeout=WAIT)

    assert order(page) == made
    assert tops(page) == before
    assert page.evaluate("window.mark") == 1
    assert page.evaluate("document.activeElement.closest('tr').id") == made[1]
    expect(page.locator("#count-terminated")).to_have_text("1", timeout=WAIT)
    expect(page.locator("#count-queued")).to_have_text("2")


def test_new_runs_wait_behind_a_button_and_move_nothing(visit, teller):
    made = three(teller, "live_new")
    page = live(visit("?workflow=live_new"))
    before = tops(page)

    newest = [teller.tell("queued_run", "live_new") for _ in range(2)][::-1]
    other = teller.tell("queued_run", "live_other")

    button = page.get_by_role("button", name="2 new runs — show")
    expect(button).to_be_visible(timeout=WAIT)
    page.wait_for_timeout(1500)
    assert order(page) == made
    assert tops(page) == before
    assert page.locator("#new").get_attribute("role") == "status"

    button.click()
    expect(rows(page)).to_have_count(5)
    assert order(page) == newest + made
    assert other not in order(page)
    expect(page.locator("#new button")).to_have_count(0)


def test_counting_anew_forgets_no_new_run_and_leaves_the_caret_where_it_is(visit, teller):
    three(teller, "live_count")
    page = live(visit("?workflow=live_count"))
    expect(page.locator("#count-queued")).to_have_text("3")
    page.click("#menu-created")
    page.locator("#created-from").focus()
    for number in (1, 2, 3):
        teller.tell("queued_run", "live_count")
        words = f"{number} new run{'s' if number > 1 else ''} — show"
        expect(page.get_by_role("button", name=words)).to_be_visible(timeout=WAIT)
        expect(page.locator("#count-queued")).to_have_text(str(3 + number), timeout=2 * WAIT)
        assert page.evaluate("document.activeElement.id") == "created-from"


def test_a_run_that_comes_to_fit_the_filter_is_new_there(visit, teller):
    queued = three(teller, "live_fits")[0]
    teller.go_on(teller.tell("queued_run", "live_fits", 60), ["active"], ["terminate"])
    page = live(visit("?state=terminated&workflow=live_fits"))
    expect(rows(page)).to_have_count(1)

    teller.go_on(queued, ["active"], ["terminate"])

    page.get_by_role("button", name="1 new run — show").click(timeout=WAIT)
    expect(rows(page)).to_have_count(2)


def test_an_empty_list_fills_at_once(visit, teller):
    teller.tell("queued_run", "live_empty", 60)
    page = live(visit("?workflow=live_empty&state=running"))
    expect(page.locator("h2", has_text="No running runs of live_empty")).to_be_visible()

    came = teller.tell("queued_run", "live_empty")
    teller.go_on(came, ["active"])

    expect(row(page, came)).to_be_visible(timeout=WAIT)


def test_pausing_holds_still_and_resuming_catches_up(visit, teller):
    made = three(teller, "live_pause")
    page = live(visit("?workflow=live_pause"))
    page.get_by_role("button", name="Pause live updates").click()
    expect(page.locator("#live")).to_contain_text("Paused")

    teller.go_on(made[0], ["active"], ["terminate"])
    teller.tell("queued_run", "live_pause")
    page.wait_for_timeout(1500)
    expect(row(page, made[0])).to_contain_text("Queued")

    page.get_by_role("button", name="Resume live updates").click()
    expect(row(page, made[0])).to_contain_text("Terminated", timeout=WAIT)
    expect(page.get_by_role("button", name="1 new run — show")).to_be_visible(timeout=WAIT)


def test_without_the_stream_the_page_says_so_keeps_its_rows_and_catches_up(visit, teller):
    made = three(teller, "live_cut")

    def cut(page):
        page.route("**/api/sse-runs*", lambda route: route.abort())

    page = visit("?workflow=live_cut", cut, known="ERR_FAILED")
    light = page.locator("#live")
    expect(light).to_have_attribute("data-live", "reconnecting", timeout=WAIT)
    expect(light).to_have_attribute("data-live", "disconnected", timeout=30_000)
    expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
    expect(page.locator("#offline")).to_contain_text("Live updates are off.")
    expect(rows(page)).to_have_count(3)

    teller.go_on(made[0], ["active"], ["terminate"])
    page.unroute("**/api/sse-runs*")

    expect(light).to_have_attribute("data-live", "live", timeout=20_000)
    expect(page.locator("#offline")).to_be_hidden()
    expect(row(page, made[0])).to_contain_text("Terminated", timeout=WAIT)


def test_a_running_duration_ticks(visit, teller):
    made = three(teller, "live_tick")
    teller.go_on(made[0], ["active"])
    page = live(visit("?workflow=live_tick"))
    cell = row(page, made[0]).locator(".op-tick")
    first = cell.inner_text()
    expect(cell).not_to_have_text(first, timeout=WAIT)


# -- Filters and keys --------------------------------------------------------------------------


def test_filters_change_the_list_and_the_address_and_back_restores_both(visit, teller):
    made = three(teller, "filters")
    teller.go_on(made[1], ["active"], ["terminate"])
    page = live(visit("?workflow=filters"))
    page.evaluate("window.mark = 1")

    page.click("#tab-terminated")
    expect(rows(page)).to_have_count(1)
    assert page.url.endswith("?state=terminated&workflow=filters")
    page.click("#menu-created")
    page.get_by_role("link", name="Last 24 hours").click()
    page.wait_for_url("**/?state=terminated&workflow=filters&created=24h")
    assert page.evaluate("document.activeElement.id") == "menu-created"
    assert page.evaluate("window.mark") == 1

    page.go_back()
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#menu-created")).not_to_have_class(re.compile("is-set"))
    page.go_back()
    expect(rows(page)).to_have_count(3)
    assert page.url.endswith("?workflow=filters")
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
    assert page.evaluate("document.activeElement.textContent").endswith("admin")
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "menu-triggered-by"

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
    assert page.evaluate("scrollY") == 0
    page.get_by_role("link", name="Newer").click()
    expect(rows(page)).to_have_count(50)


# -- For everybody -----------------------------------------------------------------------------


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_serious(visit, teller, theme, viewport):
    made = three(teller, "axed")
    teller.tell("failed_invoice")
    teller.go_on(made[0], ["active"], ["start", "first"])
    teller.go_on(made[1], ["active"], ["terminate", "enough"])
    page = live(visit("", color_scheme=theme, viewport=viewport))
    assert serious(page) == []
    if viewport is not PHONE:
        page.click("#menu-created")
        assert serious(page) == []
    page.goto(f"{page.base}{LIST}?workflow=axed&state=failed")
    expect(page.locator("h2", has_text="No failed runs")).to_be_visible()
    assert serious(page) == []


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


def test_who_wants_less_motion_gets_none(visit, teller):
    made = three(teller, "still")
    teller.go_on(made[0], ["active"])
    page = live(visit("?workflow=still", reduced_motion="reduce"))
    spin = row(page, made[0]).locator(".op-spin")
    assert spin.evaluate("icon => getComputedStyle(icon).animationName") == "none"
