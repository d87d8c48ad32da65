"""Who may call what, and what is refused: asked within this process."""

import json
import logging
from urllib.parse import quote

import pytest
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from retention import executions
from retention.values import Values
from runs import ids
from runs.api.trpc import run_procedures, view
from runs.api.trpc.procedures import PROCEDURES
from runs.models import Firing, SavedView, Trigger, User
from tests.runs.api.conftest import ALL, INPUT, stored
from tests.runs.api.test_access import bulk_for

DEFINITION = {"nodes": [{"id": "only", "kind": "executor", "executor": "probe.noop"}]}
START = {"workflow_id": "invoices", "input": INPUT}
ANSWER = {"run": "{run}", "node": "review", "act": "approved"}
RULE = {"then": [{"start": "invoices", "input": INPUT}]}
HOOK = {"kind": "webhook", "name": "orders", "rule": RULE}
# Procedure, input, the permission it needs, the state its run is in (“view”: a saved view;
# “trigger”: a webhook, number 77, that did something).
# The policy that an installation begins with.
RETENTION = {"revision": Values().revision, "failed_days": 200}
CALLS = [
    ("runs.list", {}, "view_run", "created"),
    ("runs.get", {"id": "{run}"}, "view_run", "created"),
    ("runs.export", {"id": "{run}"}, "export_run", "completed"),
    ("runs.retry", {"id": "{run}"}, "retry_run", "failed"),
    ("runs.terminate", {"id": "{run}"}, "terminate_run", "active"),
    ("runs.delete", {"id": "{run}"}, "delete_run", "completed"),
    ("workflows.execute", START, "execute_workflow", "created"),
    ("runs.job", {"id": "{run}"}, "view_run", "created"),
    ("runs.context", {"id": "{run}"}, "view_run", "completed"),
    ("runs.timeline", {"id": "{run}"}, "view_run", "completed"),
    ("runs.exportAll", {"status": "failed"}, "export_run", "failed"),
    ("runs.counts", {"workflow_id": "invoices"}, "view_run", "failed"),
    ("runs.events", {"id": "{run}"}, "view_run", "completed"),
    ("runs.hold", {"id": "{run}", "reason": "court"}, "hold_run", "created"),
    ("runs.restore", {"id": "{run}"}, "restore_run", "archived"),
    ("runs.prolong", {"id": "{run}"}, "restore_run", "restored"),
    ("runs.release", {"id": "{run}"}, "hold_run", "held"),
    ("runs.stuck", {}, "view_run", "created"),
    ("runs.rescue", {"id": "{run}"}, "retry_run", "stuck"),
    ("bulk.start", {"kind": "retry", "filter": {"status": "failed"}}, "retry_run", "failed"),
    ("bulk.get", {"id": "{run}"}, "view_run", "bulk"),
    ("bulk.list", {}, "view_run", "bulk"),
    ("bulk.outcomes", {"id": "{run}"}, "view_run", "bulk"),
    ("bulk.pause", {"id": "{run}"}, "terminate_run", "bulk"),
    ("bulk.resume", {"id": "{run}"}, "terminate_run", "bulk resume"),
    ("bulk.abort", {"id": "{run}"}, "terminate_run", "bulk"),
    ("bulk.again", {"id": "{run}"}, "terminate_run", "bulk again"),
    ("decisions.list", {}, "view_run", "waiting"),
    ("decisions.get", {"run": "{run}", "node": "review"}, "view_run", "waiting"),
    ("decisions.answer", ANSWER, "decide_decision", "waiting"),
    ("views.list", {}, "view_run", "view"),
    ("views.get", {"id": "{run}"}, "view_run", "view"),
    ("views.create", {"name": "Mine", "query": "?state=failed"}, "view_run", "view"),
    ("views.update", {"id": "{run}", "is_default": True}, "view_run", "view"),
    ("views.delete", {"id": "{run}"}, "view_run", "view"),
    ("workflows.versions", {"id": "invoices"}, "view_workflow", "created"),
    ("workflows.version", {"id": "invoices", "number": 1}, "view_workflow", "created"),
    ("workflows.list", {}, "view_workflow", "created"),
    ("workflows.get", {"id": "invoices"}, "view_workflow", "created"),
    ("workflows.create", {"id": "new", "definition": DEFINITION}, "add_workflow", "created"),
    (
        "workflows.publish",
        {"id": "invoices", "definition": DEFINITION, "base": 1},
        "change_workflow",
        "created",
    ),
    ("workflows.pause", {"id": "invoices", "reason": "upgrade"}, "change_workflow", "created"),
    ("workflows.resume", {"id": "invoices"}, "change_workflow", "created"),
    ("workflows.limit", {"id": "invoices", "max_active": 2}, "change_workflow", "created"),
    ("triggers.list", {}, "view_trigger", "trigger"),
    ("triggers.get", {"id": 77}, "view_trigger", "trigger"),
    ("triggers.create", HOOK, "add_trigger", "created"),
    ("triggers.change", {"id": 77, "revision": 1, "name": "x"}, "change_trigger", "trigger"),
    ("triggers.switch", {"id": 77, "on": False}, "fire_trigger", "trigger"),
    ("triggers.secret", {"id": 77}, "change_trigger", "trigger"),
    ("triggers.delete", {"id": 77}, "delete_trigger", "trigger"),
    ("triggers.firings", {"id": 77}, "view_trigger", "trigger"),
    ("triggers.firing", {"id": 77, "number": 77}, "view_trigger", "trigger"),
    ("triggers.test", {"id": 77}, "fire_trigger", "trigger"),
    ("retention.get", {}, "view_run", "created"),
    ("retention.set", RETENTION, "manage_retention", "created"),
    ("retention.preview", {"failed_days": 3}, "manage_retention", "created"),
    ("retention.executions.begin", {"kind": "sweep"}, "manage_retention", "execution"),
    ("retention.executions.get", {"id": "{run}"}, "manage_retention", "execution"),
    ("retention.executions.list", {}, "manage_retention", "execution"),
    ("retention.executions.abort", {"id": "{run}"}, "manage_retention", "execution"),
    ("retention.executions.findings", {"id": "{run}"}, "manage_retention", "execution"),
]
# Who makes or changes a trigger must also be allowed what it does.
ALSO = {"triggers.create": ["execute_workflow"], "triggers.change": ["execute_workflow"]}
# What each may who is staff, for themselves.
OWN = {"tokens.list", "tokens.revoke"}
MUTATIONS = [call for call in CALLS if PROCEDURES[call[0]].kind == "mutation"]


