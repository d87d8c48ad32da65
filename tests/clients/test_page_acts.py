"""What else the portal's pages do, by the official client, on every link that carries it."""

import pytest
from django.utils import timezone

from runs import tokens
from runs.models import ApiToken, AuditEntry, Decision, SavedView, User
from tests.clients.node import Failed
from tests.clients.test_calls import PLAIN

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("link", PLAIN)]


@pytest.fixture
def call(client, link):
    return lambda path, verb="query", **given: client.call(link, path, verb, given)


def refusal(call, *args, **given):
    with pytest.raises(Failed) as refused:
        call(*args, **given)
    return refused.value.data["code"]


def test_views_are_saved_changed_and_deleted(call):
    view = call("views.create", "mutate", name="Broken", query="?state=failed", is_default=True)
    assert (view["is_mine"], view["is_default"], view["owner"]) == (True, True, "olga")
    changed = call("views.update", "mutate", id=view["id"], name="Failed", is_shared=True)
    assert (changed["name"], changed["query"]) == ("Failed", view["query"])
    other = call("views.create", "mutate", name="Running", query="?state=running")
    assert [each["name"] for each in call("views.list")] == ["Failed", "Running"]
    assert [each["id"] for each in call("views.list", after=view["id"])] == [other["id"]]
    assert call("views.get", id=view["id"]) == changed
    assert refusal(call, "views.create", "mutate", name="Failed", query="") == "CONFLICT"
    assert call("views.delete", "mutate", id=view["id"]) == {"id": view["id"]}
    assert refusal(call, "views.get", id=view["id"]) == "NOT_FOUND"
    somebody = User.objects.create_user("maria", is_staff=True)
    shared = SavedView.objects.create(owner=somebody, name="Hers", query="", is_shared=True)
    assert refusal(call, "views.delete", "mutate", id=shared.public_id) == "FORBIDDEN"


def test_tokens_are_listed_and_revoked_and_none_is_made(call):
    olga = User.objects.get(username="olga")
    token, _ = tokens.make(
        olga, name="night", scopes=["view"], days=1, by=olga.as_actor(), now=timezone.now()
    )
    (listed,) = call("tokens.list")
    assert (listed["id"], listed["name"], listed["revoked_at"]) == (token.public_id, "night", None)
    assert call("tokens.revoke", "mutate", id=token.public_id)["revoked_at"]
    assert ApiToken.objects.get().revoked_at
    assert AuditEntry.objects.filter(action="revoke", actor="olga").exists()
    assert refusal(call, "tokens.create", "mutate", name="x", scopes=["view"]) == "NOT_FOUND"


def test_what_waits_for_a_person_is_found_and_answered_once(call, run_in):
    waiting = run_in("waiting").public_id
    (listed,) = call("decisions.list", show="mine")
    assert (listed["run"], listed["node"]) == (waiting, "review")
    assert call("decisions.list", cursor=listed["cursor"]) == []
    question = {"run": waiting, "node": "review"}
    assert call("decisions.get", **question)["value"] == "a.pdf"
    wrong = {**question, "act": "corrected", "value": ""}
    assert refusal(call, "decisions.answer", "mutate", **wrong) == "UNPROCESSABLE_CONTENT"
    answer = {**question, "act": "corrected", "value": "b.pdf", "comment": "another file"}
    told = call("decisions.answer", "mutate", **answer)
    assert (told["act"], told["decided_by"]) == ("corrected", "olga")
    assert Decision.objects.get().decided_by == "olga"
    assert refusal(call, "decisions.answer", "mutate", **answer) == "CONFLICT"
    assert [each["act"] for each in call("decisions.list", show="past")] == ["corrected"]


def test_the_runs_of_a_filter_are_exported(call, run_in, link):
    failed = [run_in("failed").public_id for _ in range(3)][::-1]
    run_in("completed")
    told = call("runs.exportAll", status="failed", workflow_id="invoices")
    assert [run["id"] for run in told["runs"]] == failed
    assert (told["count"], told["export"]["complete"], told["export"]["next"]) == (3, True, None)
    assert {run["missing"] for run in told["runs"]} == {0}
    first = call("runs.list", status="failed", limit=1)
    rest = call("runs.exportAll", status="failed", cursor=first[0]["cursor"])
    assert [run["id"] for run in rest["runs"]] == failed[1:]
    entry = AuditEntry.objects.filter(action="export").earliest("id")
    assert (entry.filter, entry.count) == ({"state": "failed", "workflow": "invoices"}, 3)


def test_a_history_is_read_by_pages_and_by_kind(call, run_in):
    run = run_in("completed")
    seen, after = [], 0
    while after is not None:
        page = call("runs.events", id=run.public_id, after=after, limit=3)
        seen += [event["seq"] for event in page["events"]]
        after = page["next"]
    assert seen == list(range(1, run.last_seq + 1))
    found = call("runs.events", id=run.public_id, kind=["node_completed"], node="first")
    assert [event["data"]["output"] for event in found["events"]] == [{"text": "hello"}]
    assert found["next"] is None


def test_versions_are_listed_and_read(call, workflow):
    node = {"id": "only", "kind": "executor", "executor": "probe.noop"}
    call("workflows.publish", "mutate", id="invoices", definition={"nodes": [node]}, base=1)
    listed = call("workflows.versions", id="invoices", limit=1)
    assert [version["number"] for version in listed] == [2]
    listed = call("workflows.versions", id="invoices", before=2)
    assert [version["number"] for version in listed] == [1]
    assert call("workflows.version", id="invoices", number=2)["definition"] == {"nodes": [node]}
    assert refusal(call, "workflows.version", id="invoices", number=3) == "NOT_FOUND"


def test_a_trigger_is_made_tried_switched_and_deleted(call, workflow):
    then = {"start": "invoices", "input": {"document": "$.body.file"}}
    made = call("triggers.create", "mutate", kind="webhook", name="in", rule={"then": [then]})
    assert made["secret"].startswith("whsec_")
    one, payload = {"id": made["id"]}, {"body": {"file": "a.pdf"}}
    tried = call("triggers.test", "mutate", **one, payload=payload)
    assert (tried["targets"][0]["input"], tried["firing"]) == ({"document": "a.pdf"}, None)
    fired = call("triggers.test", "mutate", **one, payload=payload, start=True)["firing"]
    assert call("runs.get", id=fired["outcomes"][0]["run"])["trigger"] == "webhook"
    assert [each["id"] for each in call("triggers.firings", **one)] == [fired["id"]]
    assert call("triggers.firings", **one, before=fired["id"]) == []
    changed = call("triggers.change", "mutate", **one, revision=1, name="orders")
    assert (changed["name"], changed["rule"]) == ("orders", {"then": [then]})
    assert refusal(call, "triggers.change", "mutate", **one, revision=1, name="x") == "CONFLICT"
    assert not call("triggers.switch", "mutate", **one, on=False)["enabled"]
    assert [each["name"] for each in call("triggers.list", enabled=False)] == ["orders"]
    assert call("triggers.list", after="orders") == []
    assert call("triggers.delete", "mutate", **one, reason="done") == one
    assert refusal(call, "triggers.get", **one) == "NOT_FOUND"
    reasons = AuditEntry.objects.filter(target_type="trigger").order_by("id")
    assert reasons.last().reason == "done"


def test_a_workflow_is_paused_resumed_and_limited(call, workflow):
    assert call("workflows.pause", "mutate", id="invoices", reason="upgrade")["pause_reason"]
    assert not call("workflows.resume", "mutate", id="invoices")["pause_reason"]
    assert call("workflows.limit", "mutate", id="invoices", max_active=3)["max_active"] == 3
