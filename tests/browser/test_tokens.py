"""API tokens in a browser: made, copied, revoked; for everybody, also without JavaScript."""

import re
import urllib.error
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PATH = "/admin/tokens/"
THEMES = ("light", "dark")
PHONE = {"width": 390, "height": 844}


def sign_in(page: Page, portal) -> Page:
    page.goto(f"{portal.url}/admin/login/?next={PATH}")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", portal.password)
    page.click("[type=submit]")
    page.wait_for_url(f"**{PATH}")
    return page


@pytest.fixture
def visit(browser, portal):
    contexts = []

    def open_page(**options) -> Page:
        contexts.append(browser.new_context(**options))
        return sign_in(contexts[-1].new_page(), portal)

    yield open_page
    for context in contexts:
        context.close()


def make(page: Page, name: str) -> str:
    page.fill("#id_name", name)
    page.click("text=Make token")
    return page.inner_text("#secret")


def answer(portal, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    request = urllib.request.Request(f"{portal.url}/api/runs/", headers=headers)
    try:
        with urllib.request.urlopen(request) as got:
            return got.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_token_is_made_copied_and_revoked(visit, portal):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    secret = make(page, "copied")
    page.click("[data-copy-from='#secret']")
    expect(page.locator("[data-copy-from='#secret']")).to_have_class(re.compile("is-copied"))
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert answer(portal, secret) == 200
    page.goto(f"{portal.url}{PATH}")
    assert secret not in page.content()
    page.click("[aria-label='Revoke copied']")
    page.click("text=Revoke token")
    expect(page.locator(".op-notice")).to_contain_text("is revoked")
    assert answer(portal, secret) == 401


def test_without_javascript_it_works_the_same(visit, portal):
    page = visit(java_script_enabled=False)
    secret = make(page, "plain")
    assert answer(portal, secret) == 200
    page.click("[aria-label='Revoke plain']")
    page.locator("li", has_text="plain").locator("text=Revoke token").click()
    assert answer(portal, secret) == 401


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.long)])
def test_the_page_is_accessible_and_fits(visit, portal, theme, size):
    page = visit(color_scheme=theme, **({"viewport": PHONE} if size == "phone" else {}))
    make(page, f"accessible {theme} {size}")
    for path in (None, PATH, f"{PATH}?all=1"):
        if path:
            page.goto(f"{portal.url}{path}")
            page.click(f"[aria-label='Revoke accessible {theme} {size}']")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
