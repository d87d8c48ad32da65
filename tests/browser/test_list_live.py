"""The list of runs in a browser: live without moving anything."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.checks import WAIT, live, order, row, rows, three


def tops(page):
    return page.evaluate(
        "[...document.querySelectorAll('#rows > tr')].map(r => r.getBoundingClientRect().top)"
    )


def test_a_change_shows_in_its_place_without_reload_and_without_moving_anything(visit, teller):
    made = three(teller, "live_change")
    page = live(visit("?workflow=live_change"))
    expect(page.locator("#count-queued")).to_have_text("3")
    page.evaluate("window.mark = 1")
    before = tops(page)
    row(page, made[1]).locator(".op-id").focus()

    teller.go_on(made[1], ["active"], ["start", "first"])
    expect(row(page, made[1])).to_contain_text("Running")
    expect(row(page, made[1])).to_contain_text("first · 0 of 2")
    teller.go_on(made[1], ["terminate", "not needed"])
    expect(row(page, made[1])).to_contain_text("by maria: not needed")

    assert order(page) == made
    assert tops(page) == before
    assert page.evaluate("window.mark") == 1
    assert page.evaluate("document.activeElement.closest('tr').id") == made[1]
    expect(page.locator("#count-terminated")).to_have_text("1", timeout=2 * WAIT)
    expect(page.locator("#count-queued")).to_have_text("2")


def test_a_run_that_is_told_of_while_the_list_looks_for_others_is_offered(visit, teller):
    three(teller, "live_meanwhile")
    held = []

    def hold(route):
        held.append(route)

    def hold_the_first(page):
        page.route(re.compile(r"[?&]fresh=&before="), hold, times=1)

    page = live(visit("?workflow=live_meanwhile", before=hold_the_first))
    expect(page.locator("#count-queued")).to_have_text("3")
    # The list has asked for what is newer than its top; before it is answered, a run is made.
    for _ in range(300):
        if held:
            break
        page.wait_for_timeout(100)
    answer = held[0].fetch()
    teller.tell("queued_run", "live_meanwhile")
    expect(page.locator("#count-queued")).to_have_text("4")
    held[0].fulfill(response=answer)
    expect(page.get_by_role("button", name="1 new run — show")).to_be_visible()


def test_new_runs_wait_behind_a_button_and_move_nothing(visit, teller):
    made = three(teller, "live_new")
    page = live(visit("?workflow=live_new"))
    before = tops(page)

    newest = [teller.tell("queued_run", "live_new") for _ in range(2)][::-1]
    other = teller.tell("queued_run", "live_other")

    button = page.get_by_role("button", name="2 new runs — show")
    expect(button).to_be_visible()
    expect(page.locator("#count-queued")).to_have_text("5", timeout=2 * WAIT)
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
        expect(page.get_by_role("button", name=words)).to_be_visible()
        expect(page.locator("#count-queued")).to_have_text(str(3 + number), timeout=2 * WAIT)
        assert page.evaluate("document.activeElement.id") == "created-from"


def test_a_run_that_comes_to_fit_the_filter_is_new_there(visit, teller):
    queued = three(teller, "live_fits")[0]
    teller.go_on(teller.tell("queued_run", "live_fits", 60), ["active"], ["terminate"])
    page = live(visit("?state=terminated&workflow=live_fits"))
    expect(rows(page)).to_have_count(1)

    teller.go_on(queued, ["active"], ["terminate"])

    page.get_by_role("button", name="1 new run — show").click()
    expect(rows(page)).to_have_count(2)


def test_an_empty_list_fills_at_once(visit, teller):
    teller.tell("queued_run", "live_empty", 60)
    page = live(visit("?workflow=live_empty&state=running"))
    expect(page.locator("h2", has_text="No running runs of live_empty")).to_be_visible()

    came = teller.tell("queued_run", "live_empty")
    teller.go_on(came, ["active"])

    expect(row(page, came)).to_be_visible()


def test_pausing_holds_still_and_resuming_catches_up(visit, teller):
    made = three(teller, "live_pause")
    page, other = (live(visit("?workflow=live_pause")) for _ in range(2))
    page.get_by_role("button", name="Pause live updates").click()
    expect(page.locator("#live")).to_contain_text("Paused")

    teller.go_on(made[0], ["active"], ["terminate"])
    teller.tell("queued_run", "live_pause")
    expect(row(other, made[0])).to_contain_text("Terminated")
    expect(other.get_by_role("button", name="1 new run — show")).to_be_visible()
    expect(row(page, made[0])).to_contain_text("Queued")
    expect(page.locator("#new button")).to_have_count(0)

    page.get_by_role("button", name="Resume live updates").click()
    expect(row(page, made[0])).to_contain_text("Terminated")
    expect(page.get_by_role("button", name="1 new run — show")).to_be_visible()


@pytest.mark.long
def test_without_the_stream_the_page_says_so_keeps_its_rows_and_catches_up(visit, teller):
    made = three(teller, "live_cut")

    def cut(page):
        page.route("**/api/sse-runs*", lambda route: route.abort())

    page = visit("?workflow=live_cut", before=cut, known="ERR_FAILED")
    light = page.locator("#live")
    expect(light).to_have_attribute("data-live", "reconnecting")
    expect(light).to_have_attribute("data-live", "disconnected", timeout=2 * WAIT)
    expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
    expect(page.locator("#offline")).to_contain_text("Live updates are off.")
    expect(rows(page)).to_have_count(3)

    teller.go_on(made[0], ["active"], ["terminate"])
    page.unroute("**/api/sse-runs*")

    expect(light).to_have_attribute("data-live", "live", timeout=2 * WAIT)
    expect(page.locator("#offline")).to_be_hidden()
    expect(row(page, made[0])).to_contain_text("Terminated")


def test_a_running_duration_ticks(visit, teller):
    made = three(teller, "live_tick")
    teller.go_on(made[0], ["active"])
    page = live(visit("?workflow=live_tick"))
    cell = row(page, made[0]).locator(".op-tick")
    first = cell.inner_text()
    expect(cell).not_to_have_text(first)
