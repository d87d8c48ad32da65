"""Starting, retrying and terminating."""

import logging

import pytest
from rest_framework.test import APIClient

from runs.models import AuditEntry, Event, Run, Workflow
from runs.payload import MAX_DEPTH
from runs.rows import NewEvent
from runs.states import Kind, RunState
from tests.runs.api.conftest import ERROR, INPUT, record, stored
from tests.runs.conftest import changed, executor_node

START = "/api/workflows/invoices/runs/"


@pytest.fixture
def refusals(caplog):
    """The lines that the API wrote about what it refused."""
    caplog.set_level(logging.WARNING)

    def lines():
        return [r.getMessage() for r in caplog.records if r.name == "runs.api"]

    return lines


# -- Start -----------------------------------------------------------------------------------


def test_a_run_is_started(client, workflow, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(START, {"input": INPUT}, format="json")
    assert response.status_code == 201
    shown = response.json()
    run = Run.objects.get()
    assert response["Location"] == f"http://testserver/api/runs/{run}/"
    assert client.get(response["Location"]).json() == shown
    assert (shown["id"], shown["state"], shown["trigger"]) == (run.public_id, "created", "api")
    assert (shown["triggered_by"], shown["ref_type"]) == ("olga", "user")
    assert shown["ref_id"].startswith("user_")
    assert Event.objects.get(run=run, seq=1).data["input"] == INPUT
    assert list(run.nodes.values_list("key", "status")) == [
        ("first", "queued"), ("second", "pending"),
    ]  # fmt: skip
    audit = AuditEntry.objects.get()
    assert (audit.actor, audit.action, audit.target_id) == ("olga", "start", run.public_id)


def test_the_callers_reference_is_kept(client, workflow):
    body = {"input": INPUT, "ref_type": "order", "ref_id": "4711"}
    shown = client.post(START, body, format="json").json()
    assert (shown["ref_type"], shown["ref_id"], shown["triggered_by"]) == ("order", "4711", "olga")


def test_the_newest_version_runs_unless_another_is_named(client, workflow, publish):
    publish(executor_node("only", "probe.noop"), slug="invoices")
    post = client.post
    assert post(START, {"input": {}}, format="json").json()["workflow_version"] == 2
    for version, number in [(1, 1), (2, 2), (None, 2)]:
        body = {"input": INPUT, "version": version}
        assert post(START, body, format="json").json()["workflow_version"] == number


def test_an_input_that_breaks_the_schema_is_a_failed_run(client, workflow):
    response = client.post(START, {"input": {"document": 7}}, format="json")
    assert response.status_code == 201
    shown = response.json()
    assert shown["state"] == "failed"
    assert shown["error"]["kind"] == "InputInvalid"
    assert "document" in shown["error"]["message"]
    run = Run.objects.get()
    assert response["Location"].endswith(f"/api/runs/{run}/")
    states = run.events.filter(kind="state_changed").values_list("data__from", "data__to")
    assert list(states) == [("created", "failed")]
    assert shown["started_at"] is None
    assert shown["completed_at"] is not None


@pytest.mark.parametrize("value", [None, 1, "text", [1, 2], {}, {"deep": [{"er": "ü"}]}])
def test_any_json_may_be_an_input(client, publish, value):
    publish(executor_node("only"), slug="free")
    response = client.post("/api/workflows/free/runs/", {"input": value}, format="json")
    assert response.status_code == 201
    assert client.get(response["Location"] + "context/").json()["input_data"] == value


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["input"]),
        ({"inputs": {}}, ["inputs"]),
        ({"input": {}, "version": 0}, ["version"]),
        ({"input": {}, "version": 9}, ["version"]),
        ({"input": {}, "version": 10**30}, ["version"]),
        ({"input": {}, "version": "one"}, ["version"]),
        ({"input": {}, "ref_type": "x" * 65, "ref_id": "1"}, ["ref_type"]),
        ({"input": {}, "ref_type": "order", "ref_id": "x" * 201}, ["ref_id"]),
        ({"input": {}, "ref_id": "1"}, ["ref_type"]),
        ({"input": {}, "ref_type": {}, "ref_id": []}, ["ref_type", "ref_id"]),
        ([], [""]),
        ("text", [""]),
        (None, ["input"]),
        *(
            ({"input": {}, "ref_type": word, "ref_id": "1"}, ["ref_type"])
            for word in ("user", "token", "schedule", "webhook", "event", "automation", "User")
        ),
    ],
)
def test_a_body_that_cannot_be_meant_is_refused(client, workflow, refusals, body, fields):
    before = stored()
    response = client.post(START, body, format="json")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == fields
    assert all(error["message"] for error in response.json()["errors"])
    assert stored() == before
    assert len(refusals()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"", b" ", b"nonsense", b'{"input": NaN}', b'{"input": Infinity}',
        b'{"input": 1e999}', b'{"input": 1, "input": 2}', b'{"input": "\xff"}',
        b'\xef\xbb\xbf{"input": 1}', b'{"input": "\\ud800"}', b'{"input": "\\u0000"}',
        b'{"input": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"input": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"input": ' + b"9" * 5_000 + b"}", '{"input": "ü"}'.encode("latin-1"),
        '{"input": 1}'.encode("utf-16"), b"input=1",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(client, workflow, refusals, body):
    before = stored()
    response = client.post(START, body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert stored() == before
    assert len(refusals()) == 1


@pytest.mark.parametrize("size", [1_000_001, 2_600_000])
def test_an_input_that_is_too_large_is_refused(client, workflow, refusals, size):
    before = stored()
    response = client.post(START, {"input": {"document": "x" * size}}, format="json")
    assert response.status_code == 413
    assert "bytes" in response.json()["detail"]
    assert stored() == before
    assert len(refusals()) == 1


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 400])
def test_an_input_that_is_nested_too_deep_is_refused(client, workflow, refusals, levels):
    before = stored()
    # The body itself is a level.
    body = f'{{"input": {"[" * levels}{"]" * levels}}}'
    response = client.post(START, body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert "nested more than 100 levels deep" in response.json()["detail"]
    assert stored() == before
    assert len(refusals()) == 1


def test_the_deepest_input_is_taken_and_can_be_read_again(client, publish):
    publish(executor_node("a"), slug="invoices")
    levels = MAX_DEPTH - 1
    body = f'{{"input": {"[" * levels}{"]" * levels}}}'
    started = client.post(START, body, content_type="application/json")
    assert started.status_code == 201
    context = client.get(f"/api/runs/{started.json()['id']}/context/").json()
    assert str(context["input_data"]) == "[" * levels + "]" * levels


def test_the_largest_input_is_taken(client, workflow):
    data = {"document": ""}
    data["document"] = "x" * (1_000_000 - len('{"document":""}'))
    assert client.post(START, {"input": data}, format="json").json()["state"] == "created"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ],
)
def test_another_media_type_is_refused(client, workflow, refusals, kind):
    before = stored()
    response = client.post(START, b'{"input": {}}', content_type=kind)
    assert response.status_code == 415
    assert stored() == before
    assert len(refusals()) == 1


