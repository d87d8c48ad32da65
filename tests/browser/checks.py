"""What the browser tests look for on a page."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

LIST = "/admin/runs/run/"
WIDE = {"width": 1440, "height": 900}
# What is left of it for the page at 200 %.
ZOOMED = {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2}
PHONE = {"width": 390, "height": 844}
# Milliseconds within which a slow machine shows what comes by itself.
WAIT = 30_000


def live(page: Page) -> Page:
    """The page, when its stream is open and nothing of its frame moves any more."""
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    page.evaluate("document.fonts.ready.then(() => true)")
    return page


# -- The list ---------------------------------------------------------------------------------


def rows(page: Page) -> Locator:
    return page.locator("#rows > tr")


def row(page: Page, run_id: str) -> Locator:
    return page.locator(f"#rows > tr[id='{run_id}']")


def order(page: Page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('#rows > tr')].map(row => row.id)")


def three(teller, slug: str) -> list[str]:
    """Three queued runs of a workflow of their own, newest first."""
    return [teller.tell("queued_run", slug, seconds) for seconds in (30, 20, 10)][::-1]


# How one of them fails, for the teller.
FAILED = (
    ["active"],
    ["start", "first"],
    ["fail", "first"],
    ["fail_run", {"node": "first", "kind": "Boom", "message": "it broke"}],
)


# -- The history of a run ---------------------------------------------------------------------


def events(page: Page) -> Locator:
    return page.locator("#log-lines > li")


def seqs(page: Page) -> list[int]:
    return page.evaluate(
        "[...document.querySelectorAll('#log-lines > li')].map(r => +r.dataset.seq)"
    )


def is_gapless(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


# -- Scrolling --------------------------------------------------------------------------------


def at_rest(page: Page) -> float:
    """How far the page is scrolled, once it has moved no more for a few frames."""
    return page.evaluate(
        """() => new Promise((done) => {
            let still = 0, at = scrollY;
            const look = () => {
                still = scrollY === at ? still + 1 : 0;
                at = scrollY;
                if (still === 10) done(at); else requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        })"""
    )


def wheel(page: Page, pixels: int) -> float:
    """Turn the wheel; how far the page is scrolled when it has come to rest."""
    before = at_rest(page)
    page.mouse.move(700, 500)
    page.mouse.wheel(0, pixels)
    # The page is told of the wheel before it is scrolled.
    page.wait_for_function("before => scrollY !== before", arg=before)
    return at_rest(page)


# -- For everybody ----------------------------------------------------------------------------


def is_no_wider(page: Page) -> bool:
    """Whether nothing sticks out sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def barriers(page: Page, *parts: str, colours: bool = True) -> list[tuple[str, str, str]]:
    """What axe finds on the page, or in these parts of it: in light, and the colours in dark."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    _show_in(page, "light")
    found = _found(page, parts, {"rules": {"color-contrast": {"enabled": colours}}})
    if colours:
        # Only the colours differ, and they take axe most of its time.
        _show_in(page, "dark")
        found += _found(page, parts, {"runOnly": ["color-contrast"]})
        _show_in(page, "light")
    return found


def barriers_of_plain(page: Page) -> list[tuple[str, str, str]]:
    """What axe finds on a page without the portal's frame, in the theme that it is shown in."""
    page.evaluate(Axe().axe_script)
    return _found(page, (), {})


def _found(page: Page, parts: tuple[str, ...], options: dict) -> list[tuple[str, str, str]]:
    theme, violations = page.evaluate(
        """async ([parts, options]) => {
            const { violations } = await axe.run(parts.length ? parts : document, options);
            return [document.documentElement.className, violations];
        }""",
        [list(parts), {"resultTypes": ["violations"], **options}],
    )
    return [
        (theme, rule["id"], node["html"][:200]) for rule in violations for node in rule["nodes"]
    ]


def _show_in(page: Page, theme: str) -> None:
    page.evaluate("theme => { Alpine.$data(document.documentElement).adminTheme = theme; }", theme)
    expect(page.locator("html")).to_have_class(re.compile(rf"\b{theme}\b"))
    # Colours fade from one theme into the other, and those who inherit them after.
    page.evaluate(
        """() => {
            for (let round = 0; round < 20; round += 1) {
                const fading = document.getAnimations().filter((a) => a instanceof CSSTransition);
                if (!fading.length) break;
                for (const one of fading) one.finish();
            }
        }"""
    )


RECORD_MOTION = """
window.moved = [];
for (const kind of ["transitionrun", "animationstart"]) {
    addEventListener(kind, (event) => {
        moved.push(`${kind} ${event.propertyName || event.animationName} of ` +
            event.target.outerHTML.slice(0, 120));
    }, { capture: true });
}
"""


def without_motion(page: Page) -> None:
    """Before a page is opened: for who wants less motion, recording what moves all the same."""
    page.emulate_media(reduced_motion="reduce")
    page.add_init_script(RECORD_MOTION)


def moved(page: Page) -> list[str]:
    going = page.evaluate(
        """document.getAnimations()
            .filter(({ effect }) => effect.getComputedTiming().duration > 0)
            .map(({ effect }) => effect.target.outerHTML.slice(0, 120))"""
    )
    return page.evaluate("moved") + going
