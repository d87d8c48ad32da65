"""Who may do what: every address, allowed, refused, and not found."""

import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from runs import ids
from runs.api.document import document
from runs.api.urls import urlpatterns
from runs.models import BulkOperation, Firing, SavedView, Trigger, User
from runs.scopes import Scope, scope_of
from tests.runs.api.conftest import ALL, INPUT, stored

START = {"input": INPUT}
DEFINITION = {"nodes": [{"id": "only", "kind": "executor", "executor": "probe.noop"}]}
NEW_WORKFLOW = {"id": "new", "definition": DEFINITION}
MADE = datetime(2026, 1, 1, tzinfo=UTC)
VIEW = {"name": "Mine", "query": "?state=failed"}
APPROVED = {"act": "approved"}
BULK = {"kind": "retry", "filter": {"state": "failed"}}
RULE = {"then": [{"start": "invoices", "input": INPUT}]}
TRIGGER = {"name": "New", "kind": "webhook", "rule": RULE}
REPORT = [
    {"event_id": "1", "source": "s", "external_id": "1", "workflow": "there", "type": "run_created"}
]
# Method, address, body, the permission it needs, the state its run is in, the answer.
ADDRESSES = [
    ("get", "/api/", None, "view_run", "created", 200),
    ("get", "/api/runs/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/job/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/context/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/events/", None, "view_run", "created", 200),
    ("post", "/api/runs/{run}/retry/", {}, "retry_run", "failed", 201),
    ("post", "/api/runs/{run}/terminate/", {}, "terminate_run", "active", 200),
    ("post", "/api/runs/{run}/hold/", {"reason": "court"}, "hold_run", "created", 200),
    ("post", "/api/runs/{run}/restore/", {}, "restore_run", "archived", 202),
    ("post", "/api/runs/{run}/prolong/", {}, "restore_run", "restored", 200),
    ("post", "/api/runs/{run}/rescue/", {}, "retry_run", "stuck", 200),
    ("get", "/api/stuck/", None, "view_run", "created", 200),
    ("post", "/api/runs/{run}/release/", {}, "hold_run", "held", 200),
    ("get", "/api/bulk/", None, "view_run", "created", 200),
    ("post", "/api/bulk/", BULK, "retry_run", "failed", 202),
    ("post", "/api/bulk/preview/", {"kind": "retry", "filter": {}}, "view_run", "created", 200),
    ("get", "/api/bulk/{bulk}/", None, "view_run", "created", 200),
    ("patch", "/api/bulk/{bulk}/", {"rate": 5}, "terminate_run", "created", 200),
    ("post", "/api/bulk/{bulk}/pause/", {}, "terminate_run", "created", 200),
    ("post", "/api/bulk/{bulk}/resume/", {}, "terminate_run", "created", 200),
    ("post", "/api/bulk/{bulk}/abort/", {}, "terminate_run", "created", 200),
    ("post", "/api/bulk/{bulk}/again/", {}, "terminate_run", "created", 202),
    ("get", "/api/bulk/{bulk}/outcomes/", None, "view_run", "created", 200),
    ("get", "/api/bulk/{bulk}/outcomes/file/", None, "view_run", "created", 200),
    ("get", "/api/bulk/{bulk}/download/", None, "export_run", "created", 200),
    ("get", "/api/runs/{run}/timeline/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/logs/", None, "export_run", "created", 200),
    ("get", "/api/runs/{run}/export/", None, "export_run", "created", 200),
    ("get", "/api/runs/{run}/bundle/", None, "export_run", "created", 200),
    ("get", "/api/runs/counts/", None, "view_run", "created", 200),
    ("get", "/api/runs/export/", None, "export_run", "created", 200),
    ("delete", "/api/runs/{run}/", None, "delete_run", "failed", 204),
    ("get", "/api/views/", None, "view_run", "created", 200),
    ("get", "/api/views/{view}/", None, "view_run", "created", 200),
    ("post", "/api/views/", VIEW, "view_run", "created", 201),
    ("patch", "/api/views/{view}/", {"name": "Other"}, "view_run", "created", 200),
    ("delete", "/api/views/{view}/", None, "view_run", "created", 204),
    ("get", "/api/schema/", None, "view_run", "created", 200),
    ("get", "/api/workflows/{workflow}/versions/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/{workflow}/versions/1/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/{workflow}/", None, "view_workflow", "created", 200),
    ("post", "/api/workflows/{workflow}/runs/", START, "execute_workflow", "created", 201),
    ("post", "/api/workflows/", NEW_WORKFLOW, "add_workflow", "created", 201),
    (
        "post",
        "/api/workflows/{workflow}/versions/",
        {"definition": DEFINITION},
        "change_workflow",
        "created",
        201,
    ),
    ("post", "/api/workflows/{workflow}/pause/", {}, "change_workflow", "created", 200),
    ("post", "/api/workflows/{workflow}/resume/", {}, "change_workflow", "created", 200),
    (
        "post",
        "/api/workflows/{workflow}/limit/",
        {"max_active": 5},
        "change_workflow",
        "created",
        200,
    ),
    ("post", "/api/events/", REPORT, "ingest_event", "created", 200),
    ("get", "/api/decisions/", None, "view_run", "created", 200),
    ("get", "/api/decisions/{run}/review/", None, "view_run", "waiting", 200),
    ("post", "/api/decisions/{run}/review/", APPROVED, "decide_decision", "waiting", 200),
    ("get", "/api/triggers/", None, "view_trigger", "created", 200),
    ("get", "/api/triggers/{trigger}/", None, "view_trigger", "created", 200),
    ("get", "/api/triggers/{trigger}/firings/", None, "view_trigger", "created", 200),
    ("get", "/api/triggers/{trigger}/firings/{firing}/", None, "view_trigger", "created", 200),
    ("post", "/api/triggers/", TRIGGER, "add_trigger", "created", 201),
    ("patch", "/api/triggers/{trigger}/", {"revision": 1}, "change_trigger", "created", 200),
    ("post", "/api/triggers/{trigger}/secret/", {}, "change_trigger", "created", 200),
    ("post", "/api/triggers/{trigger}/switch/", {"on": False}, "fire_trigger", "created", 200),
    ("post", "/api/triggers/{trigger}/test/", {"start": True}, "fire_trigger", "created", 200),
    ("delete", "/api/triggers/{trigger}/", None, "delete_trigger", "created", 204),
]
# What a trigger's rule does is to be allowed as well.
ALSO = dict.fromkeys(("add_trigger", "change_trigger", "fire_trigger"), "execute_workflow")
WITH_ID = [address for address in ADDRESSES if "{" in address[1]]
CHANGES = [address for address in ADDRESSES if address[0] != "get"]
# Of one's own tokens, which takes no permission: test_own_tokens asks there.
OWN = {("get", "/api/tokens/"), ("post", "/api/tokens/"), ("delete", "/api/tokens/{token}/")}
# What changes nothing, in the state that is asked in here: nothing is audited.
IDLE = {"/api/bulk/preview/", "/api/workflows/{workflow}/resume/"}
# For who can sign, and has no account: test_hooks asks there.
SIGNED = {("post", "/api/hooks/{hook}/")}
# A page of its own, and procedures that test_view asks for one by one.
UNLISTED = {("get", "/api/schema/"), ("get", "/api/")}
PARAMETERS = {
    "run_id": "{run}",
    "slug": "{workflow}",
    "view_id": "{view}",
    "token_id": "{token}",
    "number": "1",
    "node": "review",
    "trigger_id": "{trigger}",
    "hook": "{hook}",
    "bulk_id": "{bulk}",
}


