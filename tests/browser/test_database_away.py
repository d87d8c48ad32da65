"""What pages say while the database is away, or is there and says nothing."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import servers
from tests.browser.checks import LIST, WAIT, WIDE, barriers_of_plain
from tests.browsers import sign_in
from tests.portal import Portal

# Connections of the pool are tried one after the other, each for as long as it may be silent.
PATIENCE = 3 * WAIT
SERVICES = "/admin/services/"


@pytest.fixture(scope="module")
def lonely():
    """A portal of its own: the others need their database."""
    started = Portal(servers.temporary_folder() / "portal", DEMO=0).start()
    yield started
    started.stop()


@pytest.fixture
def page(lonely, browser):
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    sign_in(page, lonely)
    page.set_default_navigation_timeout(PATIENCE)
    yield page
    context.close()


def processes(postmaster: int) -> list[int]:
    """The postmaster, before all that it has started."""
    found = [postmaster]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if parent == postmaster:
            found.append(int(stat.parent.name))
    return found


@contextmanager
def frozen(portal: Portal):
    [written] = portal.data_dir.glob("**/postmaster.pid")
    stopped = processes(int(written.read_text().split()[0]))
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


@pytest.mark.long
def test_a_database_that_is_frozen_gives_an_answer_and_no_page_that_never_comes(lonely, page):
    page.goto(f"{lonely.url}{LIST}")
    expect(page.locator("h2", has_text="No runs yet")).to_be_visible()
    with frozen(lonely):
        for path in (LIST, f"{LIST}run_01kb2x7v9zeq3t8m4r6c5n0a1d/"):
            answer = page.goto(f"{lonely.url}{path}")
            assert answer.status == 503
            expect(page.locator("h1")).to_have_text("The database did not answer")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert barriers_of_plain(page) == []
    page.goto(f"{lonely.url}{LIST}")
    expect(page.locator("h2", has_text="No runs yet")).to_be_visible()


@pytest.mark.long
def test_the_services_of_a_frozen_database_ask_on_and_leave_the_focus_where_it_is(lonely, page):
    with frozen(lonely):
        answer = page.goto(f"{lonely.url}{SERVICES}")
        assert answer.status == 503
        expect(page.locator("h1")).to_have_text("PostgreSQL does not answer")
        expect(page.get_by_role("row", name="Valkey")).to_contain_text("Up")
        page.keyboard.press("Tab")
        link = page.get_by_role("link", name="Ask now")
        expect(link).to_be_focused()
        asked = page.locator("#asked").inner_text()
        expect(page.locator("#asked")).not_to_have_text(asked, timeout=PATIENCE)
        expect(link).to_be_focused()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert barriers_of_plain(page) == []
    expect(page.locator(".op-svc")).to_be_visible(timeout=PATIENCE)
