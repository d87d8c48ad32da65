"""How the tests start the browser that is there, and sign in with it."""

import os
import re
import shutil
from typing import Any

from playwright.sync_api import Browser, Page

from tests.portal import Portal

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch_options() -> dict[str, Any]:
    """Playwright's options for the browser of this machine. Raises LookupError without one."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise LookupError(
            "The browser tests need Chromium or Chrome: make test installs one on Debian."
        )
    # Chromium's sandbox does not work for root.
    args = ["--no-sandbox", *QUIET] if os.geteuid() == 0 else list(QUIET)
    return {"executable_path": program, "args": args}


def sign_in(page: Page, portal: Portal) -> None:
    """As the account that a portal makes at its first start."""
    page.goto(f"{portal.url}/admin/login/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", portal.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(re.compile(r"/admin/(?!login)"))


def remembered(browser: Browser, portal: Portal) -> Any:
    """What a browser remembers of somebody who signed in."""
    context = browser.new_context()
    sign_in(context.new_page(), portal)
    state = context.storage_state()
    context.close()
    return state
