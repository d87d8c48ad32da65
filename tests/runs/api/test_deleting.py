"""Deleting a run over the API, and what is said of one that is gone."""

import pytest

from runs.models import AuditEntry, DeletedRun, Run
from tests.runs.api.conftest import stored


@pytest.mark.parametrize("state", ["completed", "failed", "terminated"])
def test_a_run_that_has_ended_is_deleted_for_good(client, run_in, state):
    run = run_in(state)
    response = client.delete(f"/api/runs/{run}/?reason=test+data")
    assert response.status_code == 204
    assert response.content == b""
    assert not Run.objects.exists()
    assert DeletedRun.objects.get().reason == "test data"
    assert AuditEntry.objects.get(action="delete").reason == "test data"
    gone = client.get(f"/api/runs/{run}/")
    assert gone.status_code == 404
    assert "was deleted on" in gone.json()["detail"]
    assert client.delete(f"/api/runs/{run}/").status_code == 404


@pytest.mark.parametrize("state", ["created", "active"])
def test_a_run_that_goes_on_is_not_deleted(client, run_in, state):
    run = run_in(state)
    before = stored()
    response = client.delete(f"/api/runs/{run}/")
    assert response.status_code == 409
    problem = response.json()
    assert (problem["state"], problem["actions"]) == (state, ["terminate"])
    assert stored() == before


@pytest.mark.parametrize("query", ["reason=" + "x" * 501, "reason=a%00b", "why=x"])
def test_a_deletion_that_cannot_be_meant_is_refused(client, run_in, query):
    run = run_in("failed")
    before = stored()
    assert client.delete(f"/api/runs/{run}/?{query}").status_code == 400
    assert stored() == before
