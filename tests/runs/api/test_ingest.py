"""Runs that are executed elsewhere: what is reported becomes a run like any other."""

import gzip
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs import lifecycle
from runs.models import (
    Attempt,
    AuditEntry,
    Event,
    Lease,
    LLMCall,
    Node,
    ReadyNode,
    Run,
    Source,
    Workflow,
)
from tests.runs.api.reports import PERMISSIONS, URL, assert_whole, log_of, the_run, told
from tests.runs.conftest import ANNA

pytestmark = pytest.mark.django_db
NDJSON = "application/x-ndjson"


@pytest.fixture
def reporter(login):
    client = login(*PERMISSIONS)

    def report(*events):
        answer = client.post(URL, list(events), format="json")
        assert answer.status_code == 200, answer.content
        return answer.json()

    report.client = client
    return report


def counts(answer):
    return answer["stored"], answer["duplicates"], answer["refused"]


def test_a_reported_run_looks_like_any_other(reporter):
    llm = {"model": "m", "input_tokens": 5, "output_tokens": 2, "cost": 0.25}
    answer = reporter(
        told("run_created", input={"day": 1}, s=0, triggered_by="anna"),
        told("node_started", node="extract", s=1, data={"input": {"a": 1}}),
        told("log", node="extract", s=2, data={"message": "hello", "level": "WARN"}),
        told("llm_call", node="extract", s=3, data=llm),
        told("progress", node="extract", s=3, data={"done": 1, "total": 2}),
        told("node_completed", node="extract", s=4, data={"output": {"rows": 3}}),
        told("run_completed", s=5),
    )
    assert answer == {"stored": 7, "duplicates": 0, "refused": 0, "refusals": []}
    public_id = the_run().public_id
    shown = reporter.client.get(f"/api/runs/{public_id}/").json()
    assert (shown["state"], shown["workflow_id"]) == ("completed", "nightly")
    assert shown["created_at"] == "2026-01-31T02:00:00.000Z"
    assert shown["started_at"] == "2026-01-31T02:00:01.000Z"
    assert shown["completed_at"] == "2026-01-31T02:00:05.000Z"
    assert shown["duration_ms"] == 4_000
    assert shown["triggered_by"] == "anna"
    assert (shown["ref_type"], shown["ref_id"]) == ("airflow", "r1")
    assert shown["nodes"] == {"total": 1, "done": 1}
    assert shown["cost"] == "0.2500000000"
    context = reporter.client.get(f"/api/runs/{public_id}/context/").json()
    assert context["input_data"] == {"day": 1}
    extract = context["nodes"]["extract"]
    assert (extract["input"], extract["output"]) == ({"a": 1}, {"rows": 3})
    assert extract["metadata"]["duration_ms"] == 3_000
    assert [kind for kind, _ in log_of()] == [
        "run_created", "state_changed", "node_started", "log", "llm_call", "progress",
        "node_completed", "state_changed",
    ]  # fmt: skip
    assert LLMCall.objects.get().model == "m"
    assert_whole()


def test_its_page_shows_it_and_offers_nothing_that_is_done_elsewhere(reporter):
    reporter(
        told("node_started", node="step-1.a", s=1),
        told("node_failed", node="step-1.a", s=2, data={"error": "disk full"}),
        told("run_failed", s=3),
    )
    page = reporter.client.get(f"/admin/runs/run/{the_run().public_id}/").content.decode()
    assert "step-1.a" in page
    assert "disk full" in page
    assert 'value="retry"' not in page
    for act in ("retry", "terminate"):
        answer = reporter.client.post(f"/api/runs/{the_run().public_id}/{act}/", {}, format="json")
        assert answer.status_code == 409
    assert Run.objects.count() == 1


def test_an_open_run_is_not_terminated_from_here(reporter):
    reporter(told("node_started", node="a"))
    outcome = lifecycle.terminate(Run.objects.all(), by=ANNA)
    assert outcome.skipped == {the_run().pk: lifecycle.ELSEWHERE}
    assert the_run().state == "active"


def test_the_engine_never_touches_a_reported_run(reporter):
    reporter(told("node_queued", node="a"), told("node_started", node="b"))
    assert the_run().state == "active"
    assert Attempt.objects.count() == 1
    assert not ReadyNode.objects.exists()
    assert not Lease.objects.exists()