def ask(client, path, given, run="", **headers):
    filled = json.loads(json.dumps(given).replace("{run}", str(run)))
    url = f"/api/trpc/{path}"
    if PROCEDURES[path].kind == "mutation":
        return client.post(url, filled, format="json", **headers)
    return client.get(f"{url}?input={quote(json.dumps(filled))}", **headers)


def code_of(response):
    return response.json()["error"]["data"]["code"]


def test_every_procedure_is_asked_below():
    asked = {path for path, *_ in CALLS}
    told = {path for path, procedure in PROCEDURES.items() if procedure.answer}
    # The tests of the analysis ask for its own.
    assert asked | OWN == {path for path in told if not path.startswith("analysis.")}
    assert {path for path, procedure in PROCEDURES.items() if not procedure.permission} == OWN


def a_trigger():
    now = timezone.now()
    row = Trigger.objects.create(
        pk=77, name="orders", kind="webhook", source="call", rule=RULE, enabled_at=now, hook="h"
    )
    met = {"body": {"document": "a.pdf"}, "headers": {}, "query": {}}
    Firing.objects.create(pk=77, trigger=row, key="k", fired_at=now, status="skipped", payload=met)
    return row.pk


@pytest.fixture
def made(run_in):
    """A run in a state, a bulk operation, an execution, or a saved view."""

    def make(state):
        if state == "execution":
            return executions.begin("check", by=executions.SCHEDULE, now=timezone.now()).public_id
        if state == "trigger":
            run_in()  # with the workflow
            return a_trigger()
        if state.startswith("bulk"):
            return bulk_for(run_in("created"), f"{state.partition(' ')[2]}/")
        if state != "view":
            return run_in(state)
        owner = User.objects.filter(username="olga").first() or User.objects.create_user("someone")
        saved = SavedView.objects.create(owner=owner, name="Failed", query="?state=failed")
        return saved.public_id

    return make


