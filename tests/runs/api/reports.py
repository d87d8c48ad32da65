"""What tests of ingest send, and what must hold of runs that others report."""

import itertools

from django.db import connection

from runs.models import Event, Run
from tests.runs.invariants import INVARIANTS, broken

URL = "/api/events"
PERMISSIONS = ("ingest_event", "view_run", "view_workflow", "retry_run", "terminate_run")
_numbers = itertools.count()
# What does not hold of them: their clocks go as they like, and nobody defined their nodes.
_OURS = {
    "nothing in a log is earlier than what stands before it",
    "ids are in the order of creation and hold its time",
    "a run's version is one of its workflow",
    "a run of a version has that version's nodes",
    "an event names a node of its run",
    "a node's status is what its last event left it in",
    "a node's numbers lead to its events",
    "an attempt's numbers lead to its events",
    "a node has the attempts that it counts",
    "a run's end is the time of the event that ended it",
    "a run's start is the time of the event that started it",
}


def told(type_, run="r1", node=None, id_=None, **fields):
    """An event of the source “airflow”; its time is at second `s` of a fixed minute."""
    if (second := fields.pop("s", None)) is not None:
        fields["at"] = f"2026-01-31T02:00:{second:02}Z"
    event = {
        "event_id": id_ or f"e{next(_numbers):09}",
        "source": "airflow",
        "external_id": run,
        "workflow": "nightly",
        "type": type_,
        **fields,
    }
    return event | ({"node": node} if node else {})


def the_run(run="r1"):
    return Run.objects.get(source__name="airflow", external_id=run)


def log_of(run="r1"):
    """(kind, sender's id) of the run's history, in order."""
    events = Event.objects.filter(run=the_run(run)).order_by("seq")
    return list(events.values_list("kind", "sender_id"))


def assert_whole():
    assert not broken(*(INVARIANTS.keys() - _OURS))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM event_tracking WHERE sender_id IS NOT NULL"
            " GROUP BY source_id, sender_id HAVING count(*) > 1"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT id FROM nodes WHERE completed_at < started_at UNION ALL"
            " SELECT id FROM attempts WHERE completed_at < started_at UNION ALL"
            " SELECT n.id FROM nodes n JOIN jobs j ON j.id = n.run_id"
            " WHERE n.started_at < j.created_at"
        )
        assert cursor.fetchall() == []
