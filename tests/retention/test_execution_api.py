"""Executions over the REST API: listed, begun, followed, aborted; and what they found."""

from datetime import timedelta

import pytest
from django.utils import timezone

from retention import executions, tasks
from retention.models import Execution, Finding
from runs import ids, tokens
from runs.models import AuditEntry, User
from tests.retention.nightly import begin, policy, workflow
from tests.runs.api.conftest import login, person

__all__ = ["login", "person"]
pytestmark = pytest.mark.django_db
URL = "/api/retention/executions/"


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    policy()
    found = []
    monkeypatch.setattr(tasks, "begin", lambda execution: found.append(execution.pk))
    return found


@pytest.fixture
def client(login):
    return login("manage_retention")


def post(client, body, url=URL, **headers):
    return client.post(url, body, format="json", headers=headers)


def test_one_is_begun_and_can_be_followed(client, sent):
    response = post(client, {"kind": "archive", "dry_run": True, "reason": "to see"})
    assert response.status_code == 202
    shown = response.json()
    assert response["Location"] == shown["url"]
    assert (shown["kind"], shown["state"], shown["dry_run"]) == ("archive", "running", True)
    assert (shown["by"], shown["reason"], shown["night"]) == ("olga", "to see", None)
    assert shown["options"]["policy"]["completed_days"] == 90
    [execution] = Execution.objects.all()
    assert sent == [execution.pk]
    assert AuditEntry.objects.get().target_id == shown["id"]


def test_a_dry_run_reports_by_name(client, django_assert_max_num_queries):
    known = workflow().workflow_id
    ends = ["2026-05-04T02:00:00.000Z", "2026-05-05T02:00:00.000Z"]
    report = {
        "terms": [[known, "failed", 5, 70, 1, 8_000, *ends]],
        "deleted": [[known, 3, 600, *ends], [known + 1, 1, 200, *ends]],
        "gone": 5,
        "expired": 2,
        "unfinished": 0,
    }
    for _ in range(5):
        execution = begin(dry_run=True)
    Execution.objects.update(report=report)
    span = {"oldest": ends[0], "newest": ends[1]}
    named = report | {
        "terms": [
            {"workflow": "invoice_processing", "state": "failed", "runs": 5, "events": 70}
            | {"gone": 1, "bytes": 8_000}
            | span
        ],
        "deleted": [
            {"workflow": "invoice_processing", "runs": 3, "bytes": 600} | span,
            {"workflow": "", "runs": 1, "bytes": 200} | span,
        ],
    }
    assert client.get(f"{URL}{execution.public_id}/").json()["report"] == named
    with django_assert_max_num_queries(6):
        listed = client.get(URL).json()["results"]
    assert [each["report"] for each in listed] == [named] * 5
    one = client.get(f'/api/trpc/retention.executions.get?input={{"id":"{execution.public_id}"}}')
    assert one.json()["result"]["data"]["report"] == named
    with django_assert_max_num_queries(6):
        page = client.get("/api/trpc/retention.executions.list")
    assert [each["report"] for each in page.json()["result"]["data"]] == [named] * 5


def test_its_record_tells_waits_and_who_aborted_it(client):
    execution = begin()
    waits = [
        {"since": "2026-05-04T02:00:00.000Z", "until": "2026-05-04T02:01:32.000Z", "why": "away"}
    ]
    Execution.objects.update(waits=waits)
    post(client, {"reason": "not now"}, f"{URL}{execution.public_id}/abort/")
    told = client.get(f"{URL}{execution.public_id}/").json()
    assert told["waits"] == waits
    assert (told["aborted_by"], told["abort_reason"]) == ("olga", "not now")
    fresh = client.get(f"{URL}{begin('check').public_id}/").json()
    assert (fresh["waits"], fresh["aborted_by"], fresh["report"]) == ([], "", {})