def ask(client, method, address, body, run="", workflow="invoices", view=None):
    trigger = firing = view
    if "{view}" in address:
        view = view or own_view().public_id
    if "{trigger}" in address and not trigger:
        trigger, firing = (row.pk for row in a_trigger())
    bulk = (view or bulk_for(run, address)) if "{bulk}" in address else ""
    places = {"run": run, "bulk": bulk, "workflow": workflow, "view": view, "trigger": trigger}
    path = address.format(**places, firing=firing)
    if body is None:
        return getattr(client, method)(path)
    return getattr(client, method)(path, body, format="json")


def own_view():
    """A view of whoever asks."""
    owner = User.objects.filter(username="olga").first() or User.objects.create_user("vera")
    return SavedView.objects.get_or_create(owner=owner, name="Failed", query="?state=failed")[0]


def a_trigger():
    """One with something that it did."""
    trigger, _ = Trigger.objects.get_or_create(
        name="Hook", kind="webhook", source="call", rule=RULE, enabled_at=MADE, hook="x" * 24
    )
    firing, _ = Firing.objects.get_or_create(
        trigger=trigger, key="1", fired_at=MADE, status="skipped"
    )
    return trigger, firing


def bulk_for(run, address):
    """An operation in the state in which the address does something."""
    kind = "export" if "download" in address else "terminate"
    states = {"resume/": "paused", "again/": "finished", "download/": "finished"}
    state = next((state for end, state in states.items() if address.endswith(end)), "running")
    now = timezone.now()
    return BulkOperation.objects.create(
        kind=kind, state=state, actor="anna", reason="wrong file",
        created_at=now, bound=now, moved_at=now, chosen=[run.pk], total=1,
        ended_at=now if state == "finished" else None,
        visited=int("again" in address), failed=int("again" in address),
        options={"format": "json", "with_logs": False},
    ).public_id  # fmt: skip


@pytest.fixture(autouse=True)
def _there_is_a_trigger(db):
    a_trigger()


