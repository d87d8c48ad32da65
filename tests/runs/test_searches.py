"""The list's searches and its other orders find what they say."""

import pytest

from runs import ids
from runs.filters import pasted_id
from runs.models import Run
from runs.templatetags.runs_ui import short
from tests.runs.stories import Story, node, publish


@pytest.fixture
def version(db):
    return publish(node("extract"))


def test_a_run_is_found_by_the_end_of_its_id_as_the_list_shows_it(version):
    shown, other = Story(version), Story(version)
    public = ids.encode("run", shown.id)
    for text in (public[-8:], short(public), public[-8:].upper(), f" {public} "):
        assert [run.id for run in Run.objects.with_short_id(text)] == [shown.id], text
    assert pasted_id(public[-8:]) is None
    assert not Run.objects.with_short_id(ids.encode("run", other.id)[-8:]).filter(pk=shown.id)


def test_what_cannot_be_the_end_of_an_id_finds_nothing(version):
    Story(version)
    for text in ("", "abc", "uuuuuuuu", "run_…", "…0000000", "x" * 500, "\0" * 8):
        assert not Run.objects.with_short_id(text).exists(), text


def test_a_reference_is_found_by_its_beginning_as_it_is_written(version):
    first = Story(version, ref_type="order", ref_id="PO-100%_7")
    Story(version, ref_type="order", ref_id="PO-1000")
    for text in ("PO-100%_7", "PO-100%", "PO-100%_"):
        assert [run.id for run in Run.objects.with_reference(text)] == [first.id], text
    assert Run.objects.with_reference("PO-100").count() == 2
    for text in ("", "po-100", "100", "PO-100%_77"):
        assert not Run.objects.with_reference(text).exists(), text


def failed(version, message):
    error = {"node": "extract", "kind": "ValueError", "message": message}
    return Story(version).state("created", "failed", error=error).id


def test_an_error_is_found_by_words_of_its_node_kind_or_message_in_any_case(version):
    sums = failed(version, "Totals differ by 12_50 % of the net")
    dates = failed(version, "no date on page 2")
    Story(version)
    for text in ("totals DIFFER", "12_50 %", "differ by"):
        assert [run.id for run in Run.objects.with_error_text(text)] == [sums], text
    for text in ("extract", "valueerror", "e"):
        assert {run.id for run in Run.objects.with_error_text(text)} == {sums, dates}, text
    for text in ("12-50", "differs", "\\"):
        assert not Run.objects.with_error_text(text).exists(), text


def test_the_longest_come_first_and_those_that_never_started_last(version):
    waiting, brief, long, active = (Story(version) for _ in range(4))
    for story in (brief, long, active):
        story.active()
    brief.at(2).state("active", "completed")
    long.at(30).state("active", "completed")
    found = [run.id for run in Run.objects.longest_first()]
    assert found == [active.id, long.id, brief.id, waiting.id]


def test_the_dearest_come_first(version):
    stories = [Story(version) for _ in range(3)]
    for story, cost in zip(stories, ("0.5", "0.25", "2"), strict=True):
        story.call("extract", cost=cost)
    found = [run.id for run in Run.objects.dearest_first()]
    assert found == [stories[2].id, stories[0].id, stories[1].id]
