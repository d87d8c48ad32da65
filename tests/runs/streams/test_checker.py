"""The checker that the other tests rely on finds what is wrong."""

import pytest

from tests.runs.streams.client import Event, differences

STORED = [{"seq": seq, "kind": "log", "data": {"message": str(seq)}} for seq in range(1, 8)]


def received():
    return [Event(event["seq"], "log", dict(event), 0.0) for event in STORED]


def test_what_is_stored_is_accepted():
    assert differences(received(), STORED) == []


@pytest.mark.parametrize("place", range(7))
def test_a_missing_event_is_found(place):
    events = received()
    del events[place]
    assert differences(events, STORED) == [f"{place + 1} is missing"]


@pytest.mark.parametrize("place", range(7))
def test_a_doubled_event_is_found(place):
    events = received()
    events.insert(place, events[place])
    assert differences(events, STORED) == [f"{place + 1} came twice"]


@pytest.mark.parametrize("place", range(6))
def test_events_in_another_order_are_found(place):
    events = received()
    events[place], events[place + 1] = events[place + 1], events[place]
    assert differences(events, STORED) == [f"{place + 1} came after {place + 2}"]


def test_an_invented_event_is_found():
    invented = Event(9, "log", {"seq": 9}, 0.0)
    assert differences([*received(), invented], STORED) == ["9 is not in the table"]


def test_a_changed_event_is_found():
    events = received()
    events[3] = events[3]._replace(data={**events[3].data, "kind": "progress"})
    assert len(differences(events, STORED)) == 1
