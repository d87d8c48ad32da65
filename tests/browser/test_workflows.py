"""Workflows in a browser: written, checked as one types, saved, run; for everybody."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.checks import PHONE, WIDE, barriers, is_no_wider

LIST = "/admin/runs/workflow/"


def sign_in(page: Page, portal) -> Page:
    page.goto(f"{portal.url}/admin/login/?next=/admin/me/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", portal.password)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/me/")
    return page


@pytest.fixture
def complaints():
    """What the browser's console said and should not have."""
    return []


@pytest.fixture
def desk(page: Page, portal, complaints) -> Page:
    """A signed-in browser at the portal."""
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    sign_in(page, portal)
    page.base = portal.url
    return page


def go(desk: Page, path: str) -> None:
    assert desk.goto(desk.base + path).status == 200


def make(desk: Page, name: str) -> str:
    """A workflow with the example's definition; its page's path."""
    desk.goto(desk.base + LIST + "add/")
    desk.fill("#slug", name)
    desk.click("text=Save as v1")
    desk.wait_for_url(f"**/{name}/")
    return f"{LIST}{name}/"


def definition(desk: Page) -> dict:
    return json.loads(desk.input_value("#definition"))


def test_a_workflow_is_written_checked_as_one_types_saved_and_run(desk, complaints):
    go(desk, LIST)
    desk.click("text=New workflow")
    desk.fill("#slug", "written_by_hand")
    area = desk.locator("#definition")
    whole = area.input_value()

    area.fill(whole.replace("samples.extract_items", "samples.nothing"))
    finding = desk.locator("#findings li")
    expect(finding).to_contain_text("extract_items")
    expect(finding).to_contain_text("unknown executor “samples.nothing”")
    expect(desk.locator("#verdict")).to_have_text(re.compile("1 problem"))
    expect(desk.locator("#graph .is-bad title")).to_contain_text("extract_items")

    finding.locator("a").click()
    chosen = area.evaluate("a => a.value.slice(a.selectionStart, a.selectionEnd)")
    assert chosen.strip() == '"executor": "samples.nothing",'

    area.fill(whole.replace('"kind": "branch"', '"kind": "branch",,'))
    expect(desk.locator("#findings li")).to_contain_text("Not JSON")
    expect(desk.locator("#graph-note")).to_have_text("of the last text that could be read")
    area.fill(whole)
    expect(desk.locator("#verdict")).to_have_text(re.compile("No problems"))
    expect(desk.locator("#findings li")).to_have_count(0)

    desk.click("text=Save as v1")
    desk.wait_for_url("**/written_by_hand/")
    expect(desk.locator(".op-notice")).to_contain_text("Saved as v1.")

    area = desk.locator("#definition")
    area.fill(area.input_value().replace("Reads an invoice", "Reads one invoice"))
    area.press("Control+s")
    expect(desk.locator(".op-notice")).to_contain_text("Saved as v2.")
    assert definition(desk)["description"].startswith("Reads one invoice")

    desk.get_by_role("link", name="Run", exact=True).click()
    desk.wait_for_url("**/run/")
    desk.get_by_role("button", name="JSON", exact=True).click()
    desk.fill("#definition", '{"document": 5}')
    expect(desk.locator("#findings li")).to_contain_text("must be text, not a number")
    desk.fill("#definition", '{"document": "samples/none.pdf"}')
    expect(desk.locator("#findings li")).to_have_count(0)
    desk.get_by_role("button", name="Run").click()
    desk.wait_for_url("**/admin/runs/run/run_*/")
    expect(desk.locator("main")).to_contain_text("written_by_hand")
    assert not complaints


def test_what_is_typed_before_the_page_is_whole_is_checked(desk, complaints):
    held = []

    def hold(route):
        held.append(route)

    desk.route(re.compile(r"/workflow_editor[^/]*\.js"), hold)
    desk.goto(f"{desk.base}{LIST}add/", wait_until="commit")
    area = desk.locator("#definition")
    area.fill(area.input_value().replace("samples.extract_items", "samples.nothing"))
    desk.wait_for_timeout(1000)
    expect(desk.locator("#verdict")).to_have_text(re.compile("No problems"))
    for route in held:
        route.continue_()
    expect(desk.locator("#verdict")).to_have_text(re.compile("1 problem"))
    assert not complaints


