"""Stuck runs and troubleshooting in a browser: evidence, one press, and the run completes."""

import pytest
from playwright.sync_api import expect

from tests.browser.checks import PHONE, barriers, is_no_wider, live

STUCK = "/admin/stuck/"
TROUBLE = "/admin/troubleshooting/"


def test_a_silent_run_shows_its_evidence_and_one_press_has_it_complete(visit_run, visit, teller):
    run = teller.tell("silent_run")
    page = live(visit_run(run))
    card = page.locator("#run-stuck")
    expect(card).to_contain_text("collect has told nothing for")
    expect(card).to_contain_text("number 4, node started")
    expect(card).to_contain_text("worker-2")
    assert barriers(page, "#run-stuck") == []

    teller.go_on(run, ["found"])
    listed = visit(path=f"{STUCK}?workflow=silent_work")
    row = listed.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("collect has told nothing")
    marked = visit(path="/admin/runs/run/?stuck=yes&workflow=silent_work")
    expect(marked.locator("#rows > tr")).to_have_count(1)
    expect(marked.locator("#rows .op-stuck-mark")).to_have_count(1)
    assert barriers(listed) == []

    page.get_by_role("button", name="Run it again").click()
    expect(page.get_by_text("collect was taken from its worker and runs again.")).to_be_visible()
    expect(page.locator("#run-head .op-pill")).to_contain_text("Completed")
    expect(page.locator("#run-stuck section")).to_have_count(0)
    # The list comes anew by itself.
    teller.go_on(run, ["found"])
    expect(listed.locator("tbody tr")).to_have_count(0)


@pytest.mark.long
def test_stuck_runs_and_troubleshooting_on_a_phone_and_without_javascript(visit, teller):
    run = teller.tell("unserved_run")
    teller.go_on(run, ["found"])
    page = visit(path=f"{STUCK}?class=queue", viewport=PHONE)
    expect(page.locator("tbody tr").first).to_contain_text("no worker takes from the queue")
    assert is_no_wider(page)
    assert barriers(page) == []
    page = visit(f"?run={run}", path=TROUBLE, viewport=PHONE, java_script_enabled=False)
    expect(page.locator("#logs")).to_contain_text("Whole: 2 events, 1–2, in the database.")
    expect(page.locator("#stuck")).to_contain_text("Queue")
    page = visit(path=TROUBLE, viewport=PHONE)
    assert is_no_wider(page)
    assert barriers(page) == []
