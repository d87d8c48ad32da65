"""Stuck runs on pages: the card of a run, the list of them, the filter and mark of all runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from config import metrics
from runs.models import AuditEntry, Lease, Run, StuckRun
from runs.stuck import tasks
from tests.runs.stuck.test_look import QUEUED, begun, serves, waited
from tests.runs.visitors import visitor

PAGE = "/admin/stuck/"
LIST = "/admin/runs/run/"
HTMX = {"HX-Request": "true"}
SEES = "runs.view_run"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(make_run):
    """A run whose worker is gone, and that nobody rescued."""
    serves("runs", members=["here-2"])
    run_id = make_run(QUEUED)
    begun(run_id, ago=60)
    over = timezone.now() - timedelta(seconds=40)
    Lease.objects.update(expires_at=over, renewed_at=over)
    tasks.find_stuck()
    return Run.objects.get(pk=run_id)


def text(answer):
    return " ".join(answer.content.decode().split())


def test_the_card_tells_the_evidence_and_one_press_runs_the_node_again(lost):
    client = visitor(SEES, "runs.retry_run")
    page = f"{LIST}{lost.public_id}/"
    shown = text(client.get(page))
    assert "The worker that had first is gone" in shown
    assert "here-1: gone: no worker that gives signs of life has this process" in shown
    assert "Last heartbeat" in shown
    assert "Run it again" in shown
    answer = client.post(page, {"act": "rescue", "node": "first"}, follow=True)
    assert "first was taken from its worker and runs again." in text(answer)
    assert "The worker that had first is gone" not in text(answer)
    assert lost.nodes.get(key="first").status == "queued"
    entry = AuditEntry.objects.get(action="rescue")
    assert (entry.actor, entry.target_id) == ("olga", lost.public_id)
    again = client.post(page, {"act": "rescue", "node": "first"})
    assert again.status_code == 409


def test_zero_characters_in_what_is_given_do_no_harm(lost):
    client = visitor(SEES, "runs.retry_run")
    assert client.get(f"{PAGE}?workflow=%00&class=%00&after=%00").status_code == 200
    given = {"run": lost.public_id, "node": "first", "reason": "it\0 hangs"}
    assert "runs again" in text(client.post(PAGE, given, follow=True))
    assert AuditEntry.objects.get(action="rescue").reason.startswith("it hangs: ")
    # On the run's own page there is nothing to rescue any more.
    page = f"{LIST}{lost.public_id}/"
    assert client.post(page, {**given, "act": "rescue"}).status_code == 409


def test_who_may_not_retry_sees_the_card_without_a_button(lost):
    client = visitor(SEES)
    page = f"{LIST}{lost.public_id}/"
    assert "Run it again" not in text(client.get(page))
    assert client.post(page, {"act": "rescue", "node": "first"}).status_code == 403
    assert lost.nodes.get(key="first").status == "running"


def test_the_list_of_stuck_runs_counts_by_class_and_rescues_a_row(lost):
    client = visitor(SEES, "runs.retry_run")
    whole = text(client.get(PAGE))
    assert "Worker lost" in whole
    assert "The worker that had first is gone" in whole
    assert lost.public_id in whole
    part = client.get(f"{PAGE}?class=crash&workflow=example", headers=HTMX)
    assert lost.public_id in text(part)
    assert "<html" not in text(part)
    assert lost.public_id not in text(client.get(f"{PAGE}?class=person"))
    done = client.post(PAGE, {"run": lost.public_id, "node": "first"}, follow=True)
    assert "runs again." in text(done)
    assert lost.public_id not in text(done)
    assert "Nothing is stuck" in text(done)


def test_advice_that_is_the_same_for_several_is_said_once(make_run):
    serves("bulk", "control")
    for _ in range(2):
        waited(make_run(QUEUED), 90)
    tasks.find_stuck()
    assert StuckRun.objects.filter(kind="queue").count() == 2
    client = visitor(SEES, "runs.retry_run")
    page = text(client.get(PAGE))
    assert page.count("Start a worker for runs") == 1
    assert page.count("no worker takes from the queue runs") == 2
    StuckRun.objects.exclude(pk=StuckRun.objects.order_by("pk")[0].pk).delete()
    alone = text(client.get(PAGE))
    assert alone.count("Start a worker for runs") == 1
    assert "What helps several" not in alone


def test_who_may_not_decide_and_what_no_press_helps_get_no_button(lost):
    StuckRun.objects.update(kind="person", rescue="decide")
    seen = text(visitor(SEES, "runs.retry_run").get(PAGE))
    assert "Person" in seen
    assert "Decide</a>" not in seen
    assert "Rescue these" not in seen
    assert "Decide</a>" in text(visitor(SEES, "runs.decide_decision", name="ida").get(PAGE))


def test_runs_are_filtered_by_whether_they_are_stuck_and_marked(lost, make_run):
    other = Run.objects.get(pk=make_run())
    StuckRun.objects.filter(run=other.pk).delete()
    client = visitor(SEES)
    everything = text(client.get(LIST))
    assert "Stuck: Worker lost" in everything
    stuck = text(client.get(f"{LIST}?stuck=yes"))
    assert lost.public_id in stuck
    assert other.public_id not in stuck
    assert lost.public_id in text(client.get(f"{LIST}?stuck=crash"))
    assert lost.public_id not in text(client.get(f"{LIST}?stuck=lock"))
    counts = client.get(f"{LIST}?stuck=yes&part=counts")
    assert counts.status_code == 200


def test_stuck_runs_stand_on_services_in_the_metrics_and_behind_other_questions(lost):
    client = visitor(SEES, "runs.view_service", "runs.export_run")
    assert "1 stuck run</a>" in text(client.get("/admin/services/"))
    assert 'portal_runs_stuck{class="crash"} 1' in metrics.collect()
    assert client.get("/admin/analysis/failures/?stuck=yes&created=24h").status_code == 200
    assert client.get("/api/runs/export/?stuck=yes").status_code == 200
