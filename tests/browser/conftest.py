"""A signed-in browser at a portal of this process, and who tells runs into it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import servers
from tests.browser.checks import LIST, WAIT, WIDE
from tests.browser.teller import Teller
from tests.browsers import remembered
from tests.portal import Portal

expect.set_options(timeout=WAIT)

# Parts of the list that a database without time for them is asked for again.
ASKED_AGAIN = re.compile(r"/run/\?.*\b(part=counts|rows=|fresh=)")


@pytest.fixture(scope="session")
def portal():
    """Without sample traffic: all that happens on a page is a test's doing."""
    started = Portal(servers.temporary_folder() / "portal", DEMO=0).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def teller(portal):
    made = Teller(portal.data_dir)
    yield made
    made.close()


@pytest.fixture(scope="session")
def signed_in(portal, browser):
    return remembered(browser, portal)


@pytest.fixture
def visit(portal, browser, signed_in):
    """Open the list, or another page by its `path`; what goes wrong on it fails the test, but for
    messages with `known`."""
    contexts, wrong = [], []

    def open_page(query="", *, path=LIST, before=None, known="", **options) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(storage_state=signed_in, **options)
        contexts.append(context)
        page = context.new_page()

        def said(line):
            if line.type != "error" or (known and known in line.text):
                return
            if "status of 503" in line.text and ASKED_AGAIN.search(line.location["url"]):
                return
            wrong.append(line.text)

        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", said)
        if before:
            before(page)
        page.base = portal.url
        page.goto(f"{portal.url}{path}{query}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def visit_run(visit):
    """Open a run's page."""
    return lambda run_id, query="", **options: visit(query, path=f"{LIST}{run_id}/", **options)