@pytest.mark.parametrize(("path", "given", "permission", "state"), CALLS)
def test_staff_with_the_permission_may(login, made, path, given, permission, state):
    response = ask(login(permission, *ALSO.get(path, [])), path, given, made(state))
    assert response.status_code == 200
    assert list(json.loads(b"".join(response))) == ["result"]
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.long
@pytest.mark.parametrize(("path", "given", "permission", "state"), CALLS)
def test_staff_without_the_permission_is_refused(login, made, path, given, permission, state):
    run, others = made(state), set(ALL) - {permission}
    before = stored()
    response = ask(login(*others), path, given, run)
    assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")
    assert permission in response.json()["error"]["message"]
    assert stored() == before


@pytest.mark.long
@pytest.mark.parametrize(("path", "given", "permission", "state"), CALLS)
def test_nobody_is_told_to_sign_in(made, path, given, permission, state):
    run = made(state)
    before = stored()
    response = ask(APIClient(), path, given, run)
    assert (response.status_code, code_of(response)) == (401, "UNAUTHORIZED")
    assert response["WWW-Authenticate"].startswith("Session")
    assert stored() == before


@pytest.mark.long
@pytest.mark.parametrize(("path", "given", "permission", "state"), CALLS)
def test_an_account_that_is_no_staff_is_refused(login, made, path, given, permission, state):
    run = made(state)
    before = stored()
    response = ask(login(*ALL, is_staff=False), path, given, run)
    assert response.status_code == 403
    assert stored() == before


@pytest.mark.parametrize(("path", "given", "permission", "state"), MUTATIONS)
def test_a_session_without_the_csrf_token_changes_nothing(
    settings, login, made, path, given, permission, state
):
    client, run = login(*ALL, csrf=True), made(state)
    before = stored()
    response = ask(client, path, given, run)
    assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")
    assert "CSRF" in response.json()["error"]["message"]
    assert stored() == before
    client.cookies[settings.CSRF_COOKIE_NAME] = token = "0" * 32
    assert ask(client, path, given, run, HTTP_X_CSRFTOKEN=token).status_code == 200


@pytest.mark.parametrize(("path", "given", "permission", "state"), MUTATIONS)
def test_a_mutation_is_not_done_by_get(client, made, path, given, permission, state):
    run = made(state)
    before = stored()
    filled = json.dumps(given).replace("{run}", str(run))
    response = client.get(f"/api/trpc/{path}?input={quote(filled)}")
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_SUPPORTED")
    assert stored() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(client, run_in, method):
    response = getattr(client, method)("/api/trpc/runs.list")
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_SUPPORTED")


def test_a_head_says_that_the_server_is_there(client):
    assert client.head("/api/trpc/runs.list").status_code == 204


def test_the_streams_procedure_is_no_call(client):
    response = client.get("/api/trpc/runs.streamLogs,runs.list?batch=1")
    assert response.status_code == 207
    refused, done = response.json()
    assert refused["error"]["data"]["code"] == "BAD_REQUEST"
    assert done == {"result": {"data": []}}
    response = client.post("/api/trpc/runs.streamLogs", {}, format="json")
    assert code_of(response) == "METHOD_NOT_SUPPORTED"