FORM = {
    "type": "object",
    "required": ["document"],
    "properties": {
        "document": {"type": "string", "title": "Document", "pattern": "\\.pdf$"},
        "pages": {"type": "integer", "default": 1, "description": "How many to read"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "supplier": {"type": "object", "title": "Supplier",
                     "properties": {"name": {"type": "string"}, "since": {"format": "date",
                                                                       "type": "string"}}},
    },
}  # fmt: skip


def with_form(desk: Page, name: str) -> str:
    """A workflow whose input has a form; its page's path."""
    path = make(desk, name)
    area = desk.locator("#definition")
    area.fill(json.dumps({**definition(desk), "input_schema": FORM}))
    area.press("Control+s")
    expect(desk.locator(".op-notice")).to_contain_text("Saved as v2.")
    return path


def test_an_input_is_given_in_a_form_shown_as_json_and_started(desk):
    go(desk, f"{with_form(desk, 'by_form')}run/")
    expect(desk.get_by_label("pages")).to_have_value("1")
    desk.get_by_label("Document").fill("a.txt")
    expect(desk.locator(".op-field", has_text="Document")).to_contain_text("Must match")
    expect(desk.get_by_label("Document")).to_have_attribute("aria-invalid", "true")
    # Where one types stays where one types.
    assert desk.evaluate("document.activeElement.name") == "value.document"
    desk.get_by_label("Document").fill("a.pdf")
    expect(desk.get_by_label("Document")).not_to_have_attribute("aria-invalid", "true")
    desk.get_by_label("pages").fill("two")
    desk.get_by_label("tags").fill("red\nblue")
    desk.get_by_role("group", name="Supplier").get_by_label("since").fill("2026-03-31")
    desk.get_by_role("button", name="JSON", exact=True).click()
    expect(desk.locator("#findings")).to_contain_text("pages")
    assert definition(desk) == {
        "document": "a.pdf", "pages": "two", "tags": ["red", "blue"],
        "supplier": {"since": "2026-03-31"},
    }  # fmt: skip
    text = desk.input_value("#definition")
    desk.fill("#definition", text.replace('"two"', "2").replace("{", '{"more": [1],', 1))
    desk.get_by_role("button", name="Form", exact=True).click()
    expect(desk.get_by_label("pages")).to_have_value("2")
    assert desk.evaluate("document.activeElement.id") == "input-as-form"
    expect(desk.locator(".op-fields-rest")).to_contain_text("more")
    desk.get_by_label("pages").press("Enter")
    desk.wait_for_url("**/admin/runs/run/run_*/")
    desk.get_by_role("link", name="View Context").click()
    expect(desk.locator("main")).to_contain_text("2026-03-31")


def test_a_node_is_inserted_after_the_one_the_cursor_is_in(desk, complaints):
    make(desk, "inserted")
    area = desk.locator("#definition")
    desk.locator(".op-wf-node[data-node=extract_items]").click()
    expect(desk.locator(".op-wf-node.is-current")).to_contain_text("extract_items")
    expect(desk.locator("#editor-at")).to_have_text("in extract_items")
    desk.get_by_text("Insert node").click()
    desk.get_by_role("button", name="Person").click()
    expect(desk.locator(".op-wf-node.is-current")).to_contain_text("step")
    ids = [node["id"] for node in definition(desk)["nodes"]]
    assert ids[ids.index("extract_items") + 1] == "step"
    assert definition(desk)["nodes"][ids.index("step")]["needs"] == ["extract_items"]
    assert area.evaluate("a => a.value.slice(a.selectionStart, a.selectionEnd)") == "step"
    expect(desk.locator("#verdict")).to_have_text(re.compile("No problems"))
    area.press("Control+z")
    assert "step" not in [node["id"] for node in definition(desk)["nodes"]]

    whole = area.input_value()
    area.fill(json.dumps(definition(desk)))
    desk.get_by_role("button", name="Format").click()
    expect(area).to_have_value(whole)
    area.press("Control+z")
    assert area.input_value() != whole
    assert not complaints


def test_versions_are_compared_and_an_older_one_is_made_the_newest_again(desk):
    path = make(desk, "compared")
    area = desk.locator("#definition")
    area.fill(area.input_value().replace('"retries": 1', '"retries": 2'))
    desk.fill("#note", "More patience")
    desk.click("text=Save as v2")
    expect(desk.locator("#versions")).to_contain_text("More patience")
    desk.click("text=Compare the two")
    expect(desk.locator("h1")).to_contain_text("v1 → v2")
    expect(desk.locator(".op-diff")).to_contain_text("extract_text")
    expect(desk.locator("tr[data-sign='+']")).to_contain_text('"retries": 2')
    desk.get_by_role("link", name="Make v1 the newest again").click()
    desk.click("text=Save v1 as v3")
    expect(desk.locator(".op-notice")).to_contain_text("v3 is v1 again")
    assert definition(desk)["nodes"][0]["retries"] == 1
    assert desk.url.endswith(path)


def test_the_list_shows_the_workflow_and_leads_to_its_runs(desk):
    make(desk, "listed")
    go(desk, LIST)
    row = desk.locator("tr", has_text="listed")
    expect(row).to_contain_text("never run")
    row.get_by_role("link", name="View Runs of listed").click()
    desk.wait_for_url("**/admin/runs/run/?workflow=listed")


def test_keys_indent_and_nobody_is_kept_in_the_text(desk):
    go(desk, LIST + "add/")
    area = desk.locator("#definition")
    area.fill("")
    area.press("Tab")
    assert area.input_value() == "  "
    area.type("{")
    area.press("Enter")
    assert area.input_value() == "  {\n    "
    area.press("Shift+Tab")
    assert area.input_value() == "  {\n  "
    area.fill("a\nb\nc")
    area.evaluate("a => a.setSelectionRange(0, 4)")
    area.press("Tab")
    assert area.input_value() == "  a\n  b\nc"
    area.press("Shift+Tab")
    assert area.input_value() == "a\nb\nc"
    area.press("Control+z")
    assert area.input_value() == "  a\n  b\nc"
    area.press("Escape")
    area.press("Tab")
    assert desk.evaluate("document.activeElement.id") != "definition"


def test_line_numbers_follow_the_text(desk):
    go(desk, LIST + "add/")
    area = desk.locator("#definition")
    area.fill("\n".join("x" * 200))
    gutter = desk.locator(".op-editor-gutter")
    assert gutter.inner_text().split()[-1] == "200"
    area.evaluate("a => { a.scrollTop = 900; }")
    desk.wait_for_function(
        "document.querySelector('.op-editor-gutter').scrollTop"
        " === document.querySelector('#definition').scrollTop"
    )


def test_leaving_with_unsaved_text_asks_first(desk):
    make(desk, "unsaved")
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.accept()

    desk.on("dialog", stay)
    desk.locator("#definition").press("x")
    desk.click("text=View Runs")
    desk.wait_for_url("**/admin/runs/run/**")
    assert asked == ["beforeunload"]


def test_a_node_of_the_drawing_leads_to_its_line(desk):
    path = make(desk, "drawn")
    go(desk, path)
    desk.locator(".op-wf-node", has_text="is_large").first.click()
    area = desk.locator("#definition")
    chosen = area.evaluate("a => a.value.slice(a.selectionStart, a.selectionEnd)")
    assert '"is_large"' in chosen


def test_the_largest_definition_is_saved_whatever_it_is_written_in(desk):
    path = make(desk, "largest")
    area = desk.locator("#definition")
    # Three bytes each in a form that is encoded like an address.
    description = '\\"ä{' * 150_000
    whole = area.input_value().replace("Reads an invoice", description)
    area.fill(whole)
    expect(desk.locator("#verdict")).to_have_text(re.compile("No problems"))
    desk.click("text=Save as v2")
    expect(desk.locator(".op-notice")).to_contain_text("Saved as v2.")
    go(desk, path)
    area = desk.locator("#definition")
    area.fill(area.input_value().replace("}", "x" * 300_000 + "}", 1))
    expect(desk.locator("#findings")).to_contain_text("the limit is 1,000,000")


def test_one_press_starts_one_run(desk):
    path = make(desk, "pressed")
    go(desk, f"{path}run/")
    desk.evaluate(
        "() => { const b = document.querySelector('[data-save]'); b.click(); b.click(); }"
    )
    desk.wait_for_url("**/admin/runs/run/run_*/")
    go(desk, "/admin/runs/run/?workflow=pressed")
    assert desk.locator("a.op-id").count() == 1


def test_without_javascript_a_workflow_is_written_and_run(browser, portal):
    context = browser.new_context(java_script_enabled=False)
    page = sign_in(context.new_page(), portal)
    page.goto(f"{portal.url}{LIST}add/")
    page.fill("#slug", "by_form_alone")
    whole = page.input_value("#definition")
    page.fill("#definition", whole.replace('"nodes"', '"knots"'))
    page.click("text=Save as v1")
    expect(page.locator("#findings")).to_contain_text("unknown field knots")
    page.fill("#definition", whole)
    page.click("text=Save as v1")
    expect(page.locator("h1")).to_contain_text("by_form_alone")
    expect(page.locator("svg.op-wf-svg")).to_be_visible()
    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/admin/runs/run/run_*/")
    context.close()


def test_times_are_shown_in_the_chosen_zone(desk):
    make(desk, "zoned")
    go(desk, "/admin/me/")
    desk.select_option("[name=time_zone]", "Asia/Kolkata")
    desk.click("text=Save")
    expect(desk.locator(".op-notice")).to_contain_text("Asia/Kolkata")
    go(desk, LIST)
    expect(desk.locator(".op-foot")).to_contain_text("Asia/Kolkata (IST)")
    go(desk, "/admin/me/")
    desk.select_option("[name=time_zone]", "UTC")
    desk.click("text=Save")
    expect(desk.locator(".op-notice")).to_contain_text("UTC")


def test_my_settings_offer_the_zone_of_the_device(browser, portal):
    context = browser.new_context(timezone_id="Europe/Berlin")
    page = sign_in(context.new_page(), portal)
    page.click("text=Use this device's: Europe/Berlin")
    assert page.input_value("[name=time_zone]") == "Europe/Berlin"
    context.close()


def test_the_pages_are_accessible_and_fit(desk):
    path = with_form(desk, "accessible")
    broken = f"{path}run/"
    compared = f"{path}compare/"
    for shown in (
        LIST, path, f"{path}versions/1/", compared, f"{path}versions/1/restore/", f"{LIST}add/",
        broken, "/admin/me/",
    ):  # fmt: skip
        go(desk, shown)
        if shown == broken:
            desk.locator("#schema-input [name='value.pages']").fill("many")
            expect(desk.locator(".op-error", has_text="whole number")).to_be_visible()
        elif shown == path:
            area = desk.locator("#definition")
            area.fill(area.input_value().replace("samples.extract_items", "samples.nothing"))
            expect(desk.locator("#findings li")).to_have_count(1)
            desk.locator(".op-wf-table summary").click()
        desk.set_viewport_size(WIDE)
        assert barriers(desk, *([] if shown == LIST else ["main"])) == [], shown
        assert is_no_wider(desk), shown
        desk.set_viewport_size(PHONE)
        assert barriers(desk, colours=False) == [], shown
        assert is_no_wider(desk), shown
        # Else the next page is asked for with unsaved text.
        desk.evaluate("document.querySelector('form [type=hidden]') && window.stop()")