def test_what_is_new_is_made_on_first_sight(reporter):
    reporter(told("log", data={"message": "hello"}), told("log", "r2", data={"message": "hello"}))
    source = Source.objects.get()
    assert (source.name, source.created_by.username) == ("airflow", "olga")
    assert source.last_event_at is not None
    version = Workflow.objects.get().versions.get()
    assert version.definition == {"executed": "elsewhere"}
    assert AuditEntry.objects.get(target_type="source").actor == "olga"
    assert Run.objects.count() == 2
    assert the_run("r2").state == "created"


def test_a_workflow_that_this_portal_executes_takes_no_reports(reporter, publish):
    publish({"id": "first", "kind": "executor", "executor": "probe.noop"}, slug="nightly")
    answer = reporter(told("log", data={"message": "hello"}))
    assert counts(answer) == (0, 0, 1)
    assert answer["refusals"][0]["field"] == "workflow"
    assert not Run.objects.exists()
    assert Workflow.objects.get().versions.count() == 1


def test_a_workflow_that_is_executed_elsewhere_cannot_be_started_here(reporter):
    reporter(told("log", data={"message": "hello"}))
    version = Workflow.objects.get().versions.get()
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    assert (run.state, run.error_kind) == ("failed", "ExecutedElsewhere")


def test_a_run_is_named_by_its_id_too(reporter):
    reporter(told("node_started", node="a"))
    event = told("node_completed", node="a")
    del event["source"], event["external_id"], event["workflow"]
    assert counts(reporter(event | {"run": the_run().public_id})) == (1, 0, 0)
    # Its id is one of its source's.
    assert counts(reporter(told("log", id_=event["event_id"], data={"message": "x"}))) == (0, 1, 0)
    assert Node.objects.get().status == "completed"


def test_the_portals_own_run_takes_lines_but_no_states(reporter, version):
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    base = {"run": run.public_id, "event_id": "x1"}
    line = base | {"type": "log", "node": "first", "data": {"message": "from the host"}}
    call = {"model": "m", "cost": "0.5"}
    assert counts(reporter(line)) == (1, 0, 0)
    assert counts(reporter(line)) == (0, 1, 0)
    assert counts(reporter(base | {"event_id": "x2", "type": "llm_call", "data": call})) == (
        1,
        0,
        0,
    )
    for wrong in (
        {"type": "node_completed", "node": "first"},
        {"type": "run_completed"},
        {"type": "log", "node": "unheard_of", "data": {"message": "x"}},
    ):
        assert counts(reporter(base | {"event_id": "x3"} | wrong)) == (0, 0, 1)
    run.refresh_from_db()
    assert (run.state, str(run.cost)) == ("created", "0.5000000000")
    assert_whole()


def test_another_source_cannot_tell_of_a_run(reporter):
    reporter(told("node_started", node="a"))
    event = told("run_completed", source="dagster") | {"run": the_run().public_id}
    del event["external_id"]
    answer = reporter(event)
    assert (counts(answer), answer["refusals"][0]["field"]) == ((0, 0, 1), "source")


# -- Idempotent ------------------------------------------------------------------------------


def test_the_same_events_again_are_duplicates(reporter):
    events = [told("node_started", node="a"), told("node_completed", node="a")]
    assert counts(reporter(*events)) == (2, 0, 0)
    before = list(Event.objects.values_list()), list(Node.objects.values_list())
    assert counts(reporter(*events, *events)) == (0, 4, 0)
    assert (list(Event.objects.values_list()), list(Node.objects.values_list())) == before


def test_an_id_twice_in_one_call_is_stored_once(reporter):
    event = told("log", data={"message": "once"})
    assert counts(reporter(event, event)) == (1, 1, 0)


def test_a_refused_event_does_not_use_up_its_id(reporter):
    wrong = told("log", data={"message": 7})
    right = wrong | {"data": {"message": "7"}}
    assert counts(reporter(wrong, right)) == (1, 0, 1)


def test_two_sources_may_use_the_same_ids(reporter):
    event = told("log", data={"message": "x"})
    assert counts(reporter(event, event | {"source": "dagster"})) == (2, 0, 0)


# -- Late, early, contradictory --------------------------------------------------------------


