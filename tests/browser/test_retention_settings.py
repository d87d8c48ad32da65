"""Settings of runs in a browser: the preview follows what is typed, and nobody is shut out."""

import pytest
from playwright.sync_api import expect

from tests.browser.checks import PHONE, ZOOMED, barriers, is_no_wider, moved, without_motion

PATH = "/admin/settings/runs/"


@pytest.fixture
def settings(visit, teller):
    """The page with its preview, over some runs that ended long ago."""
    teller.tell("failed_invoice")

    def open_page(**options):
        page = visit(path=PATH, **options)
        if options.get("java_script_enabled", True):
            expect(page.get_by_role("table", name="The night in figures")).to_be_visible()
            page.evaluate("document.fonts.ready.then(() => true)")
        return page

    return open_page


def test_the_preview_follows_what_is_typed_and_nothing_is_saved(settings):
    page = settings()
    expect(page.locator("#preview")).not_to_contain_text("With your changes")
    page.locator("[name=failed_days]").fill("1")
    expect(page.locator("#preview")).to_contain_text("failed: 180 d → 1 d")
    expect(page.locator("#preview")).to_contain_text("With your changes")
    page.locator("[name=failed_days]").fill("")
    expect(page.locator("#preview")).to_contain_text("Not all of what is filled in")
    page.reload()
    expect(page.locator("[name=failed_days]")).to_have_value("180")


def test_a_change_is_saved_and_stands_below_the_preview(settings):
    page = settings()
    page.locator("[name=terminated_days]").fill("31")
    page.get_by_label("Why").fill("tried in a browser")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. The next night goes by it.")).to_be_visible()
    changes = page.get_by_role("region", name="Changes")
    expect(changes).to_contain_text("terminated: 30 d → 31 d (tried in a browser)")
    page.locator("[name=terminated_days]").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(changes).to_contain_text("terminated: 31 d → 30 d")


def test_deletion_for_good_is_asked_for_once_more_and_can_be_left(settings):
    page = settings(known="422")
    page.locator("[name=delete_days]").fill("400")
    page.get_by_role("button", name="Save").click()
    asked = page.get_by_role("alert", name="This deletes runs for good")
    expect(asked).to_contain_text("400 days after their end, runs are deleted for good")
    expect(asked).to_be_focused()
    assert barriers(page, ".op-rt-confirm") == []
    asked.get_by_role("link", name="Discard").click()
    expect(page.locator("[name=delete_days]")).to_have_value("")


def test_workflows_are_added_without_saving_and_what_is_wrong_has_the_focus(settings):
    page = settings(known="422")
    for number, slug in enumerate(("nothing", "nobody")):
        page.get_by_role("button", name="Add a workflow").click()
        field = page.locator(f"[name=workflows-{number}-workflow]")
        expect(field).to_be_focused()
        field.fill(slug)
        page.locator(f"[name=workflows-{number}-failed_days]").fill("20")
    expect(page.locator("#preview")).to_contain_text("There is no workflow nobody.")
    page.get_by_role("button", name="Save").click()
    summary = page.get_by_role("region", name="Nothing is saved")
    expect(summary).to_be_focused()
    assert barriers(page, ".op-rt-wrong") == []
    summary.get_by_role("link", name="nobody").click()
    expect(page.locator("[name=workflows-1-workflow]")).to_be_focused()
    # What was left out counts for nothing.
    page.get_by_role("button", name="Leave this line out").first.click()
    expect(page.locator("#preview")).not_to_contain_text("There is no workflow nothing.")
    expect(page.locator("#preview")).to_contain_text("There is no workflow nobody.")


def test_what_is_not_saved_is_not_left_without_a_word(settings):
    page = settings()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.locator("[name=failed_days]").fill("170")
    page.get_by_role("link", name="Discard").click()
    expect(page.locator("[name=failed_days]")).to_have_value("180")
    assert asked == []
    page.locator("[name=failed_days]").fill("170")
    page.reload()
    expect(page.locator("[name=failed_days]")).to_have_value("180")
    assert asked == ["beforeunload"]


def test_it_is_read_and_tried_without_javascript(settings):
    page = settings(java_script_enabled=False)
    page.locator("[name=failed_days]").fill("1")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("failed: 180 d → 1 d")


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(settings):
    page = settings(known="422")
    page.locator("[name=failed_days]").fill("1")
    expect(page.locator("#preview")).to_contain_text("With your changes")
    assert barriers(page) == []
    assert is_no_wider(page)
    page.set_viewport_size(PHONE)
    assert barriers(page, ".op-rt") == []
    assert is_no_wider(page)
    page.locator("[name=failed_days]").fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("From 1 to 36,500 days.")
    assert barriers(page, ".op-rt") == []
    assert is_no_wider(page)


def test_at_twice_the_size_nothing_sticks_out_and_nothing_moves(settings):
    page = settings(before=without_motion, **ZOOMED)
    assert is_no_wider(page)
    page.locator("[name=failed_days]").fill("1")
    expect(page.locator("#preview")).to_contain_text("With your changes")
    assert moved(page) == []
