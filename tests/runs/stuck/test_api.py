"""Stuck runs by the REST API, by tRPC and as a bulk operation."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs import heartbeat
from runs.bulk import operations, work
from runs.filters import RunFilter
from runs.models import AuditEntry, Lease, Run, StuckRun
from runs.models.bulk import BulkKind
from runs.stuck import tasks
from tests.runs.conftest import ANNA
from tests.runs.stuck.test_look import QUEUED, begun, serves, waited
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(make_run):
    serves("runs", members=["here-2"])
    run_id = make_run(QUEUED)
    begun(run_id, ago=60)
    Lease.objects.update(
        expires_at=timezone.now() - timedelta(seconds=40),
        renewed_at=timezone.now() - timedelta(seconds=70),
    )
    tasks.find_stuck()
    return Run.objects.get(pk=run_id)


def test_the_list_has_the_evidence_and_is_filtered_by_class(lost):
    client = visitor("runs.view_run")
    [found] = client.get("/api/stuck/").json()["results"]
    assert (found["run"], found["node"], found["cause"]) == (lost.public_id, "first", "crash")
    assert (found["workflow_id"], found["state"], found["rescue"]) == ("example", "active", "rerun")
    told = {fact["name"]: fact for fact in found["evidence"]}
    assert told["Attempt"]["words"] == "1"
    assert told["Last heartbeat"]["at"].endswith("Z")
    assert client.get("/api/stuck/?cause=crash&workflow=example").json()["results"] == [found]
    assert client.get("/api/stuck/?cause=lock").json()["results"] == []
    assert client.get("/api/stuck/?cause=bad").status_code == 400
    assert client.get("/api/stuck/?kind=lock").status_code == 400
    [run] = client.get("/api/runs/?stuck=crash&fields=id").json()["results"]
    assert run == {"id": lost.public_id}
    assert client.get("/api/runs/counts/?stuck=yes").json()["all"] == 1
    assert visitor(name="nobody").get("/api/stuck/").status_code == 403


@pytest.mark.parametrize("workflow", ["nothing", "\0", "example\0"])
def test_stuck_runs_of_a_workflow_that_is_not_there_are_not_found(lost, workflow):
    answer = visitor("runs.view_run").get("/api/stuck/", {"workflow": workflow})
    assert answer.status_code == 404


def test_a_run_is_rescued_once_and_then_refused(lost):
    client = visitor("runs.view_run", "runs.retry_run")
    url = f"/api/runs/{lost.public_id}/rescue/"
    answer = client.post(url, {"reason": "the host is gone"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (200, "active")
    assert lost.nodes.get(key="first").status == "queued"
    assert AuditEntry.objects.get(action="rescue").reason.startswith("the host is gone: The worker")
    again = client.post(url, {}, content_type="application/json")
    assert (again.status_code, "not stuck" in again.json()["detail"]) == (409, True)
    other = visitor("runs.view_run", name="otto")
    assert other.post(url, {}, content_type="application/json").status_code == 403


def test_all_that_are_stuck_are_rescued_by_one_operation(lost, make_run, version):
    well, held = make_run(QUEUED), make_run(QUEUED)
    begun(well)
    waited(held, 1_000)
    heartbeat.forget_all()
    serves("control")
    tasks.find_stuck()
    kinds = sorted(StuckRun.objects.values_list("kind", flat=True))
    assert kinds == ["crash", "queue"]
    operation = operations.make(
        BulkKind.RESCUE, by=ANNA, now=timezone.now(), wanted=RunFilter(stuck="yes")
    )
    while work.work(operation.pk):
        pass
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.skipped) == ("finished", 1, 1)
    why = operation.outcomes.get(status="skipped").reason
    assert "nothing done here helps it" in why
    assert operation.outcomes.get(status="done").run_id == lost.pk
    assert lost.nodes.get(key="first").status == "queued"


def test_the_operation_asks_before_it_begins(lost):
    client = visitor("runs.view_run", "runs.retry_run")
    given = {"act": "rescue", "all": "1", "filter": "?stuck=yes"}
    answer = client.post("/admin/runs/run/act/", given)
    shown = " ".join(answer.content.decode().split())
    assert "Rescue 1 run?" in shown
    done = client.post("/admin/runs/run/act/", {**given, "confirm": "1", "reason": ""})
    assert "/admin/bulk/bulk_" in done.headers["Location"]


def test_trpc_lists_and_rescues(lost):
    client = visitor("runs.view_run", "runs.retry_run")
    answer = client.get("/api/trpc/runs.stuck").json()
    [found] = answer["result"]["data"]
    assert (found["run"], found["cause"], bool(found["cursor"])) == (lost.public_id, "crash", True)
    answer = client.post(
        "/api/trpc/runs.rescue", {"id": lost.public_id}, content_type="application/json"
    )
    assert answer.json()["result"]["data"]["id"] == lost.public_id
    assert lost.nodes.get(key="first").status == "queued"