def test_a_body_without_a_length_is_refused_rather_than_lost(client, run_in, refusals):
    run = run_in("active")
    response = client.generic(
        "POST", f"/api/runs/{run}/terminate/", headers={"Transfer-Encoding": "chunked"}
    )
    assert response.status_code == 411
    run.refresh_from_db()
    assert run.state == RunState.ACTIVE
    assert len(refusals()) == 1


def test_a_workflow_without_a_version_cannot_be_started(client, refusals):
    Workflow.objects.create(slug="empty")
    response = client.post("/api/workflows/empty/runs/", {"input": {}}, format="json")
    assert response.status_code == 409
    assert not Run.objects.exists()


def test_a_run_of_a_version_that_does_not_pass_the_checks_is_recorded_as_failed(client, publish):
    publish({"id": "x", "kind": "teleport"}, slug="future")
    response = client.post("/api/workflows/future/runs/", {"input": {}}, format="json")
    assert response.status_code == 201
    shown = response.json()
    assert (shown["state"], shown["error"]["kind"]) == ("failed", "DefinitionInvalid")
    assert "teleport" in shown["error"]["message"]


# -- Retry -----------------------------------------------------------------------------------


def test_a_failed_run_is_retried(client, run_in):
    original = run_in("failed", ref_type="order", ref_id="4711")
    response = client.post(f"/api/runs/{original}/retry/", {"reason": "fixed"}, format="json")
    assert response.status_code == 201
    shown = response.json()
    assert response["Location"].endswith(f"/api/runs/{shown['id']}/")
    assert shown["id"] != original.public_id
    assert (shown["retry_of"], shown["first_run"]) == (original.public_id, original.public_id)
    assert (shown["trigger"], shown["triggered_by"]) == ("manual", "olga")
    assert (shown["ref_type"], shown["ref_id"]) == ("order", "4711")
    assert client.get(response["Location"] + "context/").json()["input_data"] == INPUT
    assert AuditEntry.objects.filter(action="retry", actor="olga", reason="fixed").exists()
    assert client.get(f"/api/runs/{original}/").json()["state"] == "failed"


