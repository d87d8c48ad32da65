"""Reading runs: the list, one run, its job, its context, its events."""

import os
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from runs import lifecycle
from runs.context import output_of
from runs.models import Event, Run
from runs.rows import NewEvent
from runs.states import Kind, RunState
from tests.runs.api.conftest import ANNA, INPUT, begun, broke, gave, record
from tests.runs.conftest import changed, executor_node

FIELDS = {
    "id", "job_id", "workflow_id", "workflow_version", "state", "created_at", "started_at",
    "completed_at", "duration_ms", "trigger", "triggered_by", "ref_type", "ref_id", "retry_of",
    "first_run", "cost", "tokens", "nodes", "current_node", "error", "ended_by", "reason",
    "last_seq", "held", "log_state", "archived_at", "restored_until", "draining", "url", "fired",
}  # fmt: skip


def call(node="first", cost="0.0123456789"):
    data = {"model": "m", "input_tokens": 10, "output_tokens": 2, "cached_tokens": 1, "cost": cost}
    return NewEvent(Kind.LLM_CALL, node=node, attempt=1, data=data)


def log(message, node="first"):
    return NewEvent(Kind.LOG, node=node, attempt=1, data={"level": "info", "message": message})


# -- One run ---------------------------------------------------------------------------------


def test_a_run_shows_all_its_fields(client, run_in):
    run = run_in("completed", seconds=2.5)
    record(run, call())
    shown = client.get(f"/api/runs/{run}/").json()
    assert set(shown) == FIELDS
    assert shown["id"] == run.public_id
    assert shown["job_id"].removeprefix("job_") == run.public_id.removeprefix("run_")
    assert (shown["workflow_id"], shown["workflow_version"]) == ("invoices", 1)
    assert (shown["state"], shown["duration_ms"], shown["error"]) == ("completed", 2500, None)
    assert shown["created_at"].endswith("Z")
    assert len(shown["created_at"]) == len("2026-11-23T11:00:00.000Z")
    assert (shown["trigger"], shown["triggered_by"]) == ("manual", "anna")
    assert (shown["ref_type"], shown["ref_id"]) == ("user", "user_anna")
    assert shown["cost"] == "0.0123456789"
    assert shown["tokens"] == {"input": 10, "output": 2, "cached": 1}
    assert shown["nodes"] == {"total": 2, "done": 2}
    assert shown["last_seq"] == Event.objects.filter(run=run.pk).count()
    assert shown["url"].endswith(f"/admin/runs/run/{run}/")
    assert shown["fired"] is None


def test_a_small_cost_is_no_exponent(client, run_in):
    run = record(run_in("active"), call(cost="0.0000000001"))
    assert run.cost == Decimal("0.0000000001")
    assert client.get(f"/api/runs/{run}/").json()["cost"] == "0.0000000001"


def test_a_failed_run_says_where_and_why(client, run_in):
    shown = client.get(f"/api/runs/{run_in('failed')}/").json()
    assert shown["error"] == {"node": "first", "kind": "Broken", "message": "no"}


def test_an_active_run_says_how_long_it_is_running(client, run_in):
    run = run_in("created")
    record(run, changed("created", "active"), now=timezone.now() - timedelta(minutes=1))
    assert client.get(f"/api/runs/{run}/").json()["duration_ms"] >= 60_000


def test_a_run_that_never_started_has_no_duration(client, run_in):
    run = run_in("created")
    client.post(f"/api/runs/{run}/terminate/", {}, format="json")
    shown = client.get(f"/api/runs/{run}/").json()
    assert (shown["state"], shown["started_at"], shown["duration_ms"]) == ("terminated", None, None)


def test_a_terminated_run_says_how_many_nodes_are_draining(client, run_in):
    active, terminated = run_in("active"), run_in("terminated")
    assert client.get(f"/api/runs/{active}/").json()["draining"] == 0
    assert client.get(f"/api/runs/{terminated}/").json()["draining"] == 1
    by_id = {shown["id"]: shown["draining"] for shown in client.get("/api/runs/").json()["results"]}
    assert by_id == {active.public_id: 0, terminated.public_id: 1}


