"""The tail gives exactly what a follower lacks, or says that it cannot."""

from hypothesis import given
from hypothesis import strategies as st

from runs.streams.tail import Entry, Tail

entries = st.lists(
    st.builds(Entry, st.integers(1, 3), st.binary(max_size=40)), max_size=60
)  # numbers here are steps: the archive leaves gaps


@given(st.integers(0, 5), entries, st.integers(1, 10), st.integers(0, 100), st.data())
def test_a_follower_gets_every_entry_once_and_in_order(start, steps, most, size, data):
    tail, added = Tail(start, entries=most, size=size), []
    at, received, missed = start, [], 0
    for step in steps:
        added.append(Entry(tail.last + step.seq, step.frame))
        tail.append(added[-1])
        if data.draw(st.integers(0, 4)) == 0:
            got = tail.after(at)
            if got is None:  # read from the database instead
                got = [entry for entry in added if entry.seq > at]
                missed += 1
            received += got
            at = received[-1].seq
    assert received == [entry for entry in added if entry.seq <= at]


@given(entries, st.integers(1, 10), st.integers(0, 100))
def test_it_never_holds_too_much_nor_forgets_the_newest(steps, most, size):
    tail = Tail(0, entries=most, size=size)
    for step in steps:
        tail.append(Entry(tail.last + step.seq, step.frame))
        held = tail.after(tail.base)
        assert held[-1].seq == tail.last
        assert len(held) == 1 or (
            len(held) <= most and sum(len(entry.frame) for entry in held) <= size
        )
        assert tail.base == 0 or tail.after(tail.base - 1) is None


def test_who_has_everything_gets_nothing():
    tail = Tail(7, entries=5, size=100)
    assert tail.after(7) == []
    assert tail.after(6) is None
    tail.append(Entry(8, b"x"))
    assert tail.after(8) == tail.after(9) == []
    assert tail.after(7) == [Entry(8, b"x")]