# -- What cannot be meant --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "given", "fields"),
    [
        ("runs.list", {"limit": 0}, ["limit"]),
        ("runs.list", {"limit": 201}, ["limit"]),
        ("runs.list", {"limit": 10**30}, ["limit"]),
        ("runs.list", {"limit": True}, ["limit"]),
        ("runs.list", {"limit": 5.5}, ["limit"]),
        ("runs.list", {"limit": None}, ["limit"]),
        ("runs.list", {"state": "failed"}, ["state"]),
        ("runs.list", {"status": ["failed"]}, ["status"]),
        ("runs.list", {"workflow_id": "a b"}, ["workflow_id"]),
        ("runs.list", {"workflow_id": "x" * 201}, ["workflow_id"]),
        ("runs.list", {"created_from": "yesterday"}, ["created_from"]),
        ("runs.list", {"q": "text"}, ["q"]),
        ("runs.list", {"error": "no kind"}, ["error"]),
        (
            "runs.list",
            {"created_after": "2026-01-01", "created_from": "2026-01-01"},
            ["created_after"],
        ),
        ("runs.list", {"created_before": "then"}, ["created_before"]),
        ("runs.list", {"cursor": "1-x"}, ["cursor"]),
        ("runs.list", [], [""]),
        ("runs.list", "text", [""]),
        ("runs.get", {}, ["id"]),
        ("runs.get", {"id": 5}, ["id"]),
        ("runs.get", {"id": ""}, ["id"]),
        ("runs.get", {"id": "x" * 101}, ["id"]),
        ("runs.retry", {"id": "run_1", "reason": "x" * 501}, ["reason"]),
        ("runs.terminate", {"id": "run_1", "reasn": "x"}, ["reasn"]),
        ("workflows.execute", {"workflow_id": "invoices"}, ["input"]),
        ("workflows.execute", {"input": {}}, ["workflow_id"]),
        ("workflows.execute", {**START, "version": "1"}, ["version"]),
        ("workflows.execute", {**START, "version": 7}, ["version"]),
        ("workflows.execute", {**START, "ref_type": "user"}, ["ref_type"]),
        ("runs.exportAll", {"cursor": "x"}, ["cursor"]),
        ("runs.exportAll", {"limit": 5}, ["limit"]),
        ("runs.counts", {"status": "failed"}, ["status"]),
        ("runs.events", {"id": "run_1", "kind": "log"}, ["kind"]),
        ("runs.events", {"id": "run_1", "kind": ["gone"]}, ["kind"]),
        ("runs.events", {"id": "run_1", "after": -1}, ["after"]),
        ("decisions.list", {"show": "all"}, ["show"]),
        ("decisions.list", {"cursor": "x"}, ["cursor"]),
        ("decisions.answer", {**ANSWER, "run": "run_1", "act": "withdrawn"}, ["act"]),
        ("views.list", {"after": "x"}, ["after"]),
        ("views.create", {"name": "Mine", "query": "?state=gone"}, ["query"]),
        ("views.create", {"name": "Mine", "query": "", "is_shared": "yes"}, ["is_shared"]),
        ("workflows.versions", {"id": "invoices", "before": 0}, ["before"]),
        ("triggers.list", {"kind": "cron"}, ["kind"]),
        ("triggers.list", {"enabled": "yes"}, ["enabled"]),
        ("triggers.get", {"id": 2**63}, ["id"]),
        ("triggers.create", {**HOOK, "rule": []}, ["rule"]),
        ("triggers.firings", {"id": 77, "status": "done"}, ["status"]),
        ("workflows.limit", {"id": "invoices", "max_active": 0}, ["max_active"]),
        ("workflows.pause", {"id": "invoices", "reson": "x"}, ["reson"]),
        ("tokens.list", {"limit": 5}, ["limit"]),
    ],
)
def test_wrong_input_is_refused_by_the_names_of_its_members(client, workflow, path, given, fields):
    before = stored()
    response = ask(client, path, given)
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")
    assert [error["field"] for error in response.json()["error"]["data"]["errors"]] == fields
    assert stored() == before


