"""Takes the README's screenshots from a really running portal: ``make screenshots``."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browsers import launch_options
from tests.portal import PROJECT, Portal

TARGET = PROJECT / "docs" / "screenshots"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
# Seconds of sample traffic before the first picture, so that there is something to see.
TRAFFIC = 90


@contextmanager
def visit(browser: Browser, portal: Portal, size: dict[str, int], theme: str) -> Iterator[Page]:
    """A page of somebody who has logged in and chosen this theme."""
    context = browser.new_context(viewport=size, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{portal.url}/admin/login/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", portal.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_load_state()
    yield page
    context.close()


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=TARGET / f"{name}.png")
    print(name)


def open_run(page: Page, portal: Portal, state: str) -> None:
    page.goto(f"{portal.url}/admin/runs/run/?state={state}&workflow=invoice_processing")
    page.locator("td[data-c=run] a").first.click()


def main() -> int:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runs-shots-") as folder:
        Path(folder).chmod(0o711)
        portal = Portal(Path(folder) / "portal").start()
        try:
            time.sleep(TRAFFIC)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(**launch_options())
                for theme in ("light", "dark"):
                    with visit(browser, portal, WIDE, theme) as page:
                        page.goto(f"{portal.url}/admin/runs/run/")
                        take(page, f"runs-{theme}")
                        open_run(page, portal, "failed")
                        take(page, f"run-{theme}")
                        page.goto(f"{portal.url}/admin/runs/workflow/invoice_processing/")
                        take(page, f"workflow-{theme}")
                with visit(browser, portal, PHONE, "light") as page:
                    page.goto(f"{portal.url}/admin/runs/run/")
                    take(page, "runs-phone")
                    open_run(page, portal, "failed")
                    take(page, "run-phone")
                browser.close()
        finally:
            portal.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