def scope_for(method, address, permission):
    if address.startswith("/api/views/") and method != "get":
        return Scope.VIEWS
    return scope_of(f"runs.{permission}")


def filled(path):
    if "firings" in path:
        path = path.replace("{number}", "{firing}")
    return re.sub(r"{(\w+)}", lambda found: PARAMETERS.get(found[1], found[0]), path)


def test_every_operation_of_the_document_is_asked_here():
    told = {
        (method, filled(path))
        for path, operations in document()["paths"].items()
        # Of upper apps, whose tests ask there.
        if not path.startswith(("/api/retention/", "/api/troubleshooting/"))
        and "/analysis/" not in path
        for method in operations
    }
    asked = {(method, address) for method, address, *_ in ADDRESSES}
    assert told == (asked - UNLISTED) | OWN | SIGNED


def test_every_address_that_leads_anywhere_is_asked_here():
    """Also one that the document does not tell of."""
    found = set()
    for pattern in urlpatterns:
        if pattern.name in ("trpc", "events", "hook"):  # regular expressions
            continue
        path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        view = pattern.callback
        methods = getattr(view, "actions", None) or dir(view.cls)
        actions = {"get", "post", "put", "patch", "delete"}.intersection(methods)
        found |= {(method, filled(path)) for method in actions}
    asked = {(method, address) for method, address, *_ in ADDRESSES}
    assert found == (asked - {("post", "/api/events/")}) | OWN


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), CHANGES)
def test_a_session_without_the_csrf_token_changes_nothing(
    login, run_in, method, address, body, permission, state, status
):
    client, run = login(*ALL, csrf=True), run_in(state)
    before = stored()
    response = ask(client, method, address, body, run)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert "CSRF" in response.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_staff_with_the_permission_may(
    login, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    client = login(*filter(None, [permission, ALSO.get(permission)]))
    assert ask(client, method, address, body, run).status_code == status


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_staff_without_the_permission_is_refused_and_nothing_is_stored(
    login, run_in, method, address, body, permission, state, status
):
    run, others = run_in(state), set(ALL) - {permission}
    before = stored()
    response = ask(login(*others), method, address, body, run)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert permission in response.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_nobody_is_told_401_and_nothing_is_stored(
    run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    before = stored()
    response = ask(APIClient(), method, address, body, run)
    assert response.status_code == 401
    assert "Session" in response["WWW-Authenticate"]
    assert response.json()["status"] == 401
    assert stored() == before


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), ADDRESSES)
def test_an_account_that_is_no_staff_is_refused(
    login, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    before = stored()
    response = ask(login(*ALL, is_staff=False), method, address, body, run)
    assert response.status_code == 403
    assert stored() == before


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), WITH_ID)
def test_an_unknown_id_is_not_found(
    client, run_in, method, address, body, permission, state, status
):
    run_in(state)
    before = stored()
    for run, workflow in [
        (ids.encode("run", ids.new_id()), "none"),
        ("run_1", "none"),
        ("job_01kb0000000000000000000000", "none"),
        ("0", "INVOICES"),
        ("x" * 500, "x" * 500),
        ("a%00b", "a%00b"),
        ("a.b", "a.b"),
        ("ä", "ä"),
    ]:
        response = ask(client, method, address, body, run, workflow, view=run)
        assert response.status_code == 404, (run, workflow)
        assert response["Content-Type"] == "application/problem+json"
    assert stored() == before


def test_an_account_that_was_shut_has_no_access(login, run_in):
    run_in()
    assert login(*ALL, is_active=False).get("/api/runs/").status_code == 401


@pytest.mark.parametrize("act", ["retry", "terminate"])
def test_a_session_without_the_csrf_token_acts_on_nothing(login, run_in, act):
    client, run = login(*ALL, csrf=True), run_in("failed" if act == "retry" else "active")
    before = stored()
    path = f"/api/runs/{run}/{act}/"
    response = client.post(path, {}, format="json")
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]
    assert response.json()["status"] == 403
    response = client.post(path, {}, format="json", headers={"X-CSRFToken": "x" * 32})
    assert response.status_code == 403
    assert stored() == before


def test_a_session_with_the_csrf_token_acts(login, run_in):
    client, run = login(*ALL, csrf=True), run_in("failed")
    page = client.get("/api/runs/", headers={"Accept": "text/html"})
    token = page.cookies[next(name for name in page.cookies if name.startswith("csrftoken"))].value
    response = client.post(
        f"/api/runs/{run}/retry/", {}, format="json", headers={"X-CSRFToken": token}
    )
    assert response.status_code == 201


def test_starting_needs_the_csrf_token_too(login, workflow):
    before = stored()
    response = login(*ALL, csrf=True).post("/api/workflows/invoices/runs/", START, format="json")
    assert response.status_code == 403
    assert stored() == before
