"""The timeline's view: zoomed by wheel, buttons and keys, moved by dragging, its rows filtered."""

import re

from playwright.sync_api import expect

from tests.browser.checks import live

ZOOMED = re.compile("is-zoomed")


def view(page):
    """How often the view fits into the axis, and where it begins, in per cent."""
    zoom, begin = page.evaluate(
        """() => ["--z", "--p"].map(
            (name) => document.querySelector(".op-tl").style.getPropertyValue(name))"""
    )
    return float(zoom), float(begin.removesuffix("%"))


def test_it_is_zoomed_by_wheel_buttons_and_keys_and_moved_by_dragging(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice"), "?node=classify"))
    timeline = page.locator(".op-tl")
    lane = page.locator('#run-lanes [data-key="extract_text"] .op-tl-lane')
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()

    lane.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(timeline).to_have_class(ZOOMED)
    first, begin = view(page)
    assert first > 2
    page.get_by_role("button", name="Zoom in").click()
    assert view(page)[0] > first
    page.get_by_role("button", name="Zoom out").click()
    assert round(view(page)[0], 3) == round(first, 3)

    box = lane.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    begin = view(page)[1]
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 120, middle[1], steps=4)
    page.mouse.up()
    assert view(page)[1] > begin
    expect(page.locator("#run-node-name")).to_have_text("classify")
    expect(page).to_have_url(re.compile("node=classify"))

    page.get_by_role("button", name="Fit the whole run").click()
    expect(timeline).not_to_have_class(ZOOMED)
    page.locator('#run-lanes [data-key="classify"] a.op-tl-name').focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(timeline).to_have_class(ZOOMED)
    begin = view(page)[1]
    page.keyboard.press("ArrowRight")
    assert view(page)[1] > begin
    page.keyboard.press("ArrowLeft")
    assert round(view(page)[1], 3) == round(begin, 3)
    page.keyboard.press("0")
    expect(timeline).not_to_have_class(ZOOMED)


def test_the_axis_ends_where_the_run_ends(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice")))
    end, last, labels = page.evaluate(
        """() => {
          const right = (element) => element.getBoundingClientRect().right;
          const all = (selector) => [...document.querySelectorAll(selector)].map(right);
          return [
            right(document.querySelector(".op-tl-axis > div")),
            Math.max(...all(".op-bar:not([data-state=skipped])")),
            Math.max(...all(".op-tl-axis span")),
          ];
        }"""
    )
    assert abs(end - last) <= 1
    assert labels <= end + 12, "no label sticks out of the card"


def test_a_click_anywhere_in_a_row_opens_its_node(visit_run, teller):
    page = live(visit_run(teller.tell("failed_invoice"), "?node=classify"))
    lane = page.locator('#run-lanes [data-key="extract_text"] .op-tl-lane')
    box = lane.bounding_box()
    empty = {"x": box["width"] - 4, "y": 4}
    assert lane.evaluate(
        "(lane, at) => { const { left, top } = lane.getBoundingClientRect();"
        " return document.elementFromPoint(left + at.x, top + at.y) === lane }",
        empty,
    )
    lane.click(position=empty)
    expect(page.locator("#run-node-name")).to_have_text("extract_text")


def test_of_many_nodes_those_are_shown_that_are_looked_for(visit_run, teller):
    run = teller.tell("wide_run", 200)
    teller.go_on(run, ["start", "n150"], ["fail", "n150"])
    page = live(visit_run(run))
    shown = page.locator("#run-lanes [data-key]:visible")
    expect(shown).to_have_count(200)
    page.get_by_label("Find node").fill("N19")
    expect(page.locator("#node-found")).to_have_text("10 of 200")
    expect(shown).to_have_count(10)
    # What is found outside of the view ends the zoom.
    page.get_by_label("Find node").fill("")
    zoom_in = page.get_by_role("button", name="Zoom in")
    for _ in range(6):
        zoom_in.click()
    expect(page.locator(".op-tl.is-zoomed")).to_have_count(1)
    page.locator(".op-tl").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.get_by_label("Find node").fill("n150")
    expect(page.locator(".op-tl.is-zoomed")).to_have_count(0)
    page.get_by_label("Find node").fill("")
    expect(shown).to_have_count(200)

    page.get_by_role("button", name="Only failed").click()
    expect(page.get_by_role("button", name="Only failed", pressed=True)).to_be_visible()
    expect(page.locator("#node-found")).to_have_text("1 of 200")
    expect(shown).to_have_attribute("data-key", "n150")
    # What comes in puts none of the others back.
    teller.go_on(run, ["start", "n151"], ["fail", "n151"])
    expect(page.locator("#node-found")).to_have_text("2 of 200")
    expect(shown).to_have_count(2)
    page.get_by_role("button", name="Only failed").click()
    expect(shown).to_have_count(200)