def test_times_are_in_utc_whatever_the_persons_zone(login, run_in):
    run = run_in("completed")
    client = login("view_run", time_zone="Asia/Kathmandu")
    for path in (f"/api/runs/{run}/", f"/api/runs/{run}/job/"):
        assert client.get(path).json()["created_at"] == (
            f"{run.created_at:%Y-%m-%dT%H:%M:%S}.{run.created_at.microsecond // 1000:03}Z"
        )


def test_a_run_takes_a_bounded_number_of_queries(client, run_in, django_assert_num_queries):
    run = run_in("completed")
    with django_assert_num_queries(5):  # session, user, two of permissions, the run
        client.get(f"/api/runs/{run}/")


# -- The job ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(RunState))
def test_the_job_has_exactly_its_nine_keys(client, run_in, state):
    run = run_in(state)
    job = client.get(f"/api/runs/{run}/job/").json()
    assert list(job) == [
        "job_id", "dag_id", "state", "created_at", "started_at", "completed_at",
        "total_duration_ms", "ref_id", "ref_type",
    ]  # fmt: skip
    assert job["job_id"] == run.job_id
    assert job["dag_id"] == "invoices_v1"
    assert job["state"] == state
    assert (job["completed_at"] is None) == (not run.is_final)
    assert (job["total_duration_ms"] is None) == (not run.is_final)
    assert (job["ref_type"], job["ref_id"]) == ("user", "user_anna")


def test_the_jobs_duration_is_the_difference_of_the_times_it_shows(client, run_in, workflow):
    run = lifecycle.start(workflow, INPUT, trigger="api", by=ANNA)
    begin = timezone.now().replace(microsecond=900)
    record(run, changed("created", "active"), now=begin)
    record(run, changed("active", "completed"), now=begin + timedelta(microseconds=200))
    job = client.get(f"/api/runs/{run}/job/").json()
    assert (job["started_at"][-4:], job["completed_at"][-4:]) == ("000Z", "001Z")
    assert job["total_duration_ms"] == 1


# -- The context -----------------------------------------------------------------------------


def test_the_context_shows_what_went_in_and_came_out(client, run_in):
    run = run_in("completed")
    context = client.get(f"/api/runs/{run}/context/").json()
    assert list(context) == ["run_id", "workflow_id", "workflow_version", "input_data", "nodes"]
    assert context["run_id"] == run.public_id
    assert (context["workflow_id"], context["workflow_version"]) == ("invoices", 1)
    assert context["input_data"] == INPUT
    assert list(context["nodes"]) == ["first", "second"]
    first = context["nodes"]["first"]
    assert set(first) == {"started_at", "completed_at", "input", "output", "metadata"}
    assert (first["input"], first["output"]) == ({"document": "a.pdf"}, {"text": "hello"})
    assert first["metadata"] == {
        "duration_ms": 0, "executor": "probe.echo", "kind": "executor", "status": "completed",
        "attempts": 1,
    }  # fmt: skip


def test_the_context_of_a_failed_run_shows_the_error_with_its_trace(client, run_in):
    context = client.get(f"/api/runs/{run_in('failed')}/context/").json()
    first = context["nodes"]["first"]
    assert first["output"] is None
    assert first["metadata"]["error"] == {"kind": "Broken", "message": "no", "trace": "line 1"}
    assert context["nodes"]["second"] == {
        "started_at": None, "completed_at": None, "input": None, "output": None,
        "metadata": {"duration_ms": None, "executor": "probe.echo", "kind": "executor",
                     "status": "pending", "attempts": 0},
    }  # fmt: skip


def test_a_node_that_completed_after_all_shows_no_error(client, run_in):
    run = run_in("active")
    again = timezone.now().isoformat()
    record(run, broke(retry_at=again), begun(attempt=2, document="b.pdf"))
    first = client.get(f"/api/runs/{run}/context/").json()["nodes"]["first"]
    assert first["metadata"]["error"]["kind"] == "Broken"
    record(run, gave(attempt=2, text="at last"))
    first = client.get(f"/api/runs/{run}/context/").json()["nodes"]["first"]
    assert "error" not in first["metadata"]
    assert first["metadata"]["attempts"] == 2
    assert (first["input"], first["output"]) == ({"document": "b.pdf"}, {"text": "at last"})