def test_a_result_whose_start_comes_later_gets_its_time(reporter):
    reporter(told("node_completed", node="a", s=9, data={"output": 1}))
    node = Node.objects.get()
    assert (node.status, node.started_at) == ("completed", node.completed_at)
    reporter(told("run_created", s=1))
    # A run begins with the first that is heard of it, so nothing of it was earlier.
    reporter(told("node_started", node="b", s=20), told("node_completed", node="b", s=30))
    reporter(told("node_completed", node="c", s=50, attempt=1))
    reporter(told("node_started", node="c", s=40, attempt=1, data={"input": {"x": 1}}))
    late = Node.objects.get(key="c")
    assert late.status == "completed"
    assert (late.completed_at - late.started_at).total_seconds() == 10
    attempt = Attempt.objects.get(node=late)
    assert (attempt.status, attempt.started_at) == ("completed", late.started_at)
    assert attempt.input_seq == late.input_seq is not None
    assert_whole()


def test_history_is_in_order_of_arrival(reporter):
    events = [
        told("node_started", node="a", s=30),
        told("log", node="a", s=10, data={"message": "earlier"}),
        told("log", node="a", s=20, data={"message": "later"}),
    ]
    reporter(*events[:1])
    reporter(*events[1:])
    sent = [id_ for _, id_ in log_of() if id_]
    assert sent == [event["event_id"] for event in events]
    times = list(Event.objects.filter(kind="log").values_list("at__second", flat=True))
    assert times == [10, 20]


def test_lines_alone_are_stored_once_in_order_and_bring_up_their_nodes(reporter):
    reporter(told("node_started", node="a"))
    lines = [told("log", node="a", data={"message": str(n)}) for n in range(5)]
    assert counts(reporter(*lines[:3])) == (3, 0, 0)
    # What is there is passed over; a node that is new makes its run take the long way.
    new = told("log", node="b", data={"message": "5"})
    other = told("log", "r2", data={"message": "6"})
    assert counts(reporter(*lines, lines[4], other)) == (3, 4, 0)
    assert counts(reporter(lines[0], new, other)) == (1, 2, 0)
    logged = Event.objects.filter(run=the_run(), kind="log").order_by("seq")
    assert [event.data["message"] for event in logged] == ["0", "1", "2", "3", "4", "5"]
    assert list(Node.objects.values_list("key", "status")) == [("a", "running"), ("b", "pending")]
    assert the_run().last_seq == 9
    assert_whole()


def test_no_final_state_is_left(reporter):
    reporter(told("node_started", node="a", s=1), told("run_completed", s=2))
    assert Node.objects.get().status == "terminated"
    before = the_run()
    answer = reporter(
        told("node_completed", node="a", s=1),
        told("node_started", node="b", s=3),
        told("run_failed", s=3),
        told("run_started", s=3),
        told("llm_call", node="a", s=3, data={"model": "m", "cost": "0.5"}),
        told("log", s=4, data={"message": "bye"}),
    )
    assert counts(answer) == (6, 0, 0)
    after = the_run()
    assert (after.state, after.state_seq, after.completed_at) == (
        before.state, before.state_seq, before.completed_at,
    )  # fmt: skip
    assert [kind for kind, _ in log_of()][-6:] == [
        "late_result", "log", "log", "log", "llm_call", "log",
    ]  # fmt: skip
    assert Attempt.objects.get().status == "late"
    assert str(after.cost) == "0.5000000000"
    assert_whole()


def test_a_completed_node_is_not_started_again(reporter):
    reporter(told("node_started", node="a", s=1), told("node_completed", node="a", s=2))
    reporter(told("node_started", node="a", s=3), told("node_started", node="a", s=3, attempt=2))
    node = Node.objects.get()
    assert (node.status, node.attempts) == ("completed", 1)
    assert [kind for kind, _ in log_of()][-2:] == ["log", "log"]
    assert_whole()


def test_a_failed_node_may_be_tried_again(reporter):
    reporter(
        told("node_started", node="a", s=1),
        told("node_failed", node="a", s=2, data={"error": {"kind": "Timeout", "message": "no"}}),
    )
    assert the_run().nodes_done == 1
    reporter(told("node_started", node="a", s=3))
    assert the_run().nodes_done == 0
    reporter(told("node_completed", node="a", s=5))
    node = Node.objects.get()
    assert (node.status, node.attempts, node.failures) == ("completed", 2, 1)
    states = list(Attempt.objects.order_by("number").values_list("status", flat=True))
    assert states == ["failed", "completed"]
    assert the_run().nodes_done == 1
    assert_whole()


