"""Triggers over the API: made, changed, switched, tried, and what they did."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import tokens
from runs.api import trigger_acts
from runs.models import AuditEntry, Firing, Run, Trigger
from runs.models.trigger import FiringStatus
from runs.triggers import firing, schedule
from tests.runs.api.conftest import ALL
from tests.runs.api.test_hooks import call
from tests.runs.api.test_tokens import bearer
from tests.runs.conftest import executor_node
from tests.runs.triggers.signing import by_hand, standard

TRIGGERS = "/api/triggers/"
START = {"start": "target", "input": {"a": 1}}
NIGHTLY = {"when": {"cron": "0 6 * * *"}, "then": [START]}
HOOK = {"if": {"value": "$.body.a", "equals": 1}, "then": [{**START, "input": "$.body"}]}
ON_END = {"when": {"run_ends": {"workflow": "target", "states": ["failed"]}}, "then": [START]}
VIEWER = ("view_run", "view_workflow", "view_trigger")


@pytest.fixture(autouse=True)
def target(publish):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    return publish(executor_node("only"), slug="target", input_schema=schema)


def made(client, kind="schedule", rule=None, name="nightly", **more):
    rule = rule or {"schedule": NIGHTLY, "webhook": HOOK, "event": ON_END}[kind]
    body = {"kind": kind, "name": name, "rule": rule, **more}
    response = client.post(TRIGGERS, body, format="json")
    assert response.status_code == 201, response.json()
    return response.json()


def post(client, trigger, act, **body):
    return client.post(f"{TRIGGERS}{trigger['id']}/{act}/", body, format="json")


def errors(response, status=422):
    assert response.status_code == status, response.json()
    assert response["Content-Type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in response.json()["errors"]}


# -- Made and read ---------------------------------------------------------------------------


def test_a_schedule_is_made_and_read(client):
    shown = made(client, description="At six")
    row = Trigger.objects.get()
    assert (row.created_by.username, row.enabled, row.hook) == ("olga", True, None)
    assert schedule.next_due(row, row.enabled_at) == row.next_due_at
    assert shown.pop("secret") is None
    assert client.get(f"{TRIGGERS}{row.pk}/").json() == shown
    assert (shown["rule"], shown["revision"], shown["hook_url"]) == (NIGHTLY, 1, None)
    assert shown["next_due_at"].endswith("T06:00:00.000Z")
    [listed] = client.get(TRIGGERS).json()["results"]
    assert listed == {name: value for name, value in shown.items() if name != "rule"}


def test_a_webhook_s_secret_is_shown_to_who_makes_it_and_to_nobody_later(client):
    response = client.post(TRIGGERS, {"kind": "webhook", "name": "h", "rule": HOOK}, format="json")
    assert response["Cache-Control"] == "no-store"
    shown = response.json()
    assert shown["hook_url"] == f"http://testserver/api/hooks/{Trigger.objects.get().hook}"
    path = response["Location"].removeprefix("http://testserver")
    again = client.get(path)
    assert again.status_code == 200
    assert shown["secret"] not in again.content.decode()
    answer = client.post(
        shown["hook_url"], {"a": 1}, format="json", headers=standard(shown["secret"], b'{"a":1}')
    )
    assert answer.json()["status"] == "started"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"rule": {}}, {"rule.when", "rule.then"}),
        ({"rule": {"when": {"cron": "* * *"}, "then": [START]}}, {"rule.when.cron"}),
        ({"rule": {**NIGHTLY, "then": [{"start": "gone"}]}}, {"rule.then.0.start"}),
        ({"rule": {**NIGHTLY, "then": [{"start": "target", "input": "$.body"}]}},
         {"rule.then.0.input"}),
        ({"name": " \t"}, {"name"}),
        ({"name": "taken"}, {"name"}),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_kept_is_refused_with_all_that_is_wrong(client, body, fields):
    made(client, name="taken")
    given = {"kind": "schedule", "name": "n", "rule": NIGHTLY, **body}
    response = client.post(TRIGGERS, given, format="json")
    if not given["name"].strip():
        assert errors(response, 400).keys() == fields
        return
    assert errors(response).keys() == fields
    for error in response.json()["errors"]:
        assert error["field"] in (error["place"], f"rule.{error['place']}")
    assert Trigger.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"kind": "cron"}, "kind"), ({"rule": 1}, "rule"), ({"on": True}, "on")],
)
def test_what_is_no_trigger_at_all_is_refused(client, body, field):
    given = {"kind": "schedule", "name": "n", "rule": NIGHTLY, **body} if body else body
    assert field in errors(client.post(TRIGGERS, given, format="json"), 400)


def test_the_list_is_filtered_and_paged_by_name(client, publish):
    publish(executor_node("only"), slug="other")
    for name in ("delta", "alpha", "Charlie", "bravo"):
        made(client, name=name)
    made(client, "webhook", name="hook", enabled=False)
    made(client, "event", {**ON_END, "then": [{"start": "other"}]}, name="on end")

    def names(query=""):
        found, path = [], f"{TRIGGERS}{query}"
        while path:
            page = client.get(path).json()
            found += [row["name"] for row in page["results"]]
            path, names.last = page["next"], page
        return found

    everything = names()
    assert sorted(everything) == sorted(["delta", "alpha", "Charlie", "bravo", "hook", "on end"])
    assert names("?limit=1") == names("?limit=4") == everything
    assert client.get(names.last["previous"]).json()["results"][-1]["name"] == everything[3]
    assert names("?kind=webhook") == names("?enabled=false") == ["hook"]
    assert names("?workflow=other") == ["on end"]
    assert names("?workflow=target") == everything
    assert set(names("?name=HA")) == {"alpha", "Charlie"}
    for wrong in ("kind=x", "enabled=1", "name=", "name=%00", "color=red", "cursor=after.%00"):
        assert client.get(f"{TRIGGERS}?{wrong}").status_code == 400


# -- Changed ---------------------------------------------------------------------------------


def test_a_change_counts_up_and_of_two_the_second_is_told(client):
    shown = made(client)
    path = f"{TRIGGERS}{shown['id']}/"
    changed = client.patch(path, {"revision": 1, "name": "daily"}, format="json").json()
    assert (changed["name"], changed["revision"], changed["rule"]) == ("daily", 2, NIGHTLY)
    late = client.patch(path, {"revision": 1, "name": "weekly"}, format="json")
    assert late.status_code == 409
    assert late.json()["type"] == "urn:problem-type:runs:outdated"
    assert late.json()["newest"] == 2
    other = {**NIGHTLY, "when": {"cron": "0 7 * * *"}}
    later = client.patch(path, {"revision": 2, "rule": other}, format="json").json()
    assert "T07:00" in later["next_due_at"]
    assert errors(client.patch(path, {"name": "x"}, format="json"), 400).keys() == {"revision"}
    wrong = client.patch(path, {"revision": 3, "rule": {"then": []}}, format="json")
    assert "rule.then" in errors(wrong)
    assert Trigger.objects.get().revision == 3


def test_it_is_switched_off_and_on(client):
    shown = made(client)
    off = post(client, shown, "switch", on=False, reason="holidays").json()
    assert (off["enabled"], off["next_due_at"]) == (False, None)
    on = post(client, shown, "switch", on=True).json()
    assert (on["enabled"], on["next_due_at"]) == (True, shown["next_due_at"])
    assert post(client, shown, "switch").status_code == 400


def test_a_new_secret_replaces_the_former_one(client):
    shown = made(client, "webhook")
    row = Trigger.objects.get()
    renewed = post(client, shown, "secret")
    assert renewed["Cache-Control"] == "no-store"
    assert renewed.json()["secret"] != shown["secret"]
    assert (
        call(row, {"a": 1}, sign=lambda _, body: by_hand(shown["secret"], body)).status_code == 401
    )
    fresh = renewed.json()["secret"]
    assert call(row, {"a": 1}, sign=lambda _, body: by_hand(fresh, body)).status_code == 202
    assert post(client, made(client, name="s"), "secret").status_code == 409


def test_it_is_deleted_and_its_runs_stay(client):
    shown = made(client)
    post(client, shown, "test", start=True)
    run = Run.objects.get()
    path = f"{TRIGGERS}{shown['id']}/"
    assert client.delete(f"{path}?reason=done").status_code == 204
    assert client.get(path).status_code == 404
    told = client.get(f"/api/runs/{run.public_id}/").json()
    assert (told["trigger"], told["fired"]) == ("schedule", None)


def test_one_that_did_much_is_deleted_in_a_moment(client, monkeypatch):
    shown = made(client, "webhook")
    post(client, shown, "test", payload={"body": {"a": 1}}, start=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO firings (trigger_id, key, fired_at, status, reason, outcomes, payload,"
            " count, is_test, depth) SELECT %s, 'x' || n, now(), 'skipped', '', '[]', '{}', 1,"
            " false, 1 FROM generate_series(1, 20500) AS n",
            [shown["id"]],
        )
    with CaptureQueriesContext(connection) as asked:
        assert client.delete(f"{TRIGGERS}{shown['id']}/").status_code == 204
    assert len(asked) < 50
    assert not Firing.objects.exists()
    assert Run.objects.count() == 1


def test_what_is_done_to_it_is_audited(client):
    shown = made(client, "webhook")
    path = f"{TRIGGERS}{shown['id']}/"
    client.patch(path, {"revision": 1, "name": "other"}, format="json")
    post(client, shown, "switch", on=False, reason="holidays")
    post(client, shown, "secret")
    post(client, shown, "test", payload={"body": {"a": 1}})  # does nothing
    post(client, shown, "test", payload={"body": {"a": 1}}, start=True)
    client.delete(f"{path}?reason=done")
    entries = list(AuditEntry.objects.filter(target_type="trigger").order_by("id"))
    assert [entry.action for entry in entries] == [
        "create", "change", "switch_off", "new_secret", "test", "delete",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {"olga"}
    assert entries[2].reason == "holidays"
    assert entries[4].reason.endswith("started")


# -- Who may -----------------------------------------------------------------------------------


def test_who_may_not_start_runs_makes_nothing_that_does(client, login):
    shown = made(client)
    ben = login(*VIEWER, "add_trigger", "change_trigger", "fire_trigger", name="ben")
    body = {"kind": "schedule", "name": "n", "rule": NIGHTLY}
    path = f"{TRIGGERS}{shown['id']}/"
    for response in (
        ben.post(TRIGGERS, body, format="json"),
        ben.patch(path, {"revision": 1, "name": "x"}, format="json"),
        post(ben, shown, "test", start=True),
    ):
        assert response.status_code == 403
        assert "starts runs" in response.json()["detail"]
    assert post(ben, shown, "test").status_code == 200
    assert not Run.objects.exists()
    assert Trigger.objects.get().revision == 1


def test_a_token_makes_nothing_that_does_what_it_may_not(person):
    olga = person(*ALL)

    def script(*scopes):
        _, secret = tokens.make(
            olga, name=" ".join(scopes), scopes=scopes, days=1, by=olga.as_actor(),
            now=timezone.now(),
        )  # fmt: skip
        return bearer(secret)

    retrying = {"when": {"run_ends": {"states": ["failed"]}}, "then": [{"retry": "$.run.id"}]}
    starter, retrier, plain = (script("triggers", *more) for more in (["execute"], ["retry"], []))
    shown = made(starter)
    made(retrier, "event", retrying, name="again")
    for client, kind, rule, scope in (
        (plain, "schedule", NIGHTLY, "execute"),
        (starter, "event", retrying, "retry"),
        (retrier, "schedule", NIGHTLY, "execute"),
    ):
        body = {"kind": kind, "name": "more", "rule": rule}
        response = client.post(TRIGGERS, body, format="json")
        assert response.status_code == 403
        assert f"scope {scope}" in response.json()["detail"]
    path = f"{TRIGGERS}{shown['id']}/"
    change = {"revision": 1, "rule": {**NIGHTLY, "then": [{**START, "input": {"a": 2}}]}}
    assert plain.patch(path, change, format="json").status_code == 403
    assert post(plain, shown, "test", start=True).status_code == 403
    assert post(plain, shown, "switch", on=False).status_code == 200
    assert not Run.objects.exists()


# -- Tried, and what it did ----------------------------------------------------------------------


def test_trying_it_shows_what_it_would_start_and_starts_nothing(client):
    shown = made(client, "webhook")
    tried = post(client, shown, "test", payload={"body": {"a": 1}}).json()
    assert tried["holds"] is True
    assert tried["firing"] is None
    [target] = tried["targets"]
    assert (target["target"], target["input"], target["why"]) == ("target", {"a": 1}, "")
    assert post(client, shown, "test", payload={"body": {"a": 2}}).json()["holds"] is False
    wrong = post(client, shown, "test", payload={"body": {"a": "x"}}).json()["targets"][0]
    assert wrong["violations"]
    assert post(client, shown, "test", payload={}).json()["targets"][0]["why"]
    assert not Run.objects.exists()
    assert not Firing.objects.exists()


@pytest.mark.parametrize("kind", ["schedule", "webhook", "event"])
def test_without_a_payload_it_is_tried_with_what_it_might_meet(client, kind):
    tried = post(client, made(client, kind), "test").json()
    assert isinstance(tried["payload"], dict)


def test_a_payload_that_cannot_be_meant_is_refused(client):
    shown = made(client, "webhook")
    assert "payload" in errors(post(client, shown, "test", payload=[1]), 400)
    large = post(client, shown, "test", payload={"body": "x" * 1_000_001})
    assert large.status_code == 413


def test_trying_it_in_earnest_starts_a_run_also_where_it_is_off(client):
    shown = made(client, "webhook", enabled=False)
    tried = post(client, shown, "test", payload={"body": {"a": 1}}, start=True).json()
    run = Run.objects.get()
    fired = tried["firing"]
    assert (fired["status"], fired["is_test"]) == ("started", True)
    assert fired["outcomes"] == [{"target": "target", "run": run.public_id, "why": ""}]
    told = client.get(f"/api/runs/{run.public_id}/").json()
    assert told["fired"] == {
        "trigger_id": shown["id"], "trigger": "nightly", "firing": fired["id"]
    }  # fmt: skip
    assert "fired" not in client.get("/api/runs/").json()["results"][0]
    found = client.get("/api/runs/?trigger=webhook").json()["results"]
    assert [row["id"] for row in found] == [run.public_id]
    one = client.get(f"{TRIGGERS}{shown['id']}/firings/{fired['id']}/").json()
    assert one["payload"] == {"body": {"a": 1}}


def test_a_run_s_trigger_costs_no_query_of_its_own(client):
    post(client, made(client), "test", start=True)
    fired = Run.objects.get().public_id
    plain = client.post("/api/workflows/target/runs/", {"input": {"a": 1}}, format="json").json()
    assert plain["fired"] is None
    counts = []
    for run in (fired, plain["id"]):
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/api/runs/{run}/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_what_it_did_is_listed_newest_first(client, django_assert_max_num_queries):
    shown = made(client)
    trigger, now = Trigger.objects.get(), timezone.now()
    for number in range(5):
        status = FiringStatus.SKIPPED if number % 2 else FiringStatus.REFUSED
        firing.note(trigger, str(number), status, f"r{number}", now=now, count=number + 1)
    path, found = f"{TRIGGERS}{shown['id']}/firings/?limit=2", []
    while path:
        with django_assert_max_num_queries(9):
            page = client.get(path).json()
        found += [(row["reason"], row["count"]) for row in page["results"]]
        path = page["next"]
    assert found == [(f"r{number}", number + 1) for number in reversed(range(5))]
    skipped = client.get(f"{TRIGGERS}{shown['id']}/firings/?status=skipped").json()["results"]
    assert [row["reason"] for row in skipped] == ["r3", "r1"]
    assert client.get(f"{TRIGGERS}{shown['id']}/firings/?status=x").status_code == 400
    other = made(client, name="other")
    number = Firing.objects.first().pk
    assert client.get(f"{TRIGGERS}{other['id']}/firings/{number}/").status_code == 404
    assert client.get(f"{TRIGGERS}{2**70}/").status_code == 404
    assert client.get(f"{TRIGGERS}{shown['id']}/firings/{2**70}/").status_code == 404


def test_a_trigger_that_is_deleted_while_it_is_changed_is_not_there(client, monkeypatch):
    shown = made(client)
    row = Trigger.objects.get()
    # Found, and gone before it is locked.
    monkeypatch.setattr(trigger_acts, "find_trigger", lambda _: row)
    Trigger.objects.all().delete()
    path = f"{TRIGGERS}{shown['id']}/"
    assert client.patch(path, {"revision": 1, "name": "x"}, format="json").status_code == 404
    assert post(client, shown, "switch", on=False).status_code == 404
