"""The policy by REST and tRPC: who sees runs reads it, who may changes it."""

import json
from urllib.parse import quote

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from retention import values
from retention.models import Policy
from retention.values import Override, Values
from runs import tokens
from runs.api.document import document
from runs.models import AuditEntry
from tests.retention.stocks import ended
from tests.retention.test_preview import DAY, NOW
from tests.runs.stories import node, publish
from tests.runs.visitors import account

pytestmark = pytest.mark.django_db
URL = "/api/retention/"
MAY = ("runs.view_run", "runs.manage_retention")


@pytest.fixture(autouse=True)
def _policy(db):
    Policy.objects.get_or_create(pk=1)


@pytest.fixture
def version(db):
    return publish(node("ocr"), slug="invoices")


def client(*permissions, name="olga"):
    found = APIClient()
    found.force_login(account(*permissions, name=name))
    return found


def by_token(user, *scopes):
    _, secret = tokens.make(
        user, name=scopes[-1], scopes=scopes, days=1, by=user.as_actor(), now=timezone.now()
    )
    found = APIClient()
    found.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return found


def patch(caller, **given):
    given.setdefault("revision", values.saved().revision)
    return caller.patch(URL, given, format="json")


def test_who_sees_runs_gets_it():
    answer = client("runs.view_run").get(URL)
    assert answer.status_code == 200
    assert answer.json() | {"next_night": ""} == {
        "completed_days": 90, "failed_days": 180, "terminated_days": 30, "delete_days": None,
        "restore_days": 7, "hour": 2, "zone": "UTC", "is_on": True, "workflows": [],
        "revision": Values().revision, "next_night": "",
    }  # fmt: skip
    assert client(name="ben").get(URL).status_code == 403
    assert client("runs.view_run", name="pia").get(URL + "?x=1").status_code == 400


def test_a_part_of_it_is_changed_and_the_rest_stays(version):
    caller = client(*MAY)
    own = {"workflow_id": "invoices", "failed_days": 365}
    answer = patch(caller, completed_days=60, workflows=[own], reason="as agreed")
    assert answer.status_code == 200, answer.content
    assert values.saved() == Values(
        completed_days=60, workflows={"invoices": Override(failed_days=365)}
    )
    patch(caller, hour=5)
    assert values.saved().workflows == {"invoices": Override(failed_days=365)}
    reasons = AuditEntry.objects.filter(target_type="retention").order_by("id")
    assert [entry.reason for entry in reasons] == [
        "completed: 90 d → 60 d (as agreed)", "failed: as usual → 365 d (as agreed)",
        "hour: 02:00 → 05:00",
    ]  # fmt: skip


def test_all_of_it_is_replaced(version):
    caller = client(*MAY)
    patch(caller, workflows=[{"workflow_id": "invoices", "failed_days": 365}])
    whole = caller.get(URL).json()
    whole.pop("next_night")
    assert caller.put(URL, {**whole, "workflows": []}, format="json").status_code == 200
    assert values.saved() == Values()
    del whole["zone"]
    answer = caller.put(URL, whole, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "zone")


def test_a_token_needs_the_scope_and_stands_in_the_audit():
    user = account(*MAY)
    assert patch(by_token(user, "view"), completed_days=60).status_code == 403
    assert patch(by_token(user, "view", "retention"), completed_days=60).status_code == 200
    entry = AuditEntry.objects.get(target_type="retention")
    assert (entry.actor, entry.ref_type, entry.via != "") == ("olga", "token", True)
    assert entry.address