def test_the_same_key_begins_one(client, sent):
    bodies = [
        post(client, {"kind": "sweep"}, **{"Idempotency-Key": "monday"}).json() for _ in range(2)
    ]
    assert bodies[0] == bodies[1]
    assert len(sent) == 1
    other = post(client, {"kind": "check"}, **{"Idempotency-Key": "monday"})
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "check", "options": {"most": None}}, 202),
        ({"kind": "check", "options": {"most": 10}}, 202),
        ({"kind": "check", "options": {"most": 0}}, 400),
        ({"kind": "sweep", "options": {"however_many": True}}, 202),
        ({"kind": "burn"}, 400),
        ({"kind": "archive", "more": 1}, 400),
        ({}, 400),
        ({"kind": "check", "dry_run": True}, 409),
        ({"kind": "archive", "options": {"most": 10}}, 409),
    ],
)
def test_what_is_asked_is_checked(body, status, client, sent):
    assert post(client, body).status_code == status
    assert len(sent) == (status == 202)


def test_they_are_listed_by_kind_and_state_and_paged(client):
    for kind in ("sweep", "check", "sweep", "archive", "sweep"):
        begin(kind)
    Execution.objects.filter(kind="check").update(state="finished")
    all_of_them = client.get(URL).json()["results"]
    assert [each["kind"] for each in all_of_them] == [
        "sweep", "archive", "sweep", "check", "sweep",
    ]  # fmt: skip
    first = client.get(f"{URL}?limit=2&kind=sweep").json()
    second = client.get(first["next"]).json()
    assert len(first["results"]) == 2
    assert len(second["results"]) == 1
    assert client.get(second["previous"]).json()["results"] == first["results"]
    finished = client.get(f"{URL}?state=finished").json()["results"]
    assert [each["kind"] for each in finished] == ["check"]
    assert client.get(f"{URL}?state=odd").status_code == 400
    assert client.get(f"{URL}?odd=1").status_code == 400


def test_it_is_aborted_once(client):
    execution = begin()
    answer = post(client, {"reason": "not now"}, f"{URL}{execution.public_id}/abort/")
    assert answer.json()["state"] == "aborted"
    assert AuditEntry.objects.get(action="abort retention").reason == "not now"
    again = post(client, {}, f"{URL}{execution.public_id}/abort/")
    assert again.status_code == 409
    assert "it is aborted" in again.json()["detail"]


def test_findings_are_given_by_pages(client):
    execution = begin("check")
    run_id = ids.new_id()
    Finding.objects.bulk_create(
        Finding(
            execution=execution, at=timezone.now() + timedelta(seconds=n), run_id=run_id,
            object_name=f"archive/{n}", problem="gone", act="marked",
        )
        for n in range(3)
    )  # fmt: skip
    url = f"{URL}{execution.public_id}/findings/"
    first = client.get(f"{url}?limit=2").json()
    assert [each["object"] for each in first["results"]] == ["archive/0", "archive/1"]
    assert first["results"][0]["run"] == ids.encode("run", run_id)
    rest = client.get(first["next"]).json()
    assert [each["object"] for each in rest["results"]] == ["archive/2"]
    assert client.get(rest["previous"]).json()["results"] == first["results"]


def test_who_may_not_is_refused_and_a_token_needs_the_scope(login, sent):
    execution = begin()
    reader = login("view_run", "delete_run", "restore_run", name="nina")
    for path in ("", f"{execution.public_id}/", f"{execution.public_id}/findings/"):
        assert reader.get(f"{URL}{path}").status_code == 403
    assert post(reader, {"kind": "archive"}).status_code == 403
    assert post(reader, {}, f"{URL}{execution.public_id}/abort/").status_code == 403
    assert executions.PERMISSION == "runs.manage_retention"
    boss = login("manage_retention", "view_run", name="boss")
    boss.logout()
    user = User.objects.get(username="boss")
    for scopes, status in ((["view"], 403), (["retention"], 200)):
        _, secret = tokens.make(
            user, name=scopes[0], scopes=scopes, days=1, by=user.as_actor(), now=timezone.now()
        )
        answer = boss.get(URL, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == status
    assert not sent


def test_what_is_not_there_is_not_found(client):
    for name in ("exec_x", ids.encode("exec", ids.new_id())):
        assert client.get(f"{URL}{name}/").status_code == 404
        assert client.get(f"{URL}{name}/findings/").status_code == 404
        assert post(client, {}, f"{URL}{name}/abort/").status_code == 404