def test_an_attempt_that_is_overtaken_is_lost_and_its_result_late(reporter):
    reporter(
        told("node_started", node="a", s=1, attempt=1),
        told("node_started", node="a", s=5, attempt=2),
        told("node_failed", node="a", s=4, attempt=1),
    )
    states = list(Attempt.objects.order_by("number").values_list("status", flat=True))
    assert states == ["late", "running"]
    assert Node.objects.get().status == "running"


def test_a_failure_says_why(reporter):
    error = {"kind": "Broken", "message": "page 3", "trace": "line 1"}
    reporter(
        told("node_started", node="a", s=1),
        told("node_failed", node="a", s=2, data={"error": error}),
        told("run_failed", s=3),
    )
    run = the_run()
    assert (run.error_node, run.error_kind, run.error_message) == ("a", "Broken", "page 3")


def test_a_queued_run_that_is_terminated_was_never_started(reporter):
    reporter(told("run_created", s=0), told("run_terminated", s=3, actor="anna"))
    run = the_run()
    assert (run.state, run.started_at, run.ended_by) == ("terminated", None, "anna")
    assert_whole()


def test_a_clock_that_goes_back_ends_nothing_before_it_began(reporter):
    reporter(
        told("run_created", s=10),
        told("node_started", node="a", s=30),
        told("node_completed", node="a", s=20),
        told("run_completed", s=5),
    )
    run, node = the_run(), Node.objects.get()
    assert run.created_at <= run.started_at <= run.completed_at
    assert node.started_at <= node.completed_at
    assert_whole()


def test_what_orders_the_creation_within_a_call_is_not_its_place(reporter):
    reporter(
        told("node_started", node="a", s=2),
        told("run_created", s=1, input={"a": 1}, workflow="other"),
    )
    assert [kind for kind, _ in log_of()] == ["run_created", "state_changed", "node_started"]
    assert Event.objects.get(seq=1).data["input"] == {"a": 1}


# -- How it is sent --------------------------------------------------------------------------


def ndjson(*events):
    return b"\n".join(json.dumps(event).encode() for event in events)


def test_ndjson_and_gzip(reporter):
    lines = ndjson(told("log", data={"message": "1"}), told("log", data={"message": "ü 😀"}))
    plain = reporter.client.post(URL, lines + b"\r\n\n", content_type=NDJSON)
    assert plain.json()["stored"] == 2
    packed = gzip.compress(ndjson(told("log", data={"message": "3"}))) + gzip.compress(
        b"\n" + ndjson(told("log", data={"message": "4"}))
    )
    answer = reporter.client.post(
        URL, packed, content_type=NDJSON, headers={"Content-Encoding": "gzip"}
    )
    assert answer.json()["stored"] == 2
    assert Event.objects.filter(data__message="ü 😀").exists()


def test_the_number_of_statements_does_not_grow(reporter):
    def statements(prefix, runs, each):
        events = [
            event
            for run in range(runs)
            for number in range(each)
            for event in (
                told("node_started", f"{prefix}{run}", node=f"n{number}"),
                told("node_completed", f"{prefix}{run}", node=f"n{number}"),
            )
        ]
        with CaptureQueriesContext(connection) as captured:
            assert reporter(*events)["stored"] == len(events)
        return len(captured)

    statements("warm", 1, 1)
    few = statements("few", 1, 2)
    assert statements("many", 100, 5) == few


def test_many_runs_and_events_go_in_parts(reporter, monkeypatch):
    monkeypatch.setattr("runs.ingest.intake.MAX_RUNS", 3)
    monkeypatch.setattr("runs.ingest.intake.MAX_EVENTS", 5)
    events = [told("log", f"r{n % 4}", data={"message": str(n)}) for n in range(31)]
    assert counts(reporter(*events)) == (31, 0, 0)
    assert counts(reporter(*events)) == (0, 31, 0)
    for run in range(4):
        seen = [e.data["message"] for e in Event.objects.filter(run=the_run(f"r{run}"), kind="log")]
        assert seen == [str(n) for n in range(31) if n % 4 == run]
    assert_whole()
