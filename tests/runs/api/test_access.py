"""Who may do what: every address, allowed, refused, and not found."""

import pytest
from rest_framework.test import APIClient

from runs import ids
from tests.runs.api.conftest import ALL, INPUT, stored

START = {"input": INPUT}
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
    ("get", "/api/runs/{run}/timeline/", None, "view_run", "created", 200),
    ("get", "/api/runs/{run}/logs/", None, "export_run", "created", 200),
    ("get", "/api/runs/{run}/export/", None, "export_run", "created", 200),
    ("get", "/api/runs/export/", None, "export_run", "created", 200),
    ("delete", "/api/runs/{run}/", None, "delete_run", "failed", 204),
    ("get", "/api/views/", None, "view_run", "created", 200),
    ("get", "/api/schema/", None, "view_run", "created", 200),
    ("get", "/api/workflows/{workflow}/versions/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/{workflow}/versions/1/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/", None, "view_workflow", "created", 200),
    ("get", "/api/workflows/{workflow}/", None, "view_workflow", "created", 200),
    ("post", "/api/workflows/{workflow}/runs/", START, "execute_workflow", "created", 201),
]
# What no token may.
DEFINITION = {"nodes": [{"id": "only", "kind": "executor", "executor": "probe.noop"}]}
SIGNED_IN = [
    ("post", "/api/workflows/", {"id": "new", "definition": DEFINITION}, "add_workflow", "created",
     201),
    ("post", "/api/workflows/{workflow}/versions/", {"definition": DEFINITION}, "change_workflow",
     "created", 201),
    ("post", "/api/views/", {"name": "Mine", "query": "?state=failed"}, "view_run", "created", 201),
]  # fmt: skip
EVERY = [*ADDRESSES, *SIGNED_IN]
WITH_ID = [address for address in ADDRESSES if "{" in address[1]]


def ask(client, method, address, body, run="", workflow="invoices"):
    path = address.format(run=run, workflow=workflow)
    if body is None:
        return getattr(client, method)(path)
    return getattr(client, method)(path, body, format="json")


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), EVERY)
def test_staff_with_the_permission_may(
    login, run_in, method, address, body, permission, state, status
):
    run = run_in(state)
    assert ask(login(permission), method, address, body, run).status_code == status


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), EVERY)
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


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), EVERY)
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


@pytest.mark.parametrize(("method", "address", "body", "permission", "state", "status"), EVERY)
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
        response = ask(client, method, address, body, run, workflow)
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
