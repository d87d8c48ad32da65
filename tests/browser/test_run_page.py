"""The page of a run in a browser: live, with keys, without JavaScript, on a phone, in the dark."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.teller import Teller

PHONE = {"width": 390, "height": 844}
WAIT = 20_000


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
    """Open a run's page; what goes wrong on it fails the test."""
    contexts, wrong = [], []

    def open_page(run_id, query="", **options) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = browser.new_context(storage_state=signed_in, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.goto(f"{portal.url}/admin/runs/run/{run_id}/{query}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def live(page):
    expect(page.locator("#live")).to_have_attribute("data-live", "live", timeout=WAIT)
    return page


def rows(page):
    return page.locator("#log-lines > li")


def seqs(page):
    return page.evaluate(
        "[...document.querySelectorAll('#log-lines > li')].map(r => +r.dataset.seq)"
    )


def is_gapless(numbers):
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def serious(page):
    found = Axe().run(page).response["violations"]
    return [
        (rule["id"], rule["nodes"][0]["html"][:200])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


# -- Live -------------------------------------------------------------------------------------


def test_a_run_is_followed_from_queue_to_failure_without_a_reload(visit, teller):
    run = teller.tell("queued_invoice")
    page = live(visit(run))
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#run-head .op-pill")).to_contain_text("Queued")

    teller.go_on(run, ["active"], ["start", "extract_text"], ["log", "extract_text", "page 1"])
    expect(page.locator("#run-head .op-pill")).to_contain_text("Running", timeout=WAIT)
    expect(page.locator('[data-key="extract_text"] .op-bar[data-growing]')).to_be_visible()
    expect(rows(page).last).to_contain_text("page 1")
    grown = page.locator('[data-key="extract_text"] .op-tick')
    first = grown.text_content()
    expect(grown).not_to_have_text(first, timeout=3_000)

    error = {"node": "extract_text", "kind": "Boom", "message": "it broke"}
    teller.go_on(run, ["fail", "extract_text"], ["fail_run", error])
    expect(page.locator("#run-head .op-pill")).to_contain_text("Failed", timeout=WAIT)
    expect(page.locator("#run-notice")).to_contain_text("extract_text failed. Boom: it broke")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.locator("#run-head")).not_to_contain_text("Terminate")
    expect(page.locator("#run-tab-links .op-count").first).to_have_text("7")
    expect(rows(page)).to_have_count(7)
    assert is_gapless(seqs(page))
    assert page.evaluate("window.sameDocument"), "the page was not loaded anew"


def test_what_a_person_opened_stays_open_while_the_run_goes_on(visit, teller):
    run = teller.tell("active_invoice")
    page = live(visit(run, "?node=extract_text&pane=input"))
    page.locator("#log-lines > li").first.locator("summary").click()
    fold = page.locator("#log-lines > li").first.locator("pre")
    expect(fold).to_be_visible()
    link = page.locator('#run-lanes [data-key="classify"] a.op-tl-name')
    link.focus()
    teller.go_on(run, ["complete", "extract_fields", 2], ["queue", "human_review"])
    expect(page.locator('[data-key="human_review"]')).to_contain_text("queued", timeout=WAIT)
    expect(page.locator("#run-node-name")).to_have_text("extract_text")
    expect(page.locator("#run-payload")).to_contain_text("extract_text")
    expect(fold).to_be_visible()
    expect(link).to_be_focused()


def test_what_was_missed_while_paused_comes_after(visit, teller):
    run = teller.tell("active_invoice")
    page = live(visit(run))
    page.get_by_role("button", name="Pause live updates").click()
    teller.go_on(run, ["lines", "classify", 30])
    page.wait_for_timeout(800)
    assert len(seqs(page)) == 15
    page.get_by_role("button", name="Resume live updates").click()
    expect(rows(page)).to_have_count(45, timeout=WAIT)
    assert is_gapless(seqs(page))


def test_following_a_busy_run_keeps_the_end_in_sight_and_the_page_small(visit, teller):
    run = teller.tell("long_run", 300)
    page = live(visit(run))
    page.locator("#log-jump").click()
    expect(page.locator("#log-jump")).to_contain_text("Following")
    for _ in range(12):
        teller.go_on(run, ["lines", "read", 250])
    teller.go_on(run, ["log", "read", "the very last"])
    expect(rows(page).last).to_contain_text("the very last", timeout=WAIT)
    expect(rows(page).last).to_be_in_viewport()
    numbers = seqs(page)
    assert numbers[-1] == 3_305
    assert len(numbers) <= 2_000
    assert is_gapless(numbers)

    page.mouse.move(700, 500)
    page.mouse.wheel(0, -400)
    expect(page.locator("#log-jump")).to_contain_text("Jump to last")
    before = page.evaluate("scrollY")
    teller.go_on(run, ["lines", "read", 20])
    expect(rows(page).last).to_have_attribute("data-seq", "3325", timeout=WAIT)
    assert page.evaluate("scrollY") == before, "nothing moves under the reader"


# -- History ----------------------------------------------------------------------------------


def test_fifty_thousand_events_open_at_once_and_load_as_one_scrolls(visit, teller):
    run = teller.tell("long_run")
    page = live(visit(run))
    assert len(seqs(page)) == 200
    for _ in range(3):
        page.locator("#log-after").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
    loaded = seqs(page)
    assert len(loaded) >= 600
    assert is_gapless(loaded)

    page.locator("#log-jump").click()
    expect(rows(page).last).to_have_attribute("data-seq", "50004", timeout=WAIT)
    expect(rows(page).last).to_be_in_viewport()
    page.mouse.move(700, 500)
    page.mouse.wheel(0, -3_000)
    page.wait_for_timeout(300)
    page.locator("#log-before").scroll_into_view_if_needed()
    expect(rows(page).first).not_to_have_attribute("data-seq", "49805", timeout=WAIT)
    assert is_gapless(seqs(page))


def test_the_history_is_searched_and_filtered(visit, teller):
    page = live(visit(teller.tell("failed_invoice")))
    find = page.get_by_label("Find in history")
    find.fill("totalsmismatch")
    expect(page.locator("#log-found")).to_have_text("4 found", timeout=WAIT)
    expect(rows(page)).to_have_count(4)
    expect(find).to_be_focused()
    assert "find=totalsmismatch" in page.url
    find.fill("")
    expect(rows(page)).to_have_count(31, timeout=WAIT)

    page.locator("summary", has_text="Kind").click()
    page.locator("#run-tab").get_by_role("link", name="LLM call", exact=True).click()
    expect(rows(page)).to_have_count(2)
    assert "kind=llm_call" in page.url
    page.get_by_role("link", name="All events").click()
    expect(rows(page)).to_have_count(31)


def test_a_large_payload_is_fetched_when_it_is_unfolded(visit, teller):
    page = live(visit(teller.tell("large_run"), "?node=make"))
    fold = page.locator("#log-lines details", has_text="output")
    assert "row 7" not in page.content()
    fold.locator("summary").click()
    expect(fold.locator("pre")).to_contain_text('"name": "row 7"')
    page.get_by_role("link", name="Show output").click()
    expect(page.locator("#run-node pre")).to_contain_text('"name": "row 7"')


def test_five_hundred_events_a_second_do_not_block_the_page(visit, teller):
    run = teller.tell("long_run", 300)
    page = live(visit(run))
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
    expect(rows(page).last).to_contain_text("the very last", timeout=WAIT)
    numbers = seqs(page)
    assert numbers[-1] == 5_305
    assert len(numbers) <= 2_000
    assert is_gapless(numbers)
    tasks = page.evaluate("longTasks")
    print(f"{len(tasks)} long tasks, {sum(tasks):.0f} ms, longest {max(tasks, default=0):.0f} ms")

    page.mouse.move(700, 500)
    page.mouse.wheel(0, -6_000)
    expect(page.locator("#log-jump")).to_contain_text("Jump to last")
    page.wait_for_function(
        "document.getElementById('log-end').getBoundingClientRect().top > innerHeight + 900"
    )
    teller.go_on(run, ["lines", "read", 40])
    offer = page.locator("#log-new")
    expect(offer).to_contain_text("new events — show", timeout=WAIT)
    offer.click()
    expect(rows(page).last).to_have_attribute("data-seq", "5345", timeout=WAIT)
    expect(rows(page).last).to_be_in_viewport()
    expect(offer).to_be_hidden()


# -- Timeline and panel -----------------------------------------------------------------------


def test_a_node_is_opened_by_click_and_by_keys_and_closed_by_escape(visit, teller):
    page = live(visit(teller.tell("completed_run"), "?node="))
    expect(page.locator("#run-node")).to_have_count(0)
    page.locator('[data-key="sum"] .op-bar').click()
    expect(page.locator("#run-node-name")).to_have_text("sum")
    assert "node=sum" in page.url
    page.get_by_role("link", name="Input").click()
    expect(page.locator("#run-payload")).to_contain_text('"key": "sum"')

    first = page.locator('[data-key="load"] .op-tl-name')
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-key="sum"] .op-tl-name')).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#run-node-name")).to_have_text("load")
    expect(page.locator("#run-node-name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#run-node")).to_have_count(0)
    expect(first).to_be_focused()


def test_the_table_takes_the_timelines_place_and_back_brings_it_again(visit, teller):
    page = live(visit(teller.tell("failed_invoice")))
    page.get_by_role("link", name="Table", exact=True).click()
    expect(page.locator("table.op-nodes tbody tr")).to_have_count(7)
    assert "view=table" in page.url
    page.get_by_role("link", name="route").click()
    expect(page.locator("#run-node-name")).to_have_text("route")
    page.go_back()
    expect(page.locator("#run-node-name")).to_have_text("check_totals")
    page.go_back()
    expect(page.locator("#run-lanes .op-tl")).to_be_visible()


def test_a_thousand_nodes_are_usable(visit, teller):
    page = live(visit(teller.tell("wide_run")))
    expect(page.locator(".op-tl.is-long .op-tl-row")).to_have_count(1_000)
    page.locator('[data-key="n900"] .op-tl-name').click()
    expect(page.locator("#run-node-name")).to_have_text("n900", timeout=WAIT)
    expect(page.locator('[data-key="n900"]')).to_be_in_viewport()


# -- Tabs -------------------------------------------------------------------------------------


def test_the_context_is_folded_searched_and_copied(visit, teller):
    run = teller.tell("failed_invoice")
    page = live(visit(run, permissions=["clipboard-read", "clipboard-write"]))
    page.get_by_role("link", name="View Context").click()
    tree = page.locator(".op-tree")
    expect(tree).to_contain_text('"run_id"')
    assert "tab=context" in page.url
    page.get_by_label("Find a key or value").fill("line items sum")
    expect(page.locator("#json-found")).to_have_text("1 of 1")
    expect(page.locator(".op-tree .is-found")).to_be_visible()
    page.get_by_role("button", name="Fold all").click()
    expect(tree.get_by_text('"run_id"')).to_be_visible()
    expect(tree.get_by_text('"document"')).to_be_hidden()
    page.get_by_role("button", name="Copy").click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["run_id"] == run


def test_the_job_is_copied_as_it_stands(visit, teller):
    run = teller.tell("failed_invoice")
    page = live(visit(run, "?tab=job", permissions=["clipboard-read", "clipboard-write"]))
    page.locator("#run-tab").get_by_role("button", name="Copy").click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["job_id"] == run.replace("run_", "job_")
    assert len(copied) == 9


# -- Acts -------------------------------------------------------------------------------------


def test_terminating_asks_in_a_dialog_and_shows_at_once(visit, teller):
    page = live(visit(teller.tell("active_invoice")))
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong file")
    dialog.get_by_role("button", name="Terminate").click()
    expect(page.locator("#run-head .op-pill")).to_contain_text("Terminated")
    expect(page.locator("#run-notice")).to_contain_text("wrong file")
    expect(page.locator("#run-notice")).to_contain_text("draining 1 node")


def test_a_retry_leads_to_the_new_run(visit, teller):
    run = teller.tell("failed_invoice")
    page = live(visit(run))
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: run not in url)
    expect(page.locator(".op-notice").first).to_contain_text("This is the retry of")
    expect(page.locator("#run-facts")).to_contain_text(run[-8:])


