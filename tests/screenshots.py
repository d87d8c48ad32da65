"""Takes the README's screenshots from a really running portal: ``make screenshots``."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browsers import launch_options, sign_in
from tests.portal import PROJECT, Portal
from tests.small_png import smaller

TARGET = PROJECT / "docs" / "screenshots"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
# What stands in one column of a page needs no more.
LOW = {"width": 1280, "height": 720}
# Seconds of sample traffic before the first picture, so that there is something to see.
TRAFFIC = 90
# Made-up runs for a bulk operation, and how many of them are exported a second: slowly enough for
# pictures of it under way.
LOADED = 20_000
RATE = 400
# Those of mixed ages, for retention: enough for pictures of it at work.
OLD, OLD_DAYS = 20_000, 300
# What starts runs by itself: the first one soon enough to be seen at it.
STATEMENT = "samples/bank/statement-2026-03.csv"
MINUTELY = {
    "when": {"cron": "* * * * *", "zone": "Europe/Berlin"},
    "then": [{"start": "statement_import", "input": {"statement": STATEMENT}}],
}
AT_SIX = {
    "when": {"cron": "0 6 * * 1-5", "zone": "Europe/Berlin"},
    "then": [{"start": "nightly_report", "input": {}}],
}
BY_MAIL = {
    "when": {"scheme": "standard"},
    "then": [{"start": "invoice_processing", "input": {"document": "$.body.document"}}],
}
AFTERWARDS = {
    "when": {"run_ends": {"workflow": "statement_import", "states": ["completed"]}},
    "then": [{"start": "nightly_report", "input": {}}],
}
TRIGGERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("schedule", "Bank statements, every minute", MINUTELY),
    ("schedule", "Report at six", AT_SIX),
    ("webhook", "Invoices from the mail room", BY_MAIL),
    ("event", "Report anew when statements are in", AFTERWARDS),
)


@contextmanager
def visit(browser: Browser, portal: Portal, size: dict[str, int], theme: str) -> Iterator[Page]:
    """A page of somebody who has logged in and chosen this theme."""
    context = browser.new_context(viewport=size, color_scheme=theme)
    page = context.new_page()
    sign_in(page, portal)
    yield page
    context.close()


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)
    (TARGET / f"{name}.png").write_bytes(smaller(page.screenshot()))
    print(name)


def open_run(page: Page, portal: Portal, state: str) -> None:
    page.goto(f"{portal.url}/admin/runs/run/?state={state}&workflow=invoice_processing")
    page.locator("td[data-c=run] a").first.click()


def make_triggers(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/admin/automation/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    headers = {"X-CSRFToken": token}
    for kind, name, rule in TRIGGERS:
        body = {"kind": kind, "name": name, "rule": rule}
        answer = page.request.post(f"{portal.url}/api/triggers/", data=body, headers=headers)
        assert answer.ok, answer.text()


def load(portal: Portal, runs: int = LOADED, days: int = 9) -> None:
    """Made-up runs beside those of the sample traffic; of the last day some have trouble."""
    command = (
        "load_runs", "--add", "--planted", "--days", str(days), "--processes", "1",
        "--runs", str(runs),
    )  # fmt: skip
    run = [sys.executable, "manage.py", *command]
    kept = {"DATA_DIR": str(portal.data_dir), "PORTAL_LOCAL": "1"}
    subprocess.run(run, cwd=PROJECT, env=os.environ | kept, check=True)


def export_many(page: Page, portal: Portal) -> None:
    """Export all runs that completed in a week, by hand; then look on until most of it is done."""
    page.goto(f"{portal.url}/admin/runs/run/?state=completed&created=7d")
    page.locator("#select-page").check()
    page.locator("#bulk-all").click()
    page.get_by_role("button", name="Export").click()
    page.get_by_label("NDJSON").check()
    page.get_by_label("With the events of each run").check()
    page.get_by_label("Reason").fill("Copies for the auditors, third quarter")
    page.get_by_label("At most, runs a second").fill(str(RATE))
    page.get_by_role("button", name="Export these").click()
    page.wait_for_url("**/admin/bulk/bulk_*/")
    page.wait_for_function(
        "Number(document.querySelector('[role=progressbar]').ariaValueNow) >= 60", timeout=120_000
    )


def analysis(browser: Browser, portal: Portal) -> None:
    """The pages of the analysis, as soon as all is counted."""
    with visit(browser, portal, WIDE, "light") as page:
        # The notice that figures are not complete.
        while (
            page.goto(f"{portal.url}/admin/")
            and page.locator("[role=status].op-notice:visible").count()
        ):
            time.sleep(5)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.goto(f"{portal.url}/admin/")
            take(page, f"overview-{theme}")
            for name in ("failures", "cost", "duration"):
                page.goto(f"{portal.url}/admin/analysis/{name}/?created=24h")
                take(page, f"{name}-{theme}")


def take_retention(page: Page, portal: Portal) -> None:
    """The policy while it is being changed, and a night's work under way."""
    load(portal, OLD, OLD_DAYS)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(WIDE)  # its two columns have tables
        page.goto(f"{portal.url}/admin/settings/runs/")
        page.get_by_label("Completed").first.fill("60")
        page.get_by_text("With your changes").wait_for()
        take(page, f"settings-{theme}")
    page.set_viewport_size(LOW)
    page.goto(f"{portal.url}/admin/retention/executions/")
    page.get_by_role("link", name="Run now").click()
    page.get_by_label("Reason").fill("First night, looked at by hand")
    page.get_by_label("Reason").press("Enter")
    page.wait_for_url("**/executions/exec_*/")
    page.wait_for_function(
        "Number(document.querySelector('[role=progressbar]').ariaValueNow) >= 20", timeout=120_000
    )
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.reload()
        take(page, f"archive-{theme}")


def main() -> int:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runs-shots-") as folder:
        Path(folder).chmod(0o711)
        portal = Portal(Path(folder) / "portal").start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(**launch_options())
                with visit(browser, portal, LOW, "light") as page:
                    make_triggers(page, portal)
                time.sleep(TRAFFIC)
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
                with visit(browser, portal, LOW, "light") as page:
                    page.goto(f"{portal.url}/admin/automation/")
                    for theme in ("light", "dark"):
                        page.emulate_media(color_scheme=theme)
                        page.reload()
                        take(page, f"automation-{theme}")
                    load(portal)
                    export_many(page, portal)
                    for theme in ("light", "dark"):
                        page.emulate_media(color_scheme=theme)
                        page.reload()
                        take(page, f"bulk-{theme}")
                analysis(browser, portal)
                with visit(browser, portal, LOW, "light") as page:
                    take_retention(page, portal)
                browser.close()
        finally:
            portal.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
