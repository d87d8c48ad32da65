"""The analysis of a run: what is usual under its bars, findings below them, the rest on a page."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.checks import PHONE, barriers, is_no_wider, live

# Seconds within which runs are counted.
COUNTED = 60


def analysis(run):
    return f"/admin/analysis/runs/{run}/"


def counted(page, run):
    """Wait until the runs before it are counted: there is something usual."""
    until = time.monotonic() + COUNTED
    while time.monotonic() < until:
        told = page.request.get(f"{page.base}{analysis(run)}?as=json").json()
        if told["usual"]["runs"] == 6:
            return
        time.sleep(0.5)
    raise AssertionError("the runs are not counted")


@pytest.mark.long
def test_the_usual_is_drawn_under_the_bars_until_somebody_turns_it_off(visit_run, teller):
    run = teller.tell("slow_scan")
    page = visit_run(run)
    counted(page, run)
    page.reload()
    live(page)
    lines = page.locator("#run-lanes .op-tl-lane > .op-ghost")
    expect(lines).to_have_count(2)
    bar = page.locator('[data-key="read"] .op-bar').bounding_box()
    line = page.locator('[data-key="read"] .op-ghost').bounding_box()
    assert abs(line["x"] - bar["x"]) < 1
    assert 0.1 < line["width"] / bar["width"] < 0.17, "4 s of 30 s"
    expect(page.locator(".op-tl-legend")).to_contain_text("median of 6 runs of all versions")
    expect(page.locator('[data-key="read"] .op-tl-name')).to_contain_text("usually 3.9 s")
    findings = page.locator("#run-findings")
    expect(findings).to_contain_text("read took 30.0 s, ")
    expect(findings).to_contain_text("in 1 model call")
    assert barriers(page, "#run-analysis", "#run-timeline") == []

    button = page.get_by_role("button", name="Usual", exact=True)
    button.click()
    expect(lines).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Usual", exact=True, pressed=False)).to_be_visible()
    expect(findings).to_contain_text("read took 30.0 s, ")
    expect(lines).to_have_count(0)
    button.press("Enter")
    expect(lines).to_have_count(2)
    page.get_by_role("link", name="Table", exact=True).click()
    expect(page.locator('tr[data-key="read"] [data-duration]')).to_contain_text("usually 3.9 s")

    page.set_viewport_size(PHONE)
    assert is_no_wider(page)
    page.get_by_role("link", name="Nodes, cost and calls in full").click()
    expect(page.get_by_role("heading", name="Against what is usual")).to_be_visible()
    assert is_no_wider(page)
    assert barriers(page, "#content") == []


def test_without_javascript_the_analysis_is_a_link_away(visit_run, teller):
    page = visit_run(teller.tell("failed_invoice"), java_script_enabled=False)
    expect(page.get_by_role("button", name="Usual", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Nodes, cost and calls in full").click()
    expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
    expect(page.locator("#cost")).to_contain_text("$0.0245")
    page.get_by_role("link", name="The run", exact=True).click()
    expect(page.locator("#run-head .op-pill")).to_contain_text("Failed")
