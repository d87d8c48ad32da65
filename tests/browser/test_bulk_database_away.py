"""The page of a bulk operation while the database says nothing."""

import pytest
from playwright.sync_api import expect

from tests.browser.checks import LIST, WAIT
from tests.browser.teller import Teller
from tests.browser.test_database_away import PATIENCE, frozen, lonely, page

__all__ = ["lonely", "page"]


@pytest.mark.long
def test_an_answer_that_the_database_is_away_is_no_sign_of_life(lonely, page):
    teller = Teller(lonely.data_dir)
    try:
        teller.tell("failed_runs", "frozen", 52)
    finally:
        teller.close()
    page.goto(f"{lonely.url}{LIST}?workflow=frozen")
    page.locator("#select-page").check()
    page.locator("#bulk-all").click()
    page.get_by_role("button", name="Retry Selected").click()
    page.get_by_label("At most, runs a second").fill("1")
    page.get_by_role("button", name="Retry these 52").click()
    page.wait_for_url("**/admin/bulk/bulk_*/")
    light = page.locator("#live")
    expect(light).to_have_attribute("data-live", "live")
    with frozen(lonely):
        # Meanwhile the portal answers, and each answer is that it cannot.
        expect(light).to_have_attribute("data-live", "disconnected", timeout=PATIENCE)
    expect(light).to_have_attribute("data-live", "live", timeout=2 * WAIT)