# -- Without, narrow, dark, hostile -----------------------------------------------------------


def test_it_reads_and_acts_without_javascript(visit, teller):
    page = visit(teller.tell("active_invoice"), java_script_enabled=False)
    expect(page.locator("#run-head .op-pill")).to_contain_text("Running")
    expect(page.locator("#live")).to_be_hidden()
    page.locator('[data-key="classify"] .op-tl-name').click()
    expect(page.locator("#run-node-name")).to_have_text("classify")
    page.get_by_role("link", name="LLM calls").click()
    expect(page.locator("#run-node")).to_contain_text("gpt-4.1-mini")
    page.get_by_role("link", name="Job Tracking").click()
    expect(page.locator("#job-json")).to_contain_text('"total_duration_ms"')
    page.get_by_role("link", name="Terminate…").click()
    page.get_by_label("Reason").fill("no script here")
    page.get_by_role("button", name="Terminate").click()
    expect(page.locator("#run-notice")).to_contain_text("no script here")


def test_hostile_text_stays_text(visit, teller):
    run = teller.tell("hostile_run")
    for query in (
        "",
        "?view=table",
        "?node=show&pane=input",
        "?node=show&pane=logs",
        "?tab=context",
    ):
        page = live(visit(run, query))
        page.wait_for_timeout(300)
        assert page.evaluate("window.pwned") is None
        assert page.locator("#run img").count() == 0
        for fold in page.locator("#log-lines details summary").all():
            fold.click()
        assert page.evaluate("window.pwned") is None
        # Text from right to left does not leave its cell.
        expect(page.locator("#run-head h1")).to_contain_text("hostile v1")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(visit, teller, size, theme):
    options = {"color_scheme": theme, **({"viewport": PHONE} if size == "phone" else {})}
    failed = teller.tell("failed_invoice")
    queries = ["", "?view=table&node=extract_text", "?tab=context", "?tab=job", "?tab=lineage"]
    pages = [(failed, query) for query in queries]
    pages += [(teller.tell("active_invoice"), "?node=extract_fields")]
    pages += [(teller.tell("draining_invoice"), "")]
    for run, query in pages:
        page = live(visit(run, query, **options))
        assert serious(page) == [], query
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{query} is wider than the window"


def test_an_unknown_run_has_a_way_back(browser, portal, signed_in):
    context = browser.new_context(storage_state=signed_in)
    page = context.new_page()
    answer = page.goto(f"{portal.url}/admin/runs/run/run_nothing/")
    assert answer.status == 404
    assert serious(page) == []
    page.get_by_role("link", name="All runs").click()
    page.wait_for_url("**/admin/runs/run/*")
    context.close()