def test_a_retry_needs_no_body(client, run_in):
    assert client.post(f"/api/runs/{run_in('failed')}/retry/").status_code == 201


def test_a_retry_of_a_retry_names_the_first_run(client, run_in):
    first = run_in("failed")
    client.post(f"/api/runs/{first}/retry/")
    second = Run.objects.get(retry_of=first)
    record(second, changed("created", "failed", error=ERROR))
    shown = client.post(f"/api/runs/{second}/retry/").json()
    assert (shown["retry_of"], shown["first_run"]) == (second.public_id, first.public_id)


@pytest.mark.parametrize(
    ("state", "actions", "words"),
    [
        ("created", ["terminate"], "can be terminated"),
        ("active", ["terminate"], "can be terminated"),
        ("completed", ["start"], "can be started again"),
        ("terminated", ["start"], "can be started again"),
    ],
)
def test_only_failed_runs_are_retried(client, run_in, refusals, state, actions, words):
    run = run_in(state)
    before = stored()
    response = client.post(f"/api/runs/{run}/retry/", {}, format="json")
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"].endswith("wrong-state")
    assert (problem["state"], problem["actions"]) == (state, actions)
    assert state in problem["detail"]
    assert words in problem["detail"]
    assert problem["instance"] == f"/api/runs/{run}/retry/"
    assert stored() == before
    assert len(refusals()) == 1


# -- Terminate -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["created", "active"])
def test_an_open_run_is_terminated(client, run_in, state):
    run = run_in(state)
    response = client.post(f"/api/runs/{run}/terminate/", {"reason": "wrong file"}, format="json")
    assert response.status_code == 200
    shown = response.json()
    assert (shown["id"], shown["state"]) == (run.public_id, "terminated")
    assert (shown["ended_by"], shown["reason"]) == ("olga", "wrong file")
    assert shown["draining"] == (1 if state == "active" else 0)
    assert (shown["started_at"] is None) == (state == "created")
    assert AuditEntry.objects.filter(action="terminate", actor="olga", reason="wrong file").exists()


@pytest.mark.parametrize(
    ("state", "actions"),
    [("completed", ["start"]), ("failed", ["retry", "start"]), ("terminated", ["start"])],
)
def test_a_final_run_is_not_terminated(client, run_in, refusals, state, actions):
    run = run_in(state)
    before = stored()
    response = client.post(f"/api/runs/{run}/terminate/", {}, format="json")
    assert response.status_code == 409
    assert (response.json()["state"], response.json()["actions"]) == (state, actions)
    assert f"It is {state} already." in response.json()["detail"]
    assert stored() == before
    assert len(refusals()) == 1


@pytest.mark.parametrize("act", ["retry", "terminate"])
@pytest.mark.parametrize(
    "body", [{"reason": "x" * 501}, {"reason": ["a"]}, {"reasn": "x"}, {"reason": "a\0b"}, ["x"]]
)
def test_an_act_whose_reason_cannot_be_kept_is_refused(client, run_in, refusals, act, body):
    run = run_in("failed" if act == "retry" else "active")
    before = stored()
    response = client.post(f"/api/runs/{run}/{act}/", body, format="json")
    assert response.status_code == 400
    assert stored() == before
    assert len(refusals()) == 1


