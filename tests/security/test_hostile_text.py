"""Texts from outside that would be more than text, in every field that takes one, on every page, in
a real browser: nothing of them runs, becomes an element, or asks anybody for anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from tests import servers
from tests.browser.checks import WAIT
from tests.browsers import remembered
from tests.portal import PROJECT, Portal
from tests.security import places
from tests.security.payloads import SHORT

expect.set_options(timeout=WAIT)

WATCH = """
window.seen = [];
addEventListener("securitypolicyviolation", (event) => {
    seen.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
# Whatever became more than text: of each kind what there is, which should be nothing.
LOOK = """() => {
    const LEADING = ["href", "src", "action", "formaction", "data", "srcdoc", "xlink:href"];
    const roots = [document], marked = [], links = [];
    for (const root of roots) {
        for (const element of root.querySelectorAll("*")) {
            if (element.shadowRoot) roots.push(element.shadowRoot);
            if (element.tagName === "TEMPLATE") roots.push(element.content);
            if (element.hasAttribute("data-pwned")) marked.push(element.outerHTML.slice(0, 300));
            for (const name of LEADING) {
                const value = element.getAttribute(name);
                if (value === null) continue;
                const where = new URL(value, document.baseURI);
                const follows = !["A", "AREA"].includes(element.tagName);
                if (!["http:", "https:", "mailto:", "data:", "blob:"].includes(where.protocol)
                    || name === "srcdoc" || value.startsWith("data:text")
                    || (follows && where.protocol !== "data:" && where.origin !== location.origin))
                    links.push(element.outerHTML.slice(0, 300));
            }
            for (const { name } of element.attributes)
                if (/^(on|hx-on)/.test(name)) links.push(element.outerHTML.slice(0, 300));
        }
    }
    return {
        ran: [window.pwned, {}.pwned].filter((value) => value !== undefined),
        computed: document.body.innerText.includes("pwned49") ? [document.body.innerText] : [],
        refused: seen, marked, links,
    };
}"""
SETTLED = """() => document.readyState === "complete"
    && !document.querySelector(".htmx-request, [aria-busy=true]")"""
# All names of parameters that some page reads.
PARAMETERS = (
    "q", "state", "workflow", "version", "user", "trigger", "created", "created_from", "created_to",
    "sort", "columns", "view", "at", "page", "after", "before", "from", "to", "tab", "node", "pane",
    "attempt", "kind", "of", "find", "seq", "part", "show", "status", "why", "group", "compare",
    "name", "run", "open", "next", "nodes", "calls", "fragment", "confirm", "cursor",
    "s", "error", "ref",
)  # fmt: skip
RUN_PAGE = (
    "?tab=history", "?tab=context", "?tab=job", "?tab=lineage", "?view=table", "?node=read",
    "?node=ask&pane=error", "?node=ask&pane=log", "?node=read&pane=output", "?node=read&pane=input",
    "?node=read&pane=llm", "?node=review", "?confirm=delete", "?confirm=terminate", "?confirm=hold",
    "?confirm=retry_from",
)  # fmt: skip


class Seeding:
    """What is seeded into a started portal, by a process of its own."""

    def __init__(self, portal: Portal) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.security.seeding"],
            cwd=PROJECT,
            env={**kept, "DATA_DIR": str(portal.data_dir)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **given: object) -> Any:
        self._child.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        assert answer, "the seeding has ended; see its error above"
        return json.loads(answer)

    def close(self) -> None:
        self._child.stdin.close()
        self._child.wait(timeout=20)


@pytest.fixture(scope="module")
def portal():
    # A user name of somebody who signs in is hostile, too.
    started = Portal(
        servers.temporary_folder() / "portal", DEMO=0, EXTRA_APPS="tests.probe"
    ).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def seeding(portal):
    begun = Seeding(portal)
    yield begun
    begun.close()


@pytest.fixture(scope="module")
def made(seeding):
    return seeding.ask("seed")


@pytest.fixture(scope="module")
def signed_in(portal, browser):
    return remembered(browser, portal)


class Visitor:
    """A page on which whatever should not happen is kept, with where it did."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self._base = page, base
        self.wrong: list[str] = []
        page.add_init_script(WATCH)
        page.on("dialog", lambda dialog: (self._say(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", self._broke)
        page.on("request", self._asked)
        page.on("console", self._told)

    def _say(self, what: str) -> None:
        self.wrong.append(f"{urlsplit(self.page.url).path}: {what}"[:600])

    def _broke(self, error: Any) -> None:
        # The theme's page of a record without actions: nothing that somebody wrote.
        if "actionDropdownOpen" not in str(error):
            self._say(f"error {error}")

    def _asked(self, request: Any) -> None:
        if request.url.startswith(("http", "ws")) and not request.url.startswith(self._base):
            self._say(f"asked {request.url}")

    def _told(self, line: Any) -> None:
        if "Content Security Policy" in line.text or "Refused to" in line.text:
            self._say(line.text)

    def go(self, path: str) -> int:
        """Look at a page; its status, and 0 for a file."""
        try:
            answer = self.page.goto(f"{self._base}{path}")
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            return 0
        self.look()
        return answer.status

    def look(self) -> None:
        self.page.wait_for_function(SETTLED)
        for kind, found in self.page.evaluate(LOOK).items():
            for each in found:
                self._say(f"{kind}: {each}")


@pytest.fixture
def visitor(portal, browser, signed_in):
    context = browser.new_context(storage_state=signed_in, viewport={"width": 1440, "height": 900})
    found = Visitor(context.new_page(), portal.url)
    yield found
    context.close()
    assert found.wrong == []


def every_page(made: dict) -> list[str]:
    """But for what is only ever sent a form, and answers with nothing, and a script."""
    silent = re.compile(r"^/admin/.*/(mark|columns|check|logout|jsi18n)/$|^/admin/logout/")
    return [path for path in places.addresses(made) if not silent.search(path)]


def main_pages(made: dict) -> list[str]:
    """Those with the most of what comes from outside."""
    run = f"/admin/runs/run/{made['failed']}/"
    return [
        "/admin/", "/admin/runs/run/", *(f"{run}{query}" for query in RUN_PAGE[:8]),
        f"/admin/runs/run/{made['elsewhere']}/?tab=context", f"/admin/runs/run/{made['waiting']}/",
        f"/admin/decisions/{made['waiting']}/review/", "/admin/decisions/", "/admin/bulk/",
        f"/admin/bulk/{made['bulk']}/", "/admin/analysis/failures/", "/admin/analysis/cost/",
        f"/admin/analysis/runs/{made['failed']}/", f"/admin/automation/{made['trigger']}/",
        "/admin/runs/workflow/strange/", "/admin/runs/workflow/strange/compare/",
        "/admin/runs/workflow/strange/run/", "/admin/services/", "/admin/runs/auditentry/",
        "/admin/runs/user/", "/admin/runs/run/views/", f"/api/runs/{made['failed']}/events/",
        f"/admin/retention/executions/{made['execution']}/",
    ]  # fmt: skip


def test_on_the_main_pages_all_of_it_is_text(visitor, made):
    for path in main_pages(made):
        assert visitor.go(path) == 200, path
    # It was there to be seen.
    visitor.go(f"/admin/runs/run/{made['failed']}/?tab=history")
    shown = visitor.page.content()
    assert "&lt;script data-pwned&gt;" in shown
    assert "&lt;img data-pwned" in shown


def test_what_comes_live_is_text_as_well(visitor, seeding, made):
    visitor.go("/admin/runs/run/")
    watching = Visitor(visitor.page.context.new_page(), visitor._base)
    watching.go(f"/admin/runs/run/{made['going']}/?tab=history")
    for each in (visitor, watching):
        expect(each.page.locator("#live")).to_have_attribute("data-live", "live")
    watching.page.locator("#log-jump").click()
    expect(watching.page.locator("#log-jump")).to_contain_text("Following")
    new = seeding.ask("tell", run=made["going"])
    expect(watching.page.locator("#run-head .op-pill").first).to_contain_text("Failed")
    expect(watching.page.locator("#log-lines")).to_contain_text("told live")
    watching.look()
    row = visitor.page.locator(f"#rows > tr[id='{made['going']}']")
    expect(row.locator(".op-pill")).to_contain_text("Failed")
    visitor.look()
    button = visitor.page.get_by_role("button", name=re.compile("new run"))
    new_row = visitor.page.locator(f"#rows > tr[id='{new}']")
    expect(button.or_(new_row).first).to_be_visible()
    if not new_row.is_visible():
        button.click()
    expect(new_row).to_be_visible()
    visitor.look()
    assert watching.wrong == []


@pytest.mark.long
def test_what_stands_in_an_address_is_text(visitor, made):
    paths = ["/admin/runs/run/", f"/admin/runs/run/{made['failed']}/", "/admin/analysis/failures/",
             "/admin/decisions/", "/api/runs/", "/admin/runs/workflow/strange/run/"]  # fmt: skip
    for number, path in enumerate(paths):
        text = SHORT[number]
        visitor.go(f"{path}?{urlencode(dict.fromkeys(PARAMETERS, text))}")
        for name in ("q", "node", "tab", "group", "view"):
            visitor.go(f"{path}?{urlencode({name: SHORT[(number + len(name)) % len(SHORT)]})}")
    for text in SHORT:
        visitor.go(f"/admin/{quote(text, safe='')}/")
        visitor.go(f"/api/runs/{quote(text, safe='')}/")
        visitor.go(f"/admin/login/?next={quote(text, safe='')}")


@pytest.mark.long
def test_on_every_page_all_of_it_is_text(visitor, made):
    seen = [visitor.go(path) for path in every_page(made)]
    assert seen.count(200) > 100
    assert 500 not in seen
    for run in ("failed", "retried", "ended", "waiting", "going", "elsewhere"):
        for query in RUN_PAGE:
            assert visitor.go(f"/admin/runs/run/{made[run]}/{query}") in (200, 302, 409), query


@pytest.mark.long
@pytest.mark.parametrize("begin", [3, 11])
def test_other_texts_in_the_same_fields_are_text_too(visitor, seeding, begin):
    """A field may stand what another does not: each gets several."""
    for path in main_pages(seeding.ask("seed", begin=begin)):
        assert visitor.go(path) == 200, path


@pytest.mark.long
def test_every_parameter_of_every_page_is_text(visitor, made):
    for number, path in enumerate(every_page(made)):
        text = SHORT[number % len(SHORT)]
        assert visitor.go(f"{path}?{urlencode(dict.fromkeys(PARAMETERS, text))}") != 500, path


@pytest.mark.long
def test_the_page_of_the_apis_document_is_drawn_under_the_policy(visitor):
    visitor.go("/api/docs")
    expect(visitor.page.locator("#api-docs .opblock").nth(30)).to_be_visible()
    visitor.page.locator("#api-docs .opblock-summary-control").first.click()
    expect(visitor.page.locator("#api-docs .opblock.is-open")).to_have_count(1)
    visitor.look()
