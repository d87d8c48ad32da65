"""Triggers in a browser: “when it fails, ask a person, then retry with the correction”, by form."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.checks import PHONE, WIDE, barriers, is_no_wider

PATH = "/admin/automation/"
# Fails where the document is not the sound one: no such address may be called.
FRAGILE = {
    "input_schema": {
        "type": "object", "required": ["document"], "properties": {"document": {"type": "string"}},
    },
    "nodes": [
        {
            "id": "look", "kind": "branch", "default": ["fails"],
            "paths": [{"name": "sound", "to": [],
                       "when": {"value": "$.data.document", "equals": "sound.pdf"}}],
        },
        {"id": "fails", "kind": "http", "url": "http://127.0.0.1:9/", "needs": ["look"]},
    ],
}  # fmt: skip
ASK = {
    "input_schema": {
        "type": "object", "required": ["failed_run", "input"],
        "properties": {"failed_run": {"type": "string"}, "input": {"type": "object"}},
    },
    "nodes": [
        {
            "id": "ask", "kind": "human", "title": "What should it have said?",
            "input": {"input": "$.data.input"}, "correct": "input",
            "form": {"type": "object", "properties": {"document": {"type": "string"}}},
        },
    ],
    "output": {"input": "$.nodes.ask.output.value"},
}  # fmt: skip
BROKEN, SOUND = "broken.pdf", "sound.pdf"


def publish(page: Page, slug: str, definition: dict) -> None:
    at = f"{page.base}/admin/runs/workflow/"
    if page.goto(f"{at}{slug}/").status == 404:
        page.goto(f"{at}add/")
        page.fill("#slug", slug)
        page.fill("#definition", json.dumps(definition))
        page.click("text=Save as v1")
        page.wait_for_url(f"**/{slug}/")


@contextmanager
def renewed(page: Page) -> Iterator[None]:
    """What is done within makes the form come anew."""
    page.evaluate("document.getElementById('rule').dataset.old = 1")
    yield
    page.wait_for_function("!document.getElementById('rule').dataset.old")


def choose(page: Page, selector: str, value: str) -> None:
    with renewed(page):
        page.select_option(selector, value)


def press(page: Page, value: str) -> None:
    with renewed(page):
        page.click(f"button[name=change][value='{value}']")


def test_a_failed_run_is_retried_with_what_a_person_corrects(visit):
    page = visit(path=PATH, known="status of 4")
    publish(page, "ask_what_it_said", ASK)
    publish(page, "fragile", FRAGILE)
    page.goto(f"{page.base}{PATH}new/?kind=event")
    page.get_by_label("Name", exact=True).fill("Ask about the fragile")
    page.select_option("#workflow", "fragile")
    choose(page, "#t-0-workflow", "ask_what_it_said")
    names = [each.input_value() for each in page.locator("[name=t-0-in-name]").all()]
    assert sorted(names) == ["failed_run", "input"]
    values = {"failed_run": "$.run.id", "input": "$.data"}
    for number, name in enumerate(names):
        page.locator("[name=t-0-in-value]").nth(number).fill(values[name])
    press(page, "condition")
    page.locator("[name=c-path]").fill("$.data.document")
    page.locator("[name=c-value]").fill(BROKEN)
    page.get_by_role("button", name="Make trigger").click()
    page.wait_for_url(re.compile(rf"{PATH}\d+/$"))
    asks = page.url

    page.goto(f"{page.base}{PATH}new/?kind=automation")
    page.get_by_label("Name", exact=True).fill("Retry what was corrected")
    page.select_option("#workflow", "ask_what_it_said")
    page.uncheck("[name=states][value=failed]")
    page.check("[name=states][value=completed]")
    choose(page, "#t-0-act", "retry")
    page.fill("#t-0-run", "$.data.failed_run")
    with renewed(page):
        page.check("[name=t-0-has_input]")
    with renewed(page):
        page.check("[name=t-0-mode][value=json]")
    page.fill("[name=t-0-input]", "$.output.input")
    page.get_by_role("button", name="Make trigger").click()
    page.wait_for_url(re.compile(rf"{PATH}\d+/$"))
    retries = page.url

    page.goto(f"{page.base}/admin/runs/workflow/fragile/run/")
    page.get_by_label("document").fill(BROKEN)
    page.click("[data-save]")
    page.wait_for_url(re.compile("/run/run_"))
    failed = page.url
    for _ in range(40):
        page.goto(asks)
        if page.locator(".op-au-run").count():
            break
        page.wait_for_timeout(500)
    page.locator(".op-au-run").first.click()
    page.locator("#run-notice").get_by_role("link", name="Decide").click()
    page.get_by_label("document").fill(SOUND)
    page.get_by_role("button", name="Send correction").click()
    page.wait_for_url("**/decisions/")
    for _ in range(40):
        page.goto(retries)
        if page.locator(".op-au-firing [data-state=completed] + .op-au-came").count():
            break
        page.wait_for_timeout(500)
    page.locator(".op-au-run").first.click()
    expect(page.locator(".op-pill").first).to_have_text(re.compile("Completed"), timeout=15_000)
    expect(page.locator("#run-facts")).to_contain_text("Retry what was corrected")
    page.goto(failed)
    expect(page.locator("#content")).to_contain_text(re.compile("[Rr]etried"))
    page.goto(asks)
    page.get_by_role("switch").click()
    expect(page.locator(".op-notice").first).to_contain_text("is now off")


def test_the_next_key_goes_where_one_is(visit):
    """Each of these makes the form come anew; by keyboard one is lost if the focus leaves."""
    page = visit(path=f"{PATH}new/?kind=automation")
    page.locator("#name").fill("")
    steps = [
        ("#t-0-act", "r", "#t-0-act"),
        ("#t-0-has_input", "Space", "#t-0-has_input"),
        ("#t-0-more", "Enter", "#t-0-in-0"),
        ("[value='less input 0 0']", "Enter", "#t-0-more"),
        ("#t-0-json", "Space", "#t-0-json"),
        ("#on-event", "Space", "#on-event"),
        ("#more-conditions", "Enter", "#c-path-0"),
        ("[value='less condition 0']", "Enter", "#more-conditions"),
        ("#more-targets", "Enter", "#t-1-act"),
        ("#other-way", "Enter", "#other-way"),
    ]
    for pressed, key, focused in steps:
        with renewed(page):
            page.locator(pressed).press(key)
        expect(page.locator(focused)).to_be_focused()


@pytest.mark.parametrize(
    "size",
    [pytest.param(WIDE, id="wide"), pytest.param(PHONE, id="phone", marks=pytest.mark.long)],
)
def test_the_pages_are_for_everybody(visit, size):
    page = visit(path=PATH, known="status of 4", viewport=size)
    publish(page, "fragile", FRAGILE)
    page.goto(f"{page.base}{PATH}new/?kind=schedule")
    page.get_by_label("Name", exact=True).fill(f"Each hour, {size['width']}")
    page.fill("#cron", "61 * * * *")
    expect(page.locator("#times")).to_contain_text("no cron expression")
    page.fill("#cron", "0 * * * *")
    expect(page.locator("#times time")).to_have_count(5)
    choose(page, "#t-0-workflow", "fragile")
    assert barriers(page) == []
    assert is_no_wider(page)
    page.get_by_role("button", name="Make trigger").click()
    expect(page.get_by_role("alert")).to_contain_text("Then 1, input")
    page.locator("[name=t-0-in-value]").first.fill(SOUND)
    page.get_by_role("button", name="Make trigger").click()
    page.wait_for_url(re.compile(rf"{PATH}\d+/$"))
    for address in (page.url, f"{page.url}test/", f"{page.url}delete/", page.base + PATH):
        page.goto(address)
        assert barriers(page) == []
        assert is_no_wider(page)
