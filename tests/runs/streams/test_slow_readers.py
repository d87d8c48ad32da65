"""A client that reads slowly costs nothing, and gets everything all the same."""

import pytest

from runs import ids
from runs.streams import feeds
from runs.streams.tail import Entry
from tests.runs.streams.client import differences
from tests.runs.streams.conftest import log, stored

MEGABYTE = 1_000_000


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_slow_readers_cost_no_memory_and_lose_nothing(web, listen, make_run):
    run = make_run()
    with listen(run, after=0) as stream:
        stream.take(1)  # all that is made with the first stream is there
    slow = [listen(run, after=0, receive_buffer=4096) for _ in range(30)]
    quick = listen(run, after=0)
    before = web.resident_bytes()
    received = []
    for number in range(10):
        last = log(run, *(f"{number}.{i} " + "x" * 2_000 for i in range(1_000)))
        received += quick.until(last)
    # Queues would hold 20 MB for each of them.
    grown = web.resident_bytes() - before
    assert grown < 50 * MEGABYTE
    assert differences(received, stored(run)) == []
    assert differences(slow[0].until(last, seconds=60), stored(run)) == []


def test_a_feed_holds_a_bounded_tail():
    feed = feeds.Feed(ids.new_id(), 0)
    for number in range(1, 10_000):
        feed.extend([Entry(number, b"x" * (number % 3_000))])
        assert sum(len(e.frame) for e in feed.tail._entries) <= feeds.TAIL_BYTES
        assert len(feed.tail._entries) <= feeds.TAIL_ENTRIES


def test_a_quiet_feed_holds_nothing():
    feed = feeds.Feed(ids.new_id(), 0)
    feed.extend([Entry(1, b"x")])
    feed.age()
    assert feed.tail.after(0) == [Entry(1, b"x")]
    feed.age()
    assert feed.tail.after(0) is None
    assert feed.tail.after(1) == []


def test_a_follower_is_given_little_at_a_time():
    entries = [Entry(number, b"x" * 30_000) for number in range(1, 40)]
    given = []
    while entries:
        given.append(feeds._first(entries, feeds.HELD_BYTES))
        entries = entries[len(given[-1]) :]
    assert [entry.seq for some in given for entry in some] == list(range(1, 40))
    assert max(sum(len(e.frame) for e in some) for some in given) < feeds.HELD_BYTES + 30_000


def test_what_is_larger_than_all_that_is_given_is_given_all_the_same():
    large = [Entry(1, b"x" * 2 * feeds.HELD_BYTES), Entry(2, b"x")]
    assert feeds._first(large, feeds.HELD_BYTES) == large[:1]