@pytest.mark.parametrize(
    "body",
    [
        b"{", b" ", b"nonsense", b'{"id": NaN}', b'{"id": "a", "id": "b"}', b'{"id": "\xff"}',
        b'{"id": "\\ud800"}', b'{"id": "\\u0000"}', b"[" * 200_000, b"9" * 5_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("query", ["", "?batch=1"])
def test_a_body_that_is_no_json_is_refused(client, body, query):
    url = f"/api/trpc/runs.terminate{query}"
    response = client.post(url, body, content_type="application/json")
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


def test_another_media_type_is_refused(client):
    response = client.post("/api/trpc/runs.terminate", b"id=1", content_type="text/plain")
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_that_is_too_large_is_refused(client):
    body = b'{"id": "' + b"x" * 2_600_000 + b'"}'
    response = client.post("/api/trpc/runs.terminate", body, content_type="application/json")
    assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")


def test_a_body_without_a_length_is_refused_rather_than_lost(client, run_in):
    response = client.generic(
        "POST", "/api/trpc/runs.terminate", headers={"Transfer-Encoding": "chunked"}
    )
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "path", ["", "/", "/x", "/runs", "/runs.get/", "/%00", "/ä", "/" + "x" * 9_000]
)
def test_an_unknown_procedure_is_not_found(client, path):
    response = client.get(f"/api/trpc{path}")
    assert (response.status_code, code_of(response)) == (404, "NOT_FOUND")
    assert len(response.json()["error"]["message"]) < 200


def test_an_unknown_run_or_workflow_is_not_found(client, workflow):
    unknown = {"id": ids.encode("run", ids.new_id())}
    for path in ("runs.get", "runs.export", "runs.retry", "runs.terminate", "runs.delete"):
        assert code_of(ask(client, path, unknown)) == "NOT_FOUND"
        assert code_of(ask(client, path, {"id": "job_1"})) == "NOT_FOUND"
    assert code_of(ask(client, "workflows.execute", {**START, "workflow_id": "x"})) == "NOT_FOUND"


def test_a_rule_that_cannot_be_kept_says_where(client, workflow):
    wrong = {**HOOK, "rule": {"then": [{"start": "gone"}]}}
    response = ask(client, "triggers.create", wrong)
    assert (response.status_code, code_of(response)) == (422, "UNPROCESSABLE_CONTENT")
    (error,) = response.json()["error"]["data"]["errors"]
    assert (error["field"], error["place"]) == ("rule.then.0.start", "then.0.start")


def test_who_changes_a_trigger_late_is_told_the_newest(client, made):
    made("trigger")
    change = {"id": 77, "revision": 1, "name": "paid orders"}
    assert ask(client, "triggers.change", change).status_code == 200
    response = ask(client, "triggers.change", {**change, "name": "unpaid"})
    assert (response.status_code, code_of(response)) == (409, "CONFLICT")
    assert response.json()["error"]["data"]["newest"] == 2


# -- What goes wrong -------------------------------------------------------------------------


def test_too_many_parameters_are_refused(client):
    query = "&".join(f"p{n}=1" for n in range(6_000))
    answer = client.get(f"/api/trpc/runs.list?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["data"]["code"] == "BAD_REQUEST"


def test_an_unexpected_error_says_nothing_of_itself(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(run_procedures, "page_of", fail)
    response = client.get("/api/trpc/runs.list,runs.list?batch=1")
    assert response.status_code == 500
    assert b"secret" not in response.content
    assert [each["error"]["code"] for each in response.json()] == [-32603, -32603]
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize("count", [1, 6])
def test_a_list_takes_the_same_queries_however_long(
    client, run_in, django_assert_num_queries, count
):
    for _ in range(count):
        run_in("failed")
    client.get("/api/trpc/runs.list")
    # The session, the account, its permissions and its groups'; the list, with a time limit, within
    # a savepoint.
    with django_assert_num_queries(8):
        response = client.get("/api/trpc/runs.list")
    assert len(response.json()["result"]["data"]) == count


def test_each_call_of_a_batch_is_throttled(client, monkeypatch):
    class ThreeInAll(BaseThrottle):
        asked = 0

        def allow_request(self, *_):
            ThreeInAll.asked += 1
            return ThreeInAll.asked <= 3

        def wait(self):
            return None

    monkeypatch.setattr(view.TrpcView, "throttle_classes", [ThreeInAll])
    response = client.get(f"/api/trpc/{','.join(['runs.list'] * 5)}?batch=1")
    assert response.status_code == 207
    said = [each.get("error", {}).get("code") for each in response.json()]
    assert said == [None, None, None, -32029, -32029]


def test_a_refused_mutation_is_one_line_of_the_log(client, run_in, caplog):
    run = run_in("completed")
    caplog.set_level(logging.INFO)
    ask(client, "runs.retry", {"id": "{run}"}, run)
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING and "refused" in r.msg]
    text = line.getMessage()
    assert "olga (user_" in text
    assert "409" in text
    assert "runs.retry" in text
