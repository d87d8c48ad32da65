"""Triggers that wait for a run's end or an event in it."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from runs import lifecycle, outbox, recorder
from runs.models import Firing, Run, Trigger, TriggeredRun
from runs.rows import NewEvent
from runs.states import Kind
from runs.triggers import changes, firing, listen
from tests.runs.conftest import ANNA, changed, executor_node

pytestmark = pytest.mark.django_db(transaction=True)
ON_FAILURE = {"run_ends": {"workflow": "invoice", "states": ["failed"]}}
FAILED = {"node": "first", "kind": "ValueError", "message": "no total"}


@pytest.fixture
def invoice(publish):
    return publish(executor_node("first"), slug="invoice")


def start(version, data=None):
    return lifecycle.start(version, data or {}, trigger="manual", by=ANNA)


def end(run, state="failed", *events):
    """As a worker would have ended it."""
    now = timezone.now()

    def decide(found):
        error = {"error": FAILED} if state == "failed" else {}
        begun = [changed("created", "active")] if found.run.state == "created" else []
        return [*begun, *events, changed("active", state, reason="first failed", **error)]

    recorder.transact([run.pk], decide, now=now)


def completed(output):
    return [
        NewEvent(Kind.NODE_STARTED, node="first", attempt=1,
                 data={"worker": "w", "input": {}, "timeout_seconds": 5}),
        NewEvent(Kind.NODE_COMPLETED, node="first", attempt=1, data={"output": output}),
    ]  # fmt: skip


def listen_now():
    return listen.tick(timezone.now())


def test_a_failed_run_starts_another_with_what_it_was_about(invoice, target, make_trigger):
    then = [
        {
            "start": "target",
            "input": {"why": "$.run.error.message", "doc": "$.data.document"},
            "ref": {"type": "failed run", "id": "$.run.id"},
        }
    ]
    trigger = make_trigger("event", ON_FAILURE, then)
    failed, fine = start(invoice, {"document": "17.pdf"}), start(invoice)
    end(failed)
    end(fine, "completed")
    listen_now()
    started = Run.objects.get(workflow=target.workflow)
    created = started.events.get(seq=1).data
    assert created["input"] == {"why": "no total", "doc": "17.pdf"}
    assert created["fired"]["cause"] == failed.public_id
    assert (started.trigger, started.triggered_by) == ("event", "nightly")
    assert (started.ref_type, started.ref_id) == ("failed run", failed.public_id)
    row = trigger.firings.get()
    assert (row.status, row.cause) == ("started", failed.pk)
    assert row.outcomes == [{"target": "target", "run": started.public_id, "why": ""}]


def test_an_output_decides_and_is_passed_on(invoice, target, make_trigger):
    trigger = make_trigger(
        "automation",
        {"run_ends": {"states": ["completed"]}},
        [
            {"start": "target", "input": {"total": "$.nodes.first.output.total"}},
            {"start": "target", "input": "$.output"},
        ],
        condition={"value": "$.nodes.first.output.total", "greater_than": 100},
    )
    for total in (50, 60, 150):
        run = start(invoice)
        end(run, "completed", *completed({"total": total}))
    listen_now()
    inputs = [
        run.events.get(seq=1).data["input"] for run in Run.objects.filter(trigger="automation")
    ]
    assert sorted(inputs, key=str) == [{"total": 150}, {}]
    skipped = trigger.firings.get(status="skipped")
    assert (skipped.count, skipped.reason) == (2, "its condition did not hold")


def test_an_event_within_a_run_starts_another(invoice, target, make_trigger):
    make_trigger(
        "event",
        {"event": {"kinds": ["log"], "workflow": "invoice", "node": "first"}},
        [{"start": "target", "input": {"said": "$.event.data.message"}}],
        condition={"value": "$.event.data.level", "equals": "error"},
    )
    run = start(invoice)
    lines = [
        NewEvent(Kind.LOG, node=node, data={"level": level, "message": f"{node} {level}"})
        for node in ("first", "")
        for level in ("info", "error")
    ]
    recorder.transact([run.pk], lambda _: lines, now=timezone.now())
    listen_now()
    started = Run.objects.get(workflow=target.workflow)
    assert started.events.get(seq=1).data["input"] == {"said": "first error"}


def test_it_hears_nothing_of_what_was_before_it(invoice, target, make_trigger):
    end(start(invoice))
    make_trigger("event", ON_FAILURE)
    listen_now()
    assert not Firing.objects.exists()


def test_switched_off_it_starts_nothing(ada, invoice, target, make_trigger):
    trigger = make_trigger("event", ON_FAILURE)
    changes.switch(ada, trigger, False, now=timezone.now())
    end(start(invoice))
    listen_now()
    changes.switch(ada, trigger, True, now=timezone.now())
    listen_now()
    assert not Firing.objects.exists()


def test_what_is_read_twice_starts_once(invoice, target, make_trigger):
    make_trigger("event", ON_FAILURE)
    end(start(invoice))
    listen_now()
    outbox.OutboxCursor.objects.update(xid=0, line=0)
    assert listen_now()
    assert Run.objects.filter(workflow=target.workflow).count() == 1


def test_two_who_listen_at_once_start_nothing_twice(invoice, target, make_trigger):
    make_trigger("event", ON_FAILURE)
    for _ in range(30):
        end(start(invoice))
    barrier = threading.Barrier(3)

    def beat():
        barrier.wait()
        listen_now()
        connection.close()

    threads = [threading.Thread(target=beat) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Run.objects.filter(workflow=target.workflow).count() == 30
    assert Firing.objects.count() == 30


def test_triggers_in_a_circle_come_to_an_end(invoice, make_trigger):
    trigger = make_trigger("event", ON_FAILURE, [{"start": "invoice", "input": {}}])
    run = start(invoice)
    for _ in range(firing.MAX_DEPTH + 3):
        for each in Run.objects.open():
            end(each)
        listen_now()
    assert Run.objects.count() == 1 + firing.MAX_DEPTH
    last = trigger.firings.order_by("-id").first()
    assert last.status == "refused"
    assert "circle" in last.reason
    assert TriggeredRun.objects.count() == firing.MAX_DEPTH
    assert run.pk not in TriggeredRun.objects.values_list("run", flat=True)


def test_what_comes_of_one_beginning_is_bounded(invoice, make_trigger, monkeypatch):
    monkeypatch.setattr(firing, "MAX_CHAIN", 12)
    make_trigger("automation", ON_FAILURE, [{"start": "invoice", "input": {}}] * 3)
    start(invoice)
    for _ in range(6):
        for each in Run.objects.open():
            end(each)
        listen_now()
    # The firing that reaches the bound starts all of its own.
    assert Run.objects.count() <= 1 + 12 + 2


def test_a_failed_run_is_retried_with_a_corrected_input(invoice, target, make_trigger):
    failed = start(invoice, {"total": None})
    end(failed)
    make_trigger(
        "event",
        {"run_ends": {"workflow": "target", "states": ["completed"]}},
        [{"retry": "$.data.failed", "input": {"total": "$.data.right"}}],
    )
    for _ in range(2):
        end(start(target, {"failed": failed.public_id, "right": 17}), "completed")
    listen_now()
    again = Run.objects.get(retry_of=failed.pk)
    assert again.events.get(seq=1).data["input"] == {"total": 17}
    assert again.version_id == failed.version_id
    second = Firing.objects.order_by("-id")[0]
    assert second.status == "failed"
    assert second.reason == f"it is being retried already, as {again.public_id}"


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"start": "target", "input": "$.data.nothing"}, "$.data.nothing leads to nothing"),
        ({"retry": "$.run.workflow"}, "$.run.workflow leads to no run's id"),
        ({"retry": "$.data.deleted"}, "run_01h455vb4pex5vsknk084sn02q is not there"),
    ],
)
def test_one_that_cannot_act_says_why(invoice, target, make_trigger, then, why):
    trigger = make_trigger("event", ON_FAILURE, [then])
    end(start(invoice, {"deleted": "run_01h455vb4pex5vsknk084sn02q"}))
    listen_now()
    row = trigger.firings.get()
    assert (row.status, row.reason) == ("failed", why)
    assert row.outcomes[0]["why"] == why


def test_an_automation_does_what_it_can(invoice, target, make_trigger):
    trigger = make_trigger(
        "automation",
        ON_FAILURE,
        [{"start": "target", "input": "$.data.nothing"}, {"start": "target", "input": {}}],
    )
    end(start(invoice))
    listen_now()
    assert Run.objects.filter(workflow=target.workflow).count() == 1
    row = trigger.firings.get()
    assert [bool(outcome["run"]) for outcome in row.outcomes] == [False, True]


def test_old_firings_are_forgotten_but_not_those_whose_run_goes_on(invoice, target, make_trigger):
    make_trigger("event", ON_FAILURE)
    for _ in range(2):
        end(start(invoice))
    listen_now()
    ended, _ = Run.objects.filter(workflow=target.workflow)
    end(ended, "completed")
    later = timezone.now() + firing.FIRINGS_KEPT
    assert firing.prune(later) == 1
    assert TriggeredRun.objects.count() == Firing.objects.count() == 1
    assert Trigger.objects.count() == 1


def test_what_goes_wrong_unexpectedly_shows_at_the_trigger(
    invoice, target, make_trigger, monkeypatch
):
    trigger = make_trigger("event", ON_FAILURE)
    end(start(invoice))

    def break_down(*_, **__):
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(firing, "_chain", break_down)
    listen_now()
    row = trigger.firings.get()
    assert (row.status, row.reason) == ("failed", "ZeroDivisionError: odd")


def test_no_more_events_are_held_than_a_batch_may_have_and_none_is_left_out(
    invoice, target, make_trigger, monkeypatch
):
    make_trigger("event", {"event": {"kinds": ["log"]}}, [{"start": "target", "input": {}}])
    run = start(invoice)
    for size in (1, 4, 3, 5):
        lines = [NewEvent(Kind.LOG, data={"level": "info", "message": "x"})] * size
        recorder.transact([run.pk], lambda _, lines=lines: lines, now=timezone.now())
    monkeypatch.setattr(listen, "BATCH_EVENTS", 4)
    held = []
    act_on = listen._act_on

    def look(lines, *rest):
        held.append(sum(line.last_seq - line.first_seq + 1 for line in lines))
        act_on(lines, *rest)

    monkeypatch.setattr(listen, "_act_on", look)
    listen_now()
    assert max(held) == 5  # of one line
    assert Run.objects.filter(workflow=target.workflow).count() == 13