@pytest.mark.parametrize("nodes", [1, 60])
def test_the_context_takes_as_many_queries_for_many_nodes_as_for_one(
    client, publish, nodes, django_assert_num_queries
):
    keys = [f"node_{number}" for number in range(nodes)]
    version = publish(*(executor_node(key) for key in keys))
    run = lifecycle.start(version, {}, trigger="manual", by=ANNA)
    record(run, changed("created", "active"))
    for key in keys:
        record(run, begun(key, n=key), gave(key, n=key))
    with django_assert_num_queries(7):  # session, user, permissions (2), run, nodes, payloads
        context = client.get(f"/api/runs/{run}/context/").json()
    assert list(context["nodes"]) == keys
    assert all(node["output"] == {"n": key} for key, node in context["nodes"].items())


def test_a_context_that_would_be_too_large_leaves_payloads_out_and_says_so(client, publish):
    keys = [f"node_{number}" for number in range(20)]
    run = lifecycle.start(publish(*map(executor_node, keys)), {}, trigger="manual", by=ANNA)
    record(run, changed("created", "active"))
    for key in keys:  # random, so that the database cannot make it smaller
        record(run, begun(key, a=1), gave(key, text=os.urandom(450_000).hex()))
    response = client.get(f"/api/runs/{run}/context/")
    assert len(response.content) < 17_000_000
    nodes = response.json()["nodes"]
    for node in nodes.values():
        left_out = node["metadata"].get("omitted", [])
        assert (node["input"] is None) == ("input" in left_out)
        assert (node["output"] is None) == ("output" in left_out)
    assert "omitted" not in nodes["node_0"]["metadata"]
    assert nodes["node_19"]["metadata"]["omitted"] == ["input", "output"]


# -- The output ------------------------------------------------------------------------------


def test_the_output_gathers_what_the_definition_names(run_in):
    assert output_of(run_in("completed")) == {"text": "hello", "missing": None}


@pytest.mark.parametrize("state", ["created", "active", "failed", "terminated"])
def test_only_a_completed_run_has_an_output(run_in, state):
    assert output_of(run_in(state)) is None


def test_an_output_takes_a_bounded_number_of_queries(run_in, django_assert_max_num_queries):
    run = run_in("completed")
    with django_assert_max_num_queries(3):  # the definition where it is new here, nodes, payloads
        output_of(run)


# -- The list --------------------------------------------------------------------------------


def listed(client, query=""):
    response = client.get(f"/api/runs/{query}")
    assert response.status_code == 200, response.json()
    return [shown["id"] for shown in response.json()["results"]]


def test_the_list_shows_the_newest_first(client, run_in):
    runs = [run_in(state) for state in RunState]
    assert listed(client) == [run.public_id for run in reversed(runs)]


