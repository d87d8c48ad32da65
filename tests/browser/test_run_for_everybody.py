"""The page of a run without JavaScript, on a phone, in the dark, enlarged, with hostile text."""

import pytest
from playwright.sync_api import expect

from tests.browser.checks import (
    LIST,
    PHONE,
    ZOOMED,
    barriers,
    events,
    is_no_wider,
    live,
    moved,
    without_motion,
)


def test_it_reads_and_acts_without_javascript(visit_run, teller):
    page = visit_run(teller.tell("active_invoice"), java_script_enabled=False)
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


def test_code_in_the_panel_of_a_node_goes_on_below_and_is_copied(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice"), "?node=check_totals"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = page.locator("#run-node pre.op-code")
    for name in ("Stack trace", "Input"):
        if name == "Input":
            page.get_by_role("link", name="Input", exact=True).click()
        expect(code).to_have_attribute("aria-label", name)
        assert code.evaluate("code => code.scrollWidth <= code.clientWidth")
        page.locator("#run-node").get_by_role("button", name="Copy").click()
        expect(page.locator("#run-node .is-copied")).to_have_count(1)
        assert page.evaluate("navigator.clipboard.readText()") == code.text_content()

    page = live(visit_run(teller.tell("large_run"), "?node=make&pane=output"))
    page.get_by_role("link", name="Show output").click()
    expect(page.locator("#run-node pre.op-code")).to_contain_text('"name": "row 7"')
    expect(page.locator("#run-node").get_by_role("button", name="Copy")).to_have_count(1)


@pytest.mark.long
def test_hostile_text_stays_text(visit_run, teller):
    run = teller.tell("hostile_run")
    for query in (
        "",
        "?view=table",
        "?node=show&pane=input",
        "?node=show&pane=logs",
        "?tab=context",
    ):
        page = live(visit_run(run, query))
        assert page.evaluate("window.pwned") is None
        assert page.locator("#run img").count() == 0
        for fold in page.locator("#log-lines details summary").all():
            fold.click()
        assert page.evaluate("window.pwned") is None
        # Text from right to left does not leave its cell.
        expect(page.locator("#run-head h1")).to_contain_text("hostile v1")


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(visit_run, teller):
    failed = teller.tell("failed_invoice")
    page = live(visit_run(failed))
    assert barriers(page) == []
    page.set_viewport_size(PHONE)
    assert barriers(page, "#run") == []
    assert is_no_wider(page)
    # On the other pages only a part is another.
    for run, query, part in (
        (failed, "?view=table&node=extract_text", "#run-timeline"),
        (failed, "?tab=context", "#run-tab"),
        (failed, "?tab=job", "#run-tab"),
        (failed, "?tab=lineage", "#run-tab"),
        (teller.tell("active_invoice"), "?node=extract_fields", "#run"),
        (teller.tell("draining_invoice"), "", "#run"),
    ):
        page = live(visit_run(run, query))
        assert barriers(page, part) == [], query
        assert is_no_wider(page), query
        page.set_viewport_size(PHONE)
        assert is_no_wider(page), query


@pytest.mark.long
def test_axe_finds_nothing_in_the_parts_on_a_phone(visit_run, teller):
    failed = teller.tell("failed_invoice")
    for query, part in (
        ("?view=table&node=extract_text", "#run-timeline"),
        ("?tab=context", "#run-tab"),
        ("?tab=job", "#run-tab"),
        ("?tab=lineage", "#run-tab"),
    ):
        page = live(visit_run(failed, query))
        page.set_viewport_size(PHONE)
        assert barriers(page, part, colours=False) == [], query


def test_what_opens_over_the_page_has_no_barriers(visit_run, teller):
    page = live(visit_run(teller.tell("active_invoice")))
    page.get_by_role("link", name="Terminate…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page, "dialog[open]") == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for menu in page.locator("#run details.op-menu > summary").all():
        menu.click()
        assert barriers(page, "details.op-menu[open]") == []
        page.keyboard.press("Escape")


@pytest.mark.long
def test_at_twice_the_size_nothing_sticks_out(visit_run, teller):
    run = teller.tell("failed_invoice")
    for query in ("", "?view=table&node=extract_text", "?tab=context", "?tab=job", "?tab=lineage"):
        assert is_no_wider(live(visit_run(run, query, **ZOOMED))), query


def test_for_who_wants_less_motion_nothing_moves(visit_run, teller):
    run = teller.tell("active_invoice")
    page = live(visit_run(run, before=without_motion))
    page.locator('[data-key="classify"] .op-bar').click()
    expect(page.locator("#run-node-name")).to_have_text("classify")
    page.locator("#log-lines summary").first.click()
    teller.go_on(run, ["log", "classify", "the last"])
    expect(events(page).last).to_contain_text("the last")
    page.get_by_role("link", name="Terminate…").hover()
    page.get_by_role("link", name="Terminate…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert moved(page) == []


def test_an_unknown_run_has_a_way_back(visit_run):
    page = visit_run("run_nothing", known="404")
    expect(page.get_by_role("link", name="All runs")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="All runs").click()
    page.wait_for_url(f"**{LIST}")
