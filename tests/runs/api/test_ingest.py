"""Runs that are executed elsewhere: what is reported becomes a run like any other."""

import json

import pytest

from runs.models import Attempt, Event, Lease, Node, ReadyNode, Run, Source, Workflow
from tests.runs.invariants import broken

pytestmark = pytest.mark.django_db

URL = "/api/events"
_number = iter(range(10**9))
# What does not hold of runs that others report: their clocks, and nodes that nobody defined.
OURS = {
    "nothing in a log is earlier than what stands before it",
    "ids are in the order of creation and hold its time",
    "a run's version is one of its workflow",
    "a run of a version has that version's nodes",
    "a node's status is what its last event left it in",
    "a node's numbers lead to its events",
    "an attempt's numbers lead to its events",
    "a node has the attempts that it counts",
    "a run's end is the time of the event that ended it",
    "a run's start is the time of the event that started it",
}


def told(type_, run="r1", *, node=None, id_=None, **fields):
    event = {
        "event_id": id_ or f"e{next(_number)}",
        "source": "airflow",
        "external_id": run,
        "workflow": "nightly",
        "type": type_,
        **fields,
    }
    return event | ({"node": node} if node else {})


@pytest.fixture
def reporter(login):
    client = login("ingest_event", "view_run", "view_workflow", "retry_run", "terminate_run")

    def report(*events, **options):
        return client.post(URL, list(events), format="json", **options)

    report.client = client
    return report


def the_run(run="r1"):
    return Run.objects.get(source__name="airflow", external_id=run)


def kinds(run="r1"):
    return list(Event.objects.filter(run=the_run(run)).values_list("seq", "kind"))


def assert_whole():
    assert not broken(
        *(
            name
            for name in __import__("tests.runs.invariants").runs.invariants.INVARIANTS
            if name not in OURS
        )
    )


def test_a_reported_run_looks_like_any_other(reporter):
    answer = reporter(
        told("run_created", input={"day": 1}, at="2026-01-31T02:00:00Z", triggered_by="anna"),
        told("node_started", node="extract", at="2026-01-31T02:00:01Z", data={"input": {"a": 1}}),
        told("log", node="extract", at="2026-01-31T02:00:02Z", data={"message": "hello"}),
        told("llm_call", node="extract", at="2026-01-31T02:00:03Z",
             data={"model": "m", "input_tokens": 5, "output_tokens": 2, "cost": 0.25}),
        told("progress", node="extract", at="2026-01-31T02:00:03Z", data={"done": 1, "total": 2}),
        told("node_completed", node="extract", at="2026-01-31T02:00:04Z",
             data={"output": {"rows": 3}}),
        told("run_completed", at="2026-01-31T02:00:05Z"),
    )  # fmt: skip
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"stored": 7, "duplicates": 0, "refused": 0, "refusals": []}
    run = the_run()
    shown = reporter.client.get(f"/api/runs/{run.public_id}/").json()
    assert shown["state"] == "completed"
    assert shown["workflow_id"] == "nightly"
    assert shown["created_at"] == "2026-01-31T02:00:00.000Z"
    assert shown["started_at"] == "2026-01-31T02:00:01.000Z"
    assert shown["completed_at"] == "2026-01-31T02:00:05.000Z"
    assert shown["duration_ms"] == 4_000
    assert shown["triggered_by"] == "anna"
    assert (shown["ref_type"], shown["ref_id"]) == ("airflow", "r1")
    assert shown["nodes"] == {"total": 1, "done": 1}
    assert shown["cost"] == "0.2500000000"
    context = reporter.client.get(f"/api/runs/{run.public_id}/context/").json()
    assert context["input_data"] == {"day": 1}
    assert context["nodes"]["extract"]["input"] == {"a": 1}
    assert context["nodes"]["extract"]["output"] == {"rows": 3}
    assert context["nodes"]["extract"]["metadata"]["duration_ms"] == 3_000
    assert kinds() == [
        (1, "run_created"), (2, "state_changed"), (3, "node_started"), (4, "log"), (5, "llm_call"),
        (6, "progress"), (7, "node_completed"), (8, "state_changed"),
    ]  # fmt: skip
    assert_whole()


def test_the_same_events_again_are_duplicates(reporter):
    events = [told("node_started", node="a"), told("node_completed", node="a")]
    assert reporter(*events).json()["stored"] == 2
    before = list(Event.objects.values_list())
    assert reporter(*events, *events).json() == {
        "stored": 0, "duplicates": 4, "refused": 0, "refusals": [],
    }  # fmt: skip
    assert list(Event.objects.values_list()) == before


def test_the_engine_never_touches_a_reported_run(reporter):
    reporter(told("node_queued", node="a"), told("node_started", node="b"))
    assert the_run().state == "active"
    assert Attempt.objects.count() == 1
    assert not ReadyNode.objects.exists()
    assert not Lease.objects.exists()
    assert Workflow.objects.get(slug="nightly").versions.get().definition == {
        "executed": "elsewhere"
    }
    assert Source.objects.get().last_event_at is not None
    assert Node.objects.count() == 2


def test_ndjson_stores_the_good_lines(reporter):
    body = b"\n".join([json.dumps(told("log", data={"message": "1"})).encode(), b"{broken", b"",
                       json.dumps(told("log", data={"message": "2"})).encode()])  # fmt: skip
    answer = reporter.client.post(URL, body, content_type="application/x-ndjson")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert (found["stored"], found["refused"]) == (2, 1)
    assert found["refusals"][0]["index"] == 1