def test_the_list_is_filtered_as_the_page_is(client, run_in, publish):
    runs = {state: run_in(state) for state in RunState}
    other = lifecycle.start(
        publish(executor_node("only"), slug="other"), {}, trigger="schedule", by=ANNA
    )
    for state, run in runs.items():
        expected = [run.public_id] if state != "created" else [other.public_id, run.public_id]
        assert listed(client, f"?state={state}") == expected
    assert listed(client, "?state=running") == [runs[RunState.ACTIVE].public_id]
    assert listed(client, "?workflow=other") == [other.public_id]
    assert listed(client, "?workflow=none") == []
    assert listed(client, "?trigger=schedule") == [other.public_id]
    assert listed(client, "?triggered_by=nobody") == []
    assert len(listed(client, "?created=1h&triggered_by=anna")) == 6
    tomorrow = f"{timezone.now() + timedelta(days=1):%Y-%m-%d}"
    assert listed(client, f"?created_from={tomorrow}") == []
    assert len(listed(client, f"?created_to={tomorrow}")) == 6


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=gone", "state"),
        ("stat=failed", "stat"),
        ("after=1", "after"),
        ("trigger=luck", "trigger"),
        ("created=3h", "created"),
        ("created_from=yesterday", "created_from"),
        ("workflow=a%00b", "workflow"),
        ("triggered_by=a%00b", "triggered_by"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(client, run_in, query, field):
    run_in()
    response = client.get(f"/api/runs/?{query}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("count", [1, 5])
def test_the_list_takes_as_many_queries_for_many_runs_as_for_one(
    client, run_in, count, django_assert_num_queries
):
    for _ in range(count):
        run_in("terminated")
    listed(client)  # what versions are called is read once
    # Session, user, two of permissions; savepoint, time limit, runs, release.
    with django_assert_num_queries(8):
        assert len(listed(client)) == count


def test_the_list_reads_no_definitions(client, run_in, django_assert_num_queries):
    run_in()
    with django_assert_num_queries(9) as captured:  # with what its version is called
        listed(client)
    assert not any("definition" in query["sql"] for query in captured.captured_queries)


# -- Events ----------------------------------------------------------------------------------


def test_events_come_in_order_in_the_shape_of_the_stream(client, run_in):
    run = run_in("completed")
    body = client.get(f"/api/runs/{run}/events/").json()
    assert [event["seq"] for event in body["results"]] == list(range(1, run.last_seq + 1))
    assert body["next"] is None
    first = body["results"][0]
    assert list(first) == ["seq", "kind", "node", "attempt", "actor", "at", "data"]
    assert (first["kind"], first["data"]["input"], first["actor"]) == ("run_created", INPUT, "anna")
    assert first["at"].endswith("Z")


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_pages_of_events_join_to_the_whole_log(client, run_in, limit):
    run = record(run_in("active"), *(log(f"line {n}") for n in range(20)))
    path, seqs = f"/api/runs/{run}/events/?limit={limit}", []
    while path:
        body = client.get(path).json()
        assert len(body["results"]) <= limit
        seqs += [event["seq"] for event in body["results"]]
        path = body["next"]
    assert seqs == list(range(1, run.last_seq + 1))


def test_events_are_filtered_by_kind_and_node(client, run_in):
    run = record(run_in("active"), log("one"), log("two", node="second"), call())

    def kinds(query):
        body = client.get(f"/api/runs/{run}/events/?{query}").json()
        return [(event["kind"], event["node"]) for event in body["results"]]

    assert kinds("kind=log") == [("log", "first"), ("log", "second")]
    assert kinds("kind=log&node=second") == [("log", "second")]
    assert kinds("kind=log&kind=llm_call&node=first") == [("log", "first"), ("llm_call", "first")]
    assert kinds("node=none") == []


def test_filtered_events_are_paged_to_their_end(client, run_in):
    run = record(run_in("active"), *(e for n in range(5) for e in (log(f"{n}"), call())))
    path, messages = f"/api/runs/{run}/events/?kind=log&limit=2", []
    while path:
        body = client.get(path).json()
        messages += [event["data"]["message"] for event in body["results"]]
        path = body["next"]
    assert messages == ["0", "1", "2", "3", "4"]


def test_events_after_the_last_are_none(client, run_in):
    run = run_in()
    body = client.get(f"/api/runs/{run}/events/?after={run.last_seq}").json()
    assert body == {"results": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"), ("after=x", "after"), ("after=9999999999", "after"),
        ("limit=1001", "limit"), ("limit=0", "limit"), ("kind=none", "kind"),
        ("node=a%00", "node"), ("node=" + "x" * 65, "node"), ("knd=log", "knd"),
    ],
)  # fmt: skip
def test_events_that_cannot_be_meant_are_refused(client, run_in, query, field):
    response = client.get(f"/api/runs/{run_in()}/events/?{query}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_page_of_large_events_ends_early_and_loses_none(client, run_in):
    run = run_in("active")
    # Random, so that the database cannot make it smaller: six times 900 kB.
    record(run, *(log(os.urandom(450_000).hex()) for _ in range(6)))
    path, sizes, seqs = f"/api/runs/{run}/events/?limit=1000", [], []
    while path:
        response = client.get(path)
        sizes.append(len(response.content))
        seqs += [event["seq"] for event in response.json()["results"]]
        path = response.json()["next"]
    assert seqs == list(range(1, run.last_seq + 1))
    assert len(sizes) == 2
    assert max(sizes) < 5_000_000


def test_events_take_a_bounded_number_of_queries(client, run_in, django_assert_num_queries):
    run = record(run_in("active"), *(log(f"line {n}") for n in range(50)))
    with django_assert_num_queries(7):  # session, user, permissions (2), run, sizes, events
        client.get(f"/api/runs/{run}/events/")


def test_runs_in_the_list_are_those_of_the_database(client, run_in):
    for state in RunState:
        run_in(state)
    assert set(listed(client)) == {run.public_id for run in Run.objects.all()}
