"""Paging by key: every run once, in either direction, also where times are equal."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import ids
from runs.models import Run
from runs.paging import Cursor, page_of
from tests.runs.stories import Story, node, publish

NOW = datetime(2026, 11, 22, 13, 59, 5, 123456, tzinfo=UTC)


@pytest.fixture
def runs(db):
    """Eleven runs, newest first; the times of some are equal."""
    version = publish(node("a"))
    for second in (0, 1, 1, 1, 2, 3, 3, 4, 5, 5, 6):
        Story(version, zero=NOW - timedelta(seconds=second))
    return list(Run.objects.newest_first())


def shown(page):
    return [run.pk for run in page.runs]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10, 11, 12])
def test_paging_down_shows_every_run_once_and_paging_up_the_same(runs, size):
    pages, page = [], page_of(Run.objects.all(), size)
    assert page.is_first
    while True:
        pages.append(shown(page))
        if page.older is None:
            break
        page = page_of(Run.objects.all(), size, after=page.older)
        assert not page.is_first
    assert list(chain(*pages)) == [run.pk for run in runs]

    up = [pages[-1]]
    while page.newer:
        page = page_of(Run.objects.all(), size, before=page.newer)
        up.append(shown(page))
    assert page.is_first
    assert up[-1] == pages[0]
    assert {pk for part in up for pk in part} == {run.pk for run in runs}


def test_going_up_to_the_top_gives_a_full_first_page(runs):
    page = page_of(Run.objects.all(), 4, before=Cursor.of(runs[2]))

    assert shown(page) == [run.pk for run in runs[:4]]
    assert page.newer is None
    assert page.older == Cursor.of(runs[3])


def test_a_page_costs_one_query(runs, django_assert_num_queries):
    with django_assert_num_queries(1):
        page_of(Run.objects.all(), 4)
    with django_assert_num_queries(1):
        page_of(Run.objects.all(), 4, after=Cursor.of(runs[4]))
    with django_assert_num_queries(1):
        page_of(Run.objects.all(), 4, before=Cursor.of(runs[8]))


def test_a_page_behind_the_end_is_empty_and_leads_back(runs):
    page = page_of(Run.objects.all(), 4, after=Cursor.of(runs[-1]))

    assert page.runs == []
    assert page.newer == Cursor.of(runs[-1])
    assert page.older is None


@given(st.integers(-(10**9), 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds)))
def test_a_cursor_is_read_as_it_was_written(moment):
    cursor = Cursor(moment, ids.new_id())
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text() | st.from_regex(r"[0-9]{0,20}-[0-9a-z]{26}"))
def test_what_is_no_cursor_is_none(text):
    found = Cursor.parse(text)
    assert found is None or str(found).endswith(text.partition("-")[2].strip())
