"""The light of a page while the web process says nothing, and when it speaks again."""

import os
import re
from signal import SIGCONT, SIGSTOP

import pytest
from playwright.sync_api import expect

from tests.browser.checks import WAIT, live, row, three


@pytest.fixture
def web(portal):
    """The number of the web process; it goes on after the test, whatever became of that."""
    number = portal.process("uvicorn")
    yield number
    os.kill(number, SIGCONT)


@pytest.mark.long
def test_the_light_turns_amber_then_red_with_its_age_and_green_again(visit, teller, web):
    made = three(teller, "silent")
    page = live(visit("?workflow=silent", known="Failed to load resource"))
    light = page.locator("#live")
    expect(light).to_contain_text(re.compile(r"Live (now|\d+ s ago)"))

    os.kill(web, SIGSTOP)
    expect(light).to_have_attribute("data-live", "reconnecting", timeout=2 * WAIT)
    expect(light).to_contain_text(re.compile(r"Reconnecting last message \d+ s ago"))
    expect(light).to_have_attribute("data-live", "disconnected", timeout=2 * WAIT)
    expect(light).to_contain_text(re.compile(r"Disconnected last message (3|4|5)\d s ago"))
    expect(page.locator("#offline")).to_contain_text("Live updates are off.")
    teller.go_on(made[0], ["active"], ["terminate"])

    os.kill(web, SIGCONT)
    expect(light).to_have_attribute("data-live", "live", timeout=2 * WAIT)
    expect(page.locator("#offline")).to_be_hidden()
    expect(row(page, made[0])).to_contain_text("Terminated")
