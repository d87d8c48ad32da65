"""OPERATE → Automation: the list, a trigger's page, its form, and trying it."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from runs.models import AuditEntry, Firing, Run, Trigger
from runs.triggers import changes, firing, schedule
from runs.triggers.firing import Happening
from tests.runs.conftest import executor_node
from tests.runs.visitors import account, visitor

pytestmark = pytest.mark.django_db
LIST = reverse("automation")
NEW = reverse("trigger_new")
SEES = ("runs.view_trigger", "runs.view_run", "runs.view_workflow")
FIRES = (*SEES, "runs.fire_trigger")
CHANGES = (
    *FIRES, "runs.add_trigger", "runs.change_trigger", "runs.delete_trigger",
    "runs.execute_workflow", "runs.retry_run",
)  # fmt: skip
SCHEDULE = {
    "kind": "schedule", "name": "nightly", "cron": "0 6 * * *", "zone": "Europe/Berlin",
    "t-act": "start", "t-0-workflow": "target", "t-0-mode": "fields",
    "t-0-in-name": ["a"], "t-0-in-value": ["17"], "enabled": "on",
}  # fmt: skip


@pytest.fixture(autouse=True)
def target(publish):
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    return publish(executor_node("only"), slug="target", input_schema=schema)


@pytest.fixture
def trigger():
    return made()


def made(kind="schedule", when=None, **more):
    by = account(*CHANGES, name=f"maker{Trigger.objects.count()}")
    rule = {
        "when": {"cron": "0 6 * * *", "zone": "UTC"} if when is None else when,
        "then": [{"start": "target", "input": {"a": 1}}],
    }
    name = more.pop("name", f"its {kind}")
    return changes.make(by, kind, name, {**rule, **more}, now=timezone.now())


def text(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def page(trigger, client=None):
    return text((client or visitor(*CHANGES)).get(reverse("trigger", args=[trigger.pk])))


def test_one_who_may_sees_how_to_begin_where_there_is_none():
    assert "Nothing starts runs by itself yet" in text(visitor(*CHANGES).get(LIST))
    assert f"{NEW}?kind=webhook" in text(visitor(*CHANGES, name="b").get(LIST))
    assert NEW not in text(visitor(*SEES, name="c").get(LIST))


def test_a_schedule_is_made_by_form_and_shown():
    client = visitor(*CHANGES)
    answer = client.post(NEW, SCHEDULE, follow=True)
    trigger = Trigger.objects.get()
    assert trigger.rule == {
        "when": {"cron": "0 6 * * *", "zone": "Europe/Berlin"},
        "then": [{"start": "target", "input": {"a": 17}}],
    }
    assert trigger.next_due_at is not None
    shown = text(answer)
    assert "At 06:00 every day, Europe/Berlin" in shown
    assert len(re.findall(r"<li><time", shown)) == 5
    assert AuditEntry.objects.get(target_type="trigger").action == "create"
    assert "nightly" in text(client.get(LIST))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron": "61 * * * *"}, "When, cron: is no cron expression: Bad minute"),
        ({"zone": "Mars"}, "When, zone: is a time zone such as"),
        ({"name": ""}, "Name: is a text"),
        ({"t-0-workflow": "nothing"}, "Then 1, start: there is no workflow nothing"),
        ({"t-0-in-value": ["many"]}, "Then 1, input: a must be a whole number, not text"),
        ({"t-0-in-value": ["$.body.x"]}, "begins with none of $.due_at"),
        ({"c-path": ["due_at"], "c-op": ["equals"], "c-value": ["1"]}, "If: the “value” of a"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(wrong, said):
    answer = visitor(*CHANGES).post(NEW, {**SCHEDULE, **wrong})
    assert answer.status_code == 422
    assert said in text(answer)
    assert 'value="Europe/Berlin"' in text(answer) or "Mars" in text(answer)
    assert not Trigger.objects.exists()


def test_rows_are_added_and_taken_away_without_javascript():
    client = visitor(*CHANGES)
    form = {**SCHEDULE, "kind": "automation", "on": "run_ends", "states": ["failed"]}
    shown = text(client.post(NEW, {**form, "change": "condition"}))
    assert shown.count('name="c-path"') == 1
    shown = text(client.post(NEW, {**form, "change": "target"}))
    assert shown.count('name="t-act"') == 2
    shown = text(client.post(NEW, {**form, "change": "input 0"}))
    assert shown.count('name="t-0-in-name"') == 2
    shown = text(client.post(NEW, {**form, "change": "less input 0 0"}))
    assert shown.count('name="t-0-in-name"') == 1  # what the workflow needs is offered
    assert not Trigger.objects.exists()


@pytest.mark.parametrize(
    "asked", ["less target 9", "input x", "less", "input 99", "less input 0 7"]
)
def test_a_row_that_is_not_there_is_no_error(asked):
    assert visitor(*CHANGES).post(NEW, {**SCHEDULE, "change": asked}).status_code == 200


def test_the_rule_may_be_written_as_json():
    client = visitor(*CHANGES)
    shown = text(client.post(NEW, {**SCHEDULE, "change": "as json"}))
    assert "&quot;cron&quot;: &quot;0 6 * * *&quot;" in shown
    rule = '{"when": {"cron": "5 * * * *"}, "then": [{"start": "target", "input": {"a": 2}}]}'
    back = text(client.post(NEW, {"kind": "schedule", "rule": rule, "change": "as form"}))
    assert 'value="5 * * * *"' in back
    answer = client.post(NEW, {"kind": "schedule", "name": "x", "rule": "{"})
    assert "The rule is not JSON" in text(answer)
    client.post(NEW, {"kind": "schedule", "name": "x", "rule": rule})
    assert Trigger.objects.get().rule["when"] == {"cron": "5 * * * *"}


def test_of_two_who_change_it_at_once_the_second_is_told(trigger):
    client = visitor(*CHANGES)
    address = reverse("trigger_edit", args=[trigger.pk])
    assert 'name="revision" value="1"' in text(client.get(address))
    form = {**SCHEDULE, "revision": "1"}
    assert client.post(address, {**form, "cron": "1 6 * * *"}).status_code == 302
    answer = client.post(address, {**form, "cron": "2 6 * * *"})
    assert answer.status_code == 409
    assert "Somebody else has changed this trigger" in text(answer)
    assert 'value="2 6 * * *"' in text(answer)
    trigger.refresh_from_db()
    assert trigger.rule["when"]["cron"] == "1 6 * * *"
    assert "0 6 * * *" in AuditEntry.objects.filter(action="change").get().reason


def test_it_is_switched_off_and_on(trigger):
    client = visitor(*FIRES)
    address = reverse("trigger", args=[trigger.pk])
    assert client.post(address, {"act": "off"}).url == address
    assert "It is off" in page(trigger, client)
    assert client.post(address, {"act": "on", "from": "list"}).url == LIST
    trigger.refresh_from_db()
    assert trigger.enabled
    assert AuditEntry.objects.filter(target_type="trigger").count() == 3


def test_who_may_only_see_changes_nothing(trigger):
    client = visitor(*SEES)
    shown = page(trigger, client)
    assert "Delete" not in shown
    address = reverse("trigger", args=[trigger.pk])
    assert client.post(address, {"act": "off"}).status_code == 403
    for name in ("trigger_edit", "trigger_test", "trigger_delete"):
        assert client.post(reverse(name, args=[trigger.pk])).status_code == 403
    assert client.post(NEW, SCHEDULE).status_code == 403
    assert visitor(name="nobody").get(LIST).status_code == 403
    trigger.refresh_from_db()
    assert trigger.enabled


def test_who_may_not_start_runs_makes_no_trigger_that_does():
    client = visitor(*FIRES, "runs.add_trigger")
    assert "starts runs, which you may not" in text(client.post(NEW, SCHEDULE))


def test_the_secret_is_for_those_who_may_change_it():
    hook = made("webhook", {"scheme": "standard"})
    assert "whsec_" in page(hook)
    assert "whsec_" not in page(hook, visitor(*FIRES, name="d"))
    client = visitor(*CHANGES, name="e")
    before = page(hook, client)
    client.post(reverse("trigger", args=[hook.pk]), {"act": "new_secret"})
    secret = re.search(r'data-copy="(whsec_[^"]+)"', page(hook, client))
    assert secret
    assert secret[1] not in before
    refused = visitor(*FIRES, name="f").post(
        reverse("trigger", args=[hook.pk]), {"act": "new_secret"}
    )
    assert refused.status_code == 403


def test_its_firings_say_what_was_started_or_why_not(trigger):
    firing.fire(trigger, Happening("one", {"due_at": "x"}), now=timezone.now())
    changes.switch(trigger.created_by, trigger, False, now=timezone.now())
    trigger.refresh_from_db()
    firing.fire(trigger, Happening("two", {"due_at": "y"}), now=timezone.now())
    client = visitor(*CHANGES)
    shown = page(trigger, client)
    run = Run.objects.get()
    assert run.public_id in shown
    assert "The trigger is off" in shown
    address = reverse("trigger", args=[trigger.pk])
    assert run.public_id not in text(client.get(address, {"status": "skipped"}))
    assert client.get(address, {"before": "9" * 30}).status_code == 200
    run_page = text(client.get(reverse("admin:runs_run_page", args=[run.public_id])))
    assert address in run_page


def test_firings_are_read_page_by_page(trigger, django_assert_max_num_queries):
    for number in range(120):
        firing.note(trigger, f"k{number}", "skipped", f"reason {number}", now=timezone.now())
    client = visitor(*CHANGES)
    address = reverse("trigger", args=[trigger.pk])
    client.get(address)
    with django_assert_max_num_queries(16):
        shown = text(client.get(address))
    assert shown.count("op-au-firing") == 50 + 1  # and the section's own name
    older = re.search(r"before=(\d+)", shown)
    assert older
    assert "Reason 69." in text(client.get(address, {"before": older[1]}))


def test_who_may_not_start_runs_fires_none(trigger):
    address = reverse("trigger_test", args=[trigger.pk])
    answer = visitor(*FIRES).post(address, {"payload": "{}", "act": "fire"})
    assert "starts runs, which you may not" in text(answer)
    assert not Run.objects.exists()


def test_it_is_tried_before_it_is_fired(trigger):
    client = visitor(*FIRES, "runs.execute_workflow")
    address = reverse("trigger_test", args=[trigger.pk])
    assert "Nothing has been started yet" in text(client.get(address))
    assert not Run.objects.exists()
    assert "This is not JSON" in text(client.post(address, {"payload": "{"}))
    client.post(address, {"payload": '{"due_at": "now"}', "act": "fire"})
    assert Run.objects.get().events.get(seq=1).data["fired"]["payload"] == {"due_at": "now"}
    assert Firing.objects.get().is_test


def test_a_try_says_what_the_run_would_fail_of(publish):
    mail = made(
        "webhook", {}, then=[{"start": "target", "input": {"a": "$.body.count"}}],
    )  # fmt: skip
    client = visitor(*FIRES)
    address = reverse("trigger_test", args=[mail.pk])
    assert "$.body.count leads to nothing" in text(client.get(address))
    shown = text(client.post(address, {"payload": '{"body": {"count": "many"}}'}))
    assert "The run would fail at once" in shown


def test_it_is_deleted_and_its_runs_stay(trigger):
    schedule.tick(trigger.next_due_at)
    client = visitor(*CHANGES)
    address = reverse("trigger_delete", args=[trigger.pk])
    assert "cannot be undone" in text(client.get(address))
    client.post(address, {"reason": "no longer needed"})
    assert not Trigger.objects.exists()
    assert Run.objects.count() == 1
    assert AuditEntry.objects.get(action="delete").reason == "no longer needed"
    assert client.get(reverse("trigger", args=[trigger.pk])).status_code == 404


def test_the_list_is_narrowed(trigger):
    made("event", {"run_ends": {"workflow": "target", "states": ["failed"]}}, name="on failure")
    client = visitor(*CHANGES)
    assert "on failure" not in text(client.get(LIST, {"kind": "schedule"}))
    assert "its schedule" not in text(client.get(LIST, {"q": "FAIL"}))
    both = text(client.get(LIST, {"workflow": "target"}))
    assert "on failure" in both
    assert "its schedule" in both
    assert "No trigger fits" in text(client.get(LIST, {"workflow": "other"}))


def test_a_rule_from_before_a_check_was_added_is_shown_and_can_be_mended(trigger):
    Trigger.objects.update(rule={"when": {"cron": "?"}, "then": []})
    client = visitor(*CHANGES)
    assert "no longer passes the checks" in page(trigger, client)
    assert "needs five fields" in text(client.get(LIST))
    edit = text(client.get(reverse("trigger_edit", args=[trigger.pk])))
    assert "The rule as JSON" in edit
    assert client.get(reverse("trigger_test", args=[trigger.pk])).status_code == 200