# -- What the log says -----------------------------------------------------------------------


def test_a_refused_act_is_one_line_with_who_what_and_why(client, run_in, caplog):
    run = run_in("completed")
    caplog.set_level(logging.INFO)
    client.post(f"/api/runs/{run}/retry/", {}, format="json")
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert (line.name, line.levelno) == ("runs.api", logging.WARNING)
    text = line.getMessage()
    assert "olga (user_" in text
    assert f"POST /api/runs/{run}/retry/" in text
    assert "409" in text
    assert "completed" in text


def test_a_refusal_for_csrf_names_the_sessions_user(login, run_in, refusals):
    login("retry_run", csrf=True).post(f"/api/runs/{run_in('failed')}/retry/", {}, format="json")
    (line,) = refusals()
    assert "olga (user_" in line
    assert "CSRF" in line


def test_nobody_is_called_anonymous(run_in, refusals):
    APIClient().post(f"/api/runs/{run_in('failed')}/retry/", {}, format="json")
    assert "by anonymous" in refusals()[0]


def test_a_caller_cannot_forge_lines_of_the_log(client, workflow, refusals):
    body = {"input": {}, "x\nrefused with 409: forged": 1}
    client.post(START, body, format="json")
    (line,) = refusals()
    assert "\n" not in line


def test_reading_writes_no_line(client, run_in, refusals):
    client.get("/api/runs/run_none/")
    client.get("/api/runs/?state=gone")
    assert refusals() == []


@pytest.mark.django_db(transaction=True)
def test_acts_stand_without_a_broker(client, run_in):
    """Committed for good, with the hints and the bells that follow it; nobody need hear them."""
    original = run_in("failed")
    retried = client.post(f"/api/runs/{original}/retry/").json()
    assert retried["state"] == "created"
    ended = client.post(f"/api/runs/{retried['id']}/terminate/").json()
    assert ended["state"] == "terminated"


def test_a_run_that_is_being_retried_is_not_retried_again(client, run_in):
    run = run_in("failed")
    first = client.post(f"/api/runs/{run}/retry/", {}, format="json").json()
    response = client.post(f"/api/runs/{run}/retry/", {}, format="json")
    assert response.status_code == 409
    problem = response.json()
    assert f"is being retried already, as {first['id']}." in problem["detail"]
    assert (problem["state"], problem["actions"]) == ("failed", ["start"])
    assert Run.objects.filter(retry_of=run.pk).count() == 1


def test_a_retry_from_the_failed_node_keeps_what_completed(client, workflow, run_in):
    run = run_in("active")
    started = {"worker": "w", "input": INPUT, "timeout_seconds": 60}
    error = {"node": "second", "kind": "Broken", "message": "no"}
    record(
        run,
        NewEvent(Kind.NODE_STARTED, node="first", attempt=1, data=started),
        NewEvent(Kind.NODE_COMPLETED, node="first", attempt=1, data={"output": {"text": "a"}}),
        NewEvent(Kind.NODE_FAILED, node="second", data={"error": error}),
        changed("active", "failed", error=error),
    )
    url = f"/api/runs/{run}/retry/"
    assert client.post(url, {"from_failed": "perhaps"}, format="json").status_code == 400
    shown = client.post(url, {"from_failed": True}, format="json").json()
    assert (shown["retry_of"], shown["nodes"]) == (run.public_id, {"total": 2, "done": 1})
    nodes = client.get(f"/api/runs/{shown['id']}/context/").json()["nodes"]
    assert nodes["first"]["output"] == {"text": "a"}
    assert nodes["first"]["metadata"]["reused_from"] == run.public_id
    rows = client.get(f"/api/runs/{shown['id']}/timeline/").json()["rows"]
    assert [row["reused_from"] for row in rows] == [run.public_id, None]
