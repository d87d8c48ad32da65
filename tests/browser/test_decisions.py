"""What waits for a person, in a browser: corrected in a form, and for everybody."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.checks import PHONE, WIDE, barriers, is_no_wider

PATH = "/admin/decisions/"
FORM = {
    "type": "object",
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "title": "Total", "description": "As it stands there."},
        "currency": {"enum": ["EUR", "USD"]},
        "paid": {"type": "boolean", "title": "Paid already"},
        "lines": {"type": "array"},
    },
}
DEFINITION = {
    "nodes": [
        {
            "id": "review", "kind": "human", "title": "Check invoice {{ number }}",
            "instructions": "Compare the total with the document.",
            "input": {"fields": "$.data.fields", "number": "$.data.number"},
            "correct": "fields", "form": FORM, "timeout_seconds": 86400, "on_timeout": "reject",
        },
        {
            "id": "route", "kind": "branch", "needs": ["review"], "default": [],
            "paths": [{"name": "large", "to": [],
                       "when": {"value": "$.nodes.review.output.value.total", "greater_than": 50}}],
        },
    ],
}  # fmt: skip


def ask(page: Page, number: int) -> str:
    """Start a run that asks for invoice `number`, as a person does; the run's page."""
    at = f"{page.base}/admin/runs/workflow/"
    if page.goto(f"{at}ask_a_person/").status == 404:
        page.goto(f"{at}add/")
        page.fill("#slug", "ask_a_person")
        page.fill("#definition", json.dumps(DEFINITION))
        page.click("text=Save as v1")
        page.wait_for_url("**/ask_a_person/")
    page.goto(f"{at}ask_a_person/run/")
    page.fill("#definition", json.dumps({"number": number, "fields": {"total": 3, "lines": []}}))
    page.click("[data-save]")
    page.wait_for_url(re.compile("/run/run_"))
    return page.url


@pytest.fixture
def asked(visit):
    """Open the question about an invoice."""

    def open_question(number: int, **options) -> Page:
        # A form that is refused answers 422, which the console tells.
        page = visit(path=PATH, known="status of 4", **options)
        run = ask(page, number)
        expect(page.locator("#run-notice")).to_contain_text("review waits for a person")
        page.run = run
        page.locator("#run-notice").get_by_role("link", name="Decide").click()
        page.wait_for_url("**/review/")
        return page

    return open_question


def test_a_correction_is_typed_refused_mended_and_goes_on(asked):
    page = asked(4711)
    expect(page.locator("#asked-title")).to_have_text("Check invoice 4711")
    page.get_by_label("Total").fill("a lot")
    page.get_by_role("button", name="Send correction").click()
    expect(page.locator(".op-error").first).to_have_text("Give a number, such as 12.50.")
    expect(page.get_by_label("Total")).to_have_value("a lot")
    page.get_by_label("Total").fill("99.5")
    page.get_by_label("Comment").fill("misread")
    page.get_by_role("button", name="Send correction").click()
    page.wait_for_url(f"**{PATH}")
    expect(page.locator(".op-notice")).to_contain_text("Check invoice 4711: corrected.")
    page.goto(page.run)
    expect(page.locator(".op-pill").first).to_have_text(re.compile("Completed"))
    expect(page.locator("#run-lanes")).to_contain_text("route")
    expect(page.locator("[data-cause=person]").first).to_be_visible()
    page.goto(f"{page.base}{PATH}?show=past")
    expect(page.locator(".op-table")).to_contain_text("corrected by admin")


def test_it_is_decided_without_javascript(asked, visit):
    address = asked(4712).url
    page = visit(path=address.partition("/admin")[1] + address.partition("/admin")[2],
                 java_script_enabled=False)  # fmt: skip
    page.get_by_role("button", name="Approve as it is").click()
    expect(page.locator(".op-notice")).to_contain_text("Check invoice 4712: approved.")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_pages_are_for_everybody(asked, size):
    page = asked(4713, viewport=size)
    assert barriers(page) == []
    assert is_no_wider(page)
    page.goto(page.base + PATH + "?show=open")
    expect(page.locator(".op-table")).to_contain_text("Check invoice 4713")
    assert barriers(page) == []
    assert is_no_wider(page)
