"""Limit and pause of a workflow: on its page, in the API, in the audit, on a waiting run's page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs import heartbeat, lifecycle
from runs.engine import dispatch
from runs.models import AuditEntry, ExecutorLimit, ReadyNode, Run, User, Workflow
from tests.runs.conftest import ANNA, executor_node

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/admin/runs/workflow/example/settings/"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    monkeypatch.setattr(dispatch, "send", lambda _: None)


@pytest.fixture
def version(publish):
    return publish(executor_node("a"))


def start(version):
    return lifecycle.start(version, {}, trigger="api", by=ANNA)


def page(client, run):
    return client.get(f"/admin/runs/run/{run.public_id}/").content.decode()


def test_a_workflow_is_paused_and_resumed_with_reason_and_audit(version, admin_client):
    assert admin_client.post(URL, {"act": "pause", "reason": " "}).status_code == 422
    admin_client.post(URL, {"act": "pause", "reason": "the bank is closed"})
    workflow = Workflow.objects.get()
    assert (workflow.is_paused, workflow.paused_by) == (True, "admin")
    version.workflow = workflow
    run = start(version)
    assert ReadyNode.objects.get().held
    shown = page(admin_client, run)
    assert "It starts when example is resumed." in shown
    assert "the bank is closed" in shown
    for address in ("/admin/runs/workflow/", "/admin/runs/workflow/example/", URL):
        assert ">paused</span>" in admin_client.get(address).content.decode()
    admin_client.post(URL, {"act": "resume"})
    assert not Workflow.objects.get().is_paused
    assert ReadyNode.objects.get().held is False
    noted = AuditEntry.objects.filter(target_type="workflow", target_id="example")
    assert list(noted.order_by("id").values_list("action", "reason")) == [
        ("pause", "the bank is closed"), ("resume", ""),
    ]  # fmt: skip


def test_a_limit_is_set_and_taken_away(version, admin_client):
    for bad in ("0", "-1", "many", "100001"):
        assert admin_client.post(URL, {"act": "limit", "max_active": bad}).status_code == 422
    admin_client.post(URL, {"act": "limit", "max_active": "1"})
    version.workflow.refresh_from_db()
    assert version.workflow.max_active == 1
    runs = [start(version), start(version)]
    assert "the limit of 1 active run of example is reached" in page(admin_client, runs[1])
    assert "is reached" not in page(admin_client, runs[0])
    admin_client.post(URL, {"act": "limit", "max_active": ""})
    assert not ReadyNode.objects.filter(held=True).exists()
    noted = AuditEntry.objects.filter(action="limit").order_by("id")
    assert list(noted.values_list("reason", flat=True)) == ["no limit → 1", "1 → no limit"]


def test_who_may_not_change_workflows_reads_only(version, client):
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_workflow"))
    client.force_login(user)
    assert '<button class="op-btn op-btn-danger"' not in client.get(URL).content.decode()
    assert client.post(URL, {"act": "pause", "reason": "x"}).status_code == 403
    assert client.post("/api/workflows/example/pause/", {}).status_code == 403


def test_the_api_pauses_limits_and_says_so_when_a_run_is_started(version, admin_client):
    url = "/api/workflows/example"
    json = {"content_type": "application/json"}
    shown = admin_client.post(f"{url}/pause/", {"reason": "closed"}, **json).json()
    assert (shown["paused_by"], shown["pause_reason"]) == ("admin", "closed")
    assert shown["paused_at"].endswith("Z")
    answer = admin_client.post(f"{url}/runs/", {"input": {}}, **json)
    assert (answer.status_code, answer.headers["Workflow-Paused"]) == (201, "true")
    shown = admin_client.post(f"{url}/resume/", **json).json()
    assert shown["paused_at"] is None
    assert "Workflow-Paused" not in admin_client.post(f"{url}/runs/", {"input": {}}, **json).headers
    assert admin_client.post(f"{url}/limit/", {"max_active": 0}, **json).status_code == 400
    assert admin_client.post(f"{url}/limit/", {"max_active": 3}, **json).json()["max_active"] == 3
    assert admin_client.get(f"{url}/").json()["max_active"] == 3
    assert (
        admin_client.post(f"{url}/limit/", {"max_active": None}, **json).json()["max_active"]
        is None
    )


def test_an_executors_limit_is_set_in_the_admin(admin_client):
    url = "/admin/runs/executorlimit/add/"
    assert "probe.echo" in admin_client.get(url).content.decode()
    admin_client.post(url, {"executor": "probe.echo", "most": "3"})
    limit = ExecutorLimit.objects.get()
    assert (limit.executor, limit.most) == ("probe.echo", 3)
    admin_client.post(f"/admin/runs/executorlimit/{limit.pk}/change/", {"most": "4"})
    limit.refresh_from_db()
    assert limit.most == 4
    noted = AuditEntry.objects.filter(target_type="executor", target_id="probe.echo")
    assert list(noted.order_by("id").values_list("action", flat=True)) == ["create", "change"]


def test_a_run_that_no_worker_takes_says_which_queue_it_waits_in(publish, admin_client):
    run = start(publish(executor_node("a", queue="gpu")))
    assert "no worker takes" not in page(admin_client, run)  # not yet
    ReadyNode.objects.update(ready_at=timezone.now() - timedelta(minutes=1))
    assert "no worker takes from the queue gpu" in page(admin_client, run)
    worker = heartbeat.Process("worker", "gpu@test", ("gpu",))
    heartbeat.give(worker)
    try:
        assert "no worker takes" not in page(admin_client, run)
    finally:
        heartbeat.forget(worker)
    assert Run.objects.get(pk=run.pk).state == "created"


def test_a_definition_names_known_queues_only(admin_client):
    def said(queue):
        definition = {"nodes": [executor_node("a", queue=queue)]}
        body = {"id": "queued", "definition": definition}
        return admin_client.post("/api/workflows/", body, content_type="application/json")

    assert "unknown queue “gpus”; known are gpu, runs" in said("gpus").content.decode()
    assert "the portal itself works there" in said("control").content.decode()
    assert "is a name of small letters" in said("GPU 1").content.decode()
    assert said("gpu").status_code == 201
