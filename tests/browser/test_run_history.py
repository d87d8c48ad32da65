"""The history of a run in a browser: live, long, searched, with large payloads."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.checks import WAIT, at_rest, events, is_gapless, live, seqs, wheel


def test_what_was_missed_while_paused_comes_after(visit_run, teller):
    run = teller.tell("active_invoice")
    page, other = live(visit_run(run)), live(visit_run(run))
    page.get_by_role("button", name="Pause live updates").click()
    teller.go_on(run, ["lines", "classify", 30])
    expect(events(other)).to_have_count(45)
    assert len(seqs(page)) == 15
    page.get_by_role("button", name="Resume live updates").click()
    expect(events(page)).to_have_count(45)
    assert is_gapless(seqs(page))


def test_an_event_that_could_not_be_fetched_is_asked_for_again(visit_run, teller):
    run = teller.tell("active_invoice")
    page = live(visit_run(run, known="status of 503"))
    refused = []

    def refuse(route):
        refused.append(route.request.url)
        route.fulfill(status=503)

    page.route("**/*fragment=events*", refuse, times=1)
    teller.go_on(run, ["log", "extract_fields", "the last words"])
    expect(page.locator("#log-lines")).to_contain_text("the last words")
    assert len(refused) == 1


def test_following_a_busy_run_keeps_the_end_in_sight_and_the_page_small(visit_run, teller):
    run = teller.tell("long_run", 300)
    page = live(visit_run(run))
    page.locator("#log-jump").click()
    expect(page.locator("#log-jump")).to_contain_text("Following")
    for _ in range(12):
        teller.go_on(run, ["lines", "read", 250])
    teller.go_on(run, ["log", "read", "the very last"])
    expect(events(page).last).to_contain_text("the very last", timeout=2 * WAIT)
    expect(events(page).last).to_be_in_viewport()
    numbers = seqs(page)
    assert numbers[-1] == 3_305
    assert len(numbers) <= 2_000
    assert is_gapless(numbers)

    wheel(page, -400)
    expect(page.locator("#log-jump")).to_contain_text("Jump to last")
    # By its place in the window: where rows go above, the page is scrolled by as much.
    read = page.locator("#log-lines > li[data-seq='3300']")
    before = read.bounding_box()["y"]
    teller.go_on(run, ["lines", "read", 20])
    expect(events(page).last).to_have_attribute("data-seq", "3325")
    at_rest(page)
    assert abs(read.bounding_box()["y"] - before) <= 1, "nothing moves under the reader"


def test_fifty_thousand_events_open_at_once_and_load_as_one_scrolls(visit_run, teller):
    run = teller.tell("long_run")
    page = live(visit_run(run))
    # What stands on the page before anybody scrolls is a part of it.
    assert len(seqs(page)) <= 400
    for _ in range(3):
        last = seqs(page)[-1]
        page.locator("#log-after").scroll_into_view_if_needed()
        expect(events(page).last).not_to_have_attribute("data-seq", str(last))
    loaded = seqs(page)
    assert len(loaded) >= 600
    assert is_gapless(loaded)

    page.locator("#log-jump").click()
    expect(events(page).last).to_have_attribute("data-seq", "50004")
    expect(events(page).last).to_be_in_viewport()
    wheel(page, -3_000)
    page.locator("#log-before").scroll_into_view_if_needed()
    expect(events(page).first).not_to_have_attribute("data-seq", "49805")
    assert is_gapless(seqs(page))


def test_the_history_is_searched_and_filtered(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice")))
    find = page.get_by_label("Find in history")
    find.fill("totalsmismatch")
    expect(page.locator("#log-found")).to_have_text("4 found")
    expect(events(page)).to_have_count(4)
    expect(find).to_be_focused()
    expect(page).to_have_url(re.compile("find=totalsmismatch"))
    find.fill("")
    expect(events(page)).to_have_count(31)

    page.locator("summary", has_text="Kind").click()
    page.locator("#run-tab").get_by_role("link", name="LLM call", exact=True).click()
    expect(events(page)).to_have_count(2)
    expect(page).to_have_url(re.compile("kind=llm_call"))
    page.get_by_role("link", name="All events").click()
    expect(events(page)).to_have_count(31)


def test_a_search_that_a_newer_one_has_overtaken_is_given_up(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice")))
    page.route("**/*find=never*", lambda _: None)  # no answer comes
    find = page.get_by_label("Find in history")
    with page.expect_request("**/*find=never*fragment=events*"):
        find.fill("never")
    with page.expect_event("requestfailed", lambda request: "find=never" in request.url):
        find.fill("totalsmismatch")
    expect(page.locator("#log-found")).to_have_text("4 found")
    expect(page.locator("#run-tab")).not_to_have_attribute("aria-busy", "true")


def test_a_large_payload_is_fetched_when_it_is_unfolded(visit_run, teller):
    page = live(visit_run(teller.tell("large_run"), "?node=make"))
    fold = page.locator("#log-lines details", has_text="output")
    assert "row 7" not in page.content()
    fold.locator("summary").click()
    expect(fold.locator("pre")).to_contain_text('"name": "row 7"')
    page.get_by_role("link", name="Show output").click()
    expect(page.locator("#run-node pre")).to_contain_text('"name": "row 7"')


@pytest.mark.long
def test_five_hundred_events_a_second_do_not_block_the_page(visit_run, teller):
    run = teller.tell("long_run", 300)
    page = live(visit_run(run))
    page.evaluate(
        """() => {
            window.longTasks = [];
            new PerformanceObserver((l) => longTasks.push(...l.getEntries().map((e) => e.duration)))
                .observe({ entryTypes: ["longtask"] });
        }"""
    )
    page.locator("#log-jump").click()
    expect(page.locator("#log-jump")).to_contain_text("Following")
    for number in range(100):  # ten seconds' worth, as fast as they can be recorded
        teller.go_on(run, ["lines", "read", 50])
        if number % 20 == 0:
            assert page.evaluate("1 + 1") == 2, "the page answers"
    teller.go_on(run, ["log", "read", "the very last"])
    expect(events(page).last).to_contain_text("the very last", timeout=2 * WAIT)
    numbers = seqs(page)
    assert numbers[-1] == 5_305
    assert len(numbers) <= 2_000
    assert is_gapless(numbers)
    tasks = page.evaluate("longTasks")
    print(f"{len(tasks)} long tasks, {sum(tasks):.0f} ms, longest {max(tasks, default=0):.0f} ms")

    wheel(page, -6_000)
    expect(page.locator("#log-jump")).to_contain_text("Jump to last")
    page.wait_for_function(
        "document.getElementById('log-end').getBoundingClientRect().top > innerHeight + 900"
    )
    teller.go_on(run, ["lines", "read", 40])
    offer = page.locator("#log-new")
    expect(offer).to_contain_text("new events — show")
    offer.click()
    expect(events(page).last).to_have_attribute("data-seq", "5345")
    expect(events(page).last).to_be_in_viewport()
    expect(offer).to_be_hidden()
