"""The official client's subscription: exactly the table's sequence, whatever falls over."""

import json
import time
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pytest
from django.utils import timezone

from runs import ids, lifecycle, recorder
from runs.models import Run
from runs.rows import NewEvent
from runs.states import Kind
from tests.clients.node import Failed
from tests.runs.api.conftest import ANNA, record
from tests.runs.conftest import changed
from tests.runs.streams.conftest import log, stored, writing
from tests.runs.streams.servers import database_away

pytestmark = pytest.mark.django_db(transaction=True)


def public_id(run):
    return ids.encode("run", run)


def told(run):
    """What the client has to get: each event with its number as a text."""
    return [{"id": str(event["seq"]), "data": event} for event in stored(run)]


def end(run):
    now = timezone.now()
    events = [changed("created", "active"), changed("active", "completed")]
    recorder.record({run: events}, now=now)


def test_the_whole_log_of_a_run_that_has_ended(client, run_in):
    run = run_in("completed")
    subscription = client.subscribe(run.public_id)
    assert subscription.until_end() == told(run.pk)
    assert len(client.fetched) == 1


def test_it_goes_on_while_the_run_does_and_ends_with_it(client, make_run):
    run = make_run()
    subscription = client.subscribe(public_id(run))
    subscription.until(1)
    for number in range(5):
        subscription.until(log(run, f"line {number}\nä\u2028", "more"))
    assert not subscription.is_complete
    end(run)
    assert subscription.until_end() == told(run)
    assert len(client.fetched) == 1


def test_it_begins_behind_the_event_that_is_known(client, make_run):
    run = make_run()
    last = log(run, *"abcdef")
    subscription = client.subscribe(public_id(run), lastEventId="3")
    assert subscription.until(last) == told(run)[3:]
    end(run)
    assert subscription.until_end() == told(run)[3:]
    # Nothing is left; more than there is was never given.
    for known in (str(len(told(run))), "99999999999999999999"):
        assert client.subscribe(public_id(run), lastEventId=known).until_end() == []


def test_it_waits_for_what_nodes_of_an_ended_run_are_still_at(client, run_in):
    run = run_in("terminated")  # while its first node was at work
    subscription = client.subscribe(run.public_id)
    subscription.until(run.last_seq)
    subscription.read_for(1.5)
    assert not subscription.is_complete
    late = NewEvent(
        Kind.LATE_RESULT, node="first", attempt=1, data={"outcome": "completed", "output": {}}
    )
    record(run, late)
    assert subscription.until_end() == told(run.pk)


def test_it_ends_when_the_run_is_deleted(client, run_in):
    run = run_in("terminated")  # while its first node was at work: more is awaited
    subscription = client.subscribe(run.public_id)
    subscription.until(run.last_seq)
    lifecycle.delete(Run.objects.filter(pk=run.pk), by=ANNA)
    with pytest.raises(Failed) as refused:
        subscription.until_end()
    assert refused.value.data["code"] == "NOT_FOUND"
    assert len(client.fetched) == 1


@pytest.mark.parametrize("number", [SIGKILL, SIGTERM])
def test_the_server_is_restarted_in_mid_stream(client, web, make_run, number):
    run = make_run()
    subscription = client.subscribe(public_id(run))
    with writing(run, seconds=3):
        subscription.until(5)
        web.stop(number)
        before = len(stored(run))
        web.start()
        subscription.until(before + 5)
    end(run)
    assert subscription.until_end() == told(run)
    assert client.fetched[-1]["lastEventId"]  # it came back by itself


def test_a_server_that_falls_silent_is_left_and_nothing_lost(client, web, make_run):
    run = make_run()
    subscription = client.subscribe(public_id(run))
    subscription.until(log(run, "before"))
    web.signal(SIGSTOP)
    try:
        subscription.until_state("connecting")
        log(run, "meanwhile", "and more")
    finally:
        web.signal(SIGCONT)
    end(run)
    assert subscription.until_end() == told(run)
    assert json.loads(client.fetched[1]["input"])["lastEventId"] == "2"


def test_a_quiet_log_is_not_taken_for_a_dead_connection(client, make_run):
    run = make_run()
    subscription = client.subscribe(public_id(run))
    subscription.until(1)
    subscription.read_for(4)  # longer than it bears silence
    assert len(client.fetched) == 1
    assert subscription.until(log(run, "at last")) == told(run)


def test_it_begins_when_the_database_is_back(client, make_run):
    run = make_run()
    with database_away():
        subscription = client.subscribe(public_id(run))
        subscription.read_for(2.5)
        assert subscription.states[-1] == "connecting"
        assert subscription.given == []
    assert subscription.until(1) == told(run)


def test_a_slow_reader_gets_everything_and_costs_nothing(client, web, make_run):
    run = make_run()
    quick = client.subscribe(public_id(run))
    quick.until(log(run, "all is set up"))
    before = web.resident_bytes()
    slow = [client.subscribe(public_id(run), busy=2)]
    for number in range(8):
        last = log(run, *(f"{number}.{i} " + "x" * 20_000 for i in range(100)))
    quick.until(last)
    slow[0].until(last)
    assert web.resident_bytes() - before < 40_000_000
    end(run)
    assert quick.until_end() == slow[0].until_end() == told(run)


# -- Who may not -----------------------------------------------------------------------------


def test_what_is_refused_is_told_and_not_asked_again(client, client_of, person, make_run):
    run = public_id(make_run())
    unknown = public_id(ids.new_id())
    refusals = [
        (client, unknown, {}, "NOT_FOUND", -32004),
        (client, "nonsense", {}, "NOT_FOUND", -32004),
        (client, run, {"lastEventId": "x"}, "BAD_REQUEST", -32600),
        (client, run, {"from": 3}, "BAD_REQUEST", -32600),
        (client_of(), run, {}, "UNAUTHORIZED", -32001),
        (client_of(person("view_workflow", name="dora")), run, {}, "FORBIDDEN", -32003),
    ]
    for asks, run_id, given, code, number in refusals:
        with pytest.raises(Failed) as refused:
            asks.subscribe(run_id, **given).until(1)
        assert (refused.value.data["code"], refused.value.number) == (code, number)
    asked = [len(asks.fetched) for asks, *_ in refusals]
    time.sleep(1)  # longer than a client that comes back takes
    assert [len(asks.fetched) for asks, *_ in refusals] == asked == [4, 4, 4, 4, 1, 1]


def test_it_ends_when_its_listener_may_not_listen_any_more(client_of, person, make_run):
    run = make_run()
    anna = person("view_run", name="anna")
    client = client_of(anna)
    subscription = client.subscribe(public_id(run))
    subscription.until(1)
    anna.user_permissions.clear()
    with pytest.raises(Failed) as refused:
        subscription.until(2)
    assert refused.value.data["code"] == "FORBIDDEN"
    assert len(client.fetched) == 1


def test_it_ends_when_its_session_has_ended(client_of, person, make_run):
    run = make_run()
    anna = person("view_run", name="anna")
    client = client_of(anna)
    subscription = client.subscribe(public_id(run))
    subscription.until(1)
    anna.set_password("another")
    anna.save()
    with pytest.raises(Failed) as refused:
        subscription.until(2)
    assert refused.value.data["code"] == "UNAUTHORIZED"
    assert len(client.fetched) == 1


def test_who_stops_gets_no_more(client, make_run):
    run = make_run()
    subscription = client.subscribe(public_id(run))
    subscription.until(1)
    subscription.stop()
    subscription.until_end()
    log(run, "unheard")
    subscription.read_for(0.5)
    assert subscription.given == told(run)[:1]