def test_it_is_refused_to_who_may_not_or_comes_too_late_or_did_not_confirm():
    assert patch(client("runs.view_run", name="vera"), completed_days=60).status_code == 403
    caller = client(*MAY)
    answer = patch(caller, completed_days=60, revision="gone")
    assert answer.status_code == 409
    assert "Somebody changed the policy meanwhile" in answer.json()["detail"]
    answer = patch(caller, delete_days=400)
    assert answer.status_code == 409
    assert "400 days after their end, runs are deleted for good" in answer.json()["detail"]
    assert values.saved() == Values()
    assert patch(caller, delete_days=400, confirm_deletion=True).status_code == 200
    assert values.saved() == Values(delete_days=400)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"completed_days": 0}, "completed_days"),
        ({"completed_days": "60"}, "completed_days"),
        ({"zone": "Mars"}, "zone"),
        ({"delete_days": 100}, "delete_days"),
        ({"days": 1}, "days"),
        ({"workflows": [{"workflow_id": "none", "failed_days": 3}]}, "workflows.none"),
        ({"workflows": [{"workflow_id": "a"}, {"workflow_id": "a"}]}, "workflows"),
    ],
)
def test_what_is_wrong_is_said_by_field(given, field):
    answer = patch(client(*MAY), **given)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert values.saved() == Values()


def test_the_preview_is_of_what_is_saved_and_of_what_is_given(version):
    for days in (40, 100):
        ended(version, "completed", NOW - days * DAY)
    caller = client(*MAY)
    told = caller.get(URL + "preview/").json()
    assert (told["saved"]["runs"], told["changed"]) == (1, None)
    told = caller.get(URL + "preview/?completed_days=30&delete_days=0").json()
    assert (told["saved"]["runs"], told["changed"]["runs"]) == (1, 2)
    [line] = told["changed"]["lines"]
    assert (line["workflow_id"], line["state"], line["runs"]) == ("invoices", "completed", 2)
    assert line["events"] == {"value": 6, "is_exact": True}
    assert caller.get(URL + "preview/?completed_days=0").status_code == 400
    assert caller.get(URL + "preview/?completed_days=").status_code == 400
    own = {"workflow_id": "invoices", "completed_days": 200}
    told = caller.post(URL + "preview/", {"workflows": [own]}, format="json").json()
    assert (told["saved"]["runs"], told["changed"]["runs"]) == (1, 0)
    assert values.saved() == Values()


def test_other_values_are_previewed_for_who_may_save_them_alone(version):
    viewer = client("runs.view_run", name="vera")
    assert viewer.get(URL + "preview/?format=json").status_code == 200
    assert viewer.get(URL + "preview/?completed_days=30").status_code == 403
    assert viewer.post(URL + "preview/", {"completed_days": 30}, format="json").status_code == 403
    assert ask(viewer, "retention.preview", {}).status_code == 200
    assert ask(viewer, "retention.preview", {"completed_days": 30}).status_code == 403


def ask(caller, path, given, *, is_mutation=False):
    url = f"/api/trpc/{path}"
    if is_mutation:
        return caller.post(url, given, format="json")
    return caller.get(f"{url}?input={quote(json.dumps(given))}")


def test_the_same_by_trpc(version):
    caller = client(*MAY)
    got = ask(caller, "retention.get", {}).json()["result"]["data"]
    assert got["failed_days"] == 180
    given = {"revision": got["revision"], "failed_days": 200}
    saved = ask(caller, "retention.set", given, is_mutation=True)
    assert saved.json()["result"]["data"]["failed_days"] == 200
    assert ask(caller, "retention.set", given, is_mutation=True).status_code == 409
    told = ask(caller, "retention.preview", {"completed_days": 30})
    assert told.json()["result"]["data"]["changed"]["runs"] == 0
    viewer = client("runs.view_run", name="vera")
    assert ask(viewer, "retention.get", {}).status_code == 200
    assert ask(viewer, "retention.set", given, is_mutation=True).status_code == 403


def test_the_document_tells_of_it_with_examples():
    paths = document()["paths"]
    assert set(paths["/api/retention/"]) == {"get", "put", "patch"}
    assert set(paths["/api/retention/preview/"]) == {"get", "post"}
    body = paths["/api/retention/"]["patch"]["requestBody"]["content"]["application/json"]
    assert len(body["examples"]) == 2
    shown = paths["/api/retention/preview/"]["get"]["responses"]["200"]["content"]
    [example] = shown["application/json"]["examples"].values()
    required = document()["components"]["schemas"]["RetentionPreview"]["required"]
    assert set(example["value"]) == set(required)
