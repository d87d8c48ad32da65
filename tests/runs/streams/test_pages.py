"""A page of a stream is bounded by bytes too, however its events are stored, and loses none."""

import random

import pytest
from django.utils import timezone

from runs import recorder
from runs.rows import NewEvent
from runs.states import Kind
from runs.streams.log import PAGE_BYTES, PAGE_ROWS, page, pages

pytestmark = pytest.mark.django_db(transaction=True)

# What stands around an event's message: names, times and brackets.
AROUND = 400
CHANCE = random.Random(4)


def compressible(size):
    return "ab" * (size // 2)


def incompressible(size):
    return CHANCE.randbytes(size // 2).hex()


def log(run_id, *messages):
    """Record a line each; gives the number of the last."""
    for message in messages:
        line = NewEvent(Kind.LOG, node="first", data={"level": "info", "message": message})
        numbers = recorder.record({run_id: [line]}, now=timezone.now())[run_id]
    return numbers.last_seq


def all_pages(run_id):
    """Page after page, as a stream reads them."""
    found, at = [], 0
    while got := pages({run_id: at}).get(run_id):
        found.append(got)
        at = got.entries[-1].seq
    return found


def sizes(got):
    return [len(entry.frame) for entry in got.entries]


@pytest.mark.parametrize("text", [compressible, incompressible])
@pytest.mark.parametrize("size", [60_000, 400_000, 900_000])
def test_a_page_of_large_events_ends_with_the_one_that_fills_it(make_run, text, size):
    run_id = make_run()
    last = log(run_id, *(text(size) for _ in range(12)))
    found = all_pages(run_id)
    assert [entry.seq for got in found for entry in got.entries] == list(range(1, last + 1))
    for got in found:
        *before, _ = sizes(got)
        assert sum(before) < PAGE_BYTES + AROUND * len(before)
    assert len(found) > 1
    assert [got.full for got in found] == [True] * (len(found) - 1) + [found[-1].full]


def test_an_event_larger_than_a_page_comes_whole_and_ends_it(make_run):
    run_id = make_run()
    log(run_id, "small", incompressible(900_000), "after it")
    first, second = all_pages(run_id)
    assert [entry.seq for entry in first.entries] == [1, 2, 3]
    assert first.full
    assert sizes(first)[-1] > 900_000
    assert [entry.seq for entry in second.entries] == [4]
    assert not second.full


def test_small_events_are_bounded_by_their_number(make_run):
    run_id = make_run()
    lines = [NewEvent(Kind.LOG, node="first", data={"message": "x"})] * PAGE_ROWS
    recorder.record({run_id: lines}, now=timezone.now())
    first, second = all_pages(run_id)
    assert (len(first.entries), first.full) == (PAGE_ROWS, True)
    assert (len(second.entries), second.full) == (1, False)


def test_each_of_many_runs_has_a_page_of_its_own(make_run):
    large, small, silent = make_run(), make_run(), make_run()
    log(large, *(compressible(300_000) for _ in range(6)))
    log(small, "one", "two")
    found = pages({large: 0, small: 1, silent: 1})
    assert set(found) == {large, small}
    assert found[large].full
    assert sum(sizes(found[large])) < PAGE_BYTES + 300_000 + AROUND * 7
    assert [entry.seq for entry in found[small].entries] == [2, 3]
    assert not found[small].full
    assert page(large, 0) == found[large].entries
