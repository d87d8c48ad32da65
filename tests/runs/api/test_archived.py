"""Archived logs in the API: read where they lie, or refused with what to do; restored."""

import io
import json
import zipfile

import pytest
from asgiref.sync import async_to_sync
from rest_framework.test import APIClient

from runs import whole_log
from runs.bulk import work
from runs.models import Archive, AuditEntry, BulkOperation
from runs.states import LogState
from tests.runs import stories
from tests.runs.api.conftest import ALL
from tests.runs.archives import archive, in_folder, late, path_of, restore, spoil, storage_away

pytestmark = pytest.mark.django_db(transaction=True)
TYPE = "urn:problem-type:runs:log-archived"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    in_folder(settings, tmp_path)
    return tmp_path


@pytest.fixture
def client(login):
    return login(*ALL)


@pytest.fixture
def story():
    return stories.failed_invoice()


def bytes_of(answer):
    async def collected():
        return b"".join([piece async for piece in answer.streaming_content])

    assert answer.status_code == 200
    return async_to_sync(collected)()


def text_of(answer):
    return bytes_of(answer).decode()


def trpc(client, path, given, *, mutation=False):
    if mutation:
        return client.post(f"/api/trpc/{path}", given, format="json").json()
    return client.get(f"/api/trpc/{path}", {"input": json.dumps(given)}).json()


def test_a_run_says_where_its_log_is(client, story):
    def said(path=f"/api/runs/{story.public_id}/"):
        found = client.get(path).json()
        found = found["results"][0] if "results" in found else found
        return found["log_state"], found["archived_at"], found["restored_until"]

    assert said() == said("/api/runs/") == ("live", None, None)
    archive(story)
    at = story.run.archive.archived_at.strftime("%Y-%m-%dT%H:%M:%S")
    for path in (f"/api/runs/{story.public_id}/", "/api/runs/"):
        state, archived_at, until = said(path)
        assert (state, archived_at[:19], until) == ("archived", at, None)
    restore(story)
    assert said()[0] == said("/api/runs/")[0] == "restored"
    assert said()[2] == said("/api/runs/")[2] is not None
    found = trpc(client, "runs.get", {"id": story.public_id})["result"]["data"]
    assert found["log_state"] == "restored"


def test_runs_are_filtered_by_where_their_logs_are(client, story):
    other = stories.failed_invoice()
    archive(story)

    def found(**query):
        return [run["id"] for run in client.get("/api/runs/", query).json()["results"]]

    assert found(logs="archived") == [story.public_id]
    assert found(logs="live") == [other.public_id]
    assert client.get("/api/runs/counts/", {"logs": "archived"}).json()["all"] == 1
    listed = trpc(client, "runs.list", {"logs": "archived"})["result"]["data"]
    assert [run["id"] for run in listed] == [story.public_id]
    assert found(logs="partly") == found(logs="damaged") == found(logs="restored") == []
    late(story)
    assert found(logs="partly") == found(logs="archived") == [story.public_id]
    Archive.objects.filter(pk=story.id).update(problem="it is cut off")
    assert found(logs="damaged") == [story.public_id]
    client.post(f"/api/runs/{story.public_id}/hold/", {"reason": "a case"}, format="json")
    assert found(held="yes") == [story.public_id]
    assert found(held="no") == [other.public_id]
    listed = trpc(client, "runs.list", {"held": "yes"})["result"]["data"]
    assert [run["id"] for run in listed] == [story.public_id]
    exported = text_of(client.get("/api/runs/export/?held=no&as=csv"))
    assert other.public_id in exported
    assert story.public_id not in exported
    asked = {"kind": "release", "filter": {"held": "yes"}, "reason": "it is closed"}
    client.post("/api/bulk/", asked, format="json")
    work.work(BulkOperation.objects.get().pk)
    assert found(held="yes") == []
    assert client.get("/api/runs/", {"held": "perhaps"}).status_code == 400
    assert client.get("/api/runs/", {"logs": "lost"}).status_code == 400
    assert client.get("/api/runs/", {"logs": "archived", "fields": "id,log_state"}).json()[
        "results"
    ] == [{"id": story.public_id, "log_state": "partly"}]


def test_context_events_timeline_and_files_are_the_same_wherever_the_log_is(client, story):
    at = f"/api/runs/{story.public_id}"

    def everything():
        events, url = [], f"{at}/events/?limit=7"
        while url:
            page = client.get(url).json()
            events += page["results"]
            url = page["next"]
        return (
            client.get(f"{at}/context/").json(),
            events,
            client.get(f"{at}/timeline/").json(),
            client.get(f"{at}/job/").json(),
            client.get(f"{at}/events/?kind=log&node=classify").json()["results"],
            client.get(f"{at}/events/?text=429%20FROM").json()["results"],
            client.get(f"{at}/events/?text=node%20failed&after=9&limit=2").json()["results"],
            text_of(client.get(f"{at}/logs/")),
            trpc(client, "runs.context", {"id": story.public_id})["result"]["data"],
            trpc(client, "runs.events", {"id": story.public_id, "after": 3, "limit": 4})["result"],
        )

    before = everything()
    assert all(before[:6])
    assert len(before[1]) == story.run.last_seq
    archive(story)
    assert everything() == before
    late(story, node="classify")
    after = everything()
    assert after[1][:-1] == before[1]
    assert after[7].startswith(before[7])
    exported = json.loads(text_of(client.get(f"{at}/export/")))
    assert exported["completeness"] == {"events": story.run.last_seq, "missing": 0}
    assert client.get(f"{at}/bundle/").status_code == 200


def test_an_export_counts_archived_events(client, story):
    archive(story)
    late(story, node="classify")
    rows = text_of(client.get("/api/runs/export/?as=ndjson")).split("\n")
    run = json.loads(rows[0])
    assert (run["events"], run["missing"]) == (story.run.last_seq, 0)
    assert run["log_state"] == "partly"


@pytest.mark.parametrize("path", ["context", "events"])
def test_what_is_too_long_to_be_read_is_refused_with_what_to_do(client, story, monkeypatch, path):
    archive(story)
    monkeypatch.setattr(whole_log, "AT_ONCE_BYTES", 100)
    answer = client.get(f"/api/runs/{story.public_id}/{path}/")
    assert answer.status_code == 409
    found = answer.json()
    assert (found["type"], found["log_state"]) == (TYPE, "archived")
    assert "Restore the log first." in found["detail"]
    assert client.post(found["restore"]).status_code == 202
    error = trpc(client, f"runs.{path}", {"id": story.public_id})["error"]
    assert (error["data"]["code"], error["data"]["log_state"]) == ("CONFLICT", "archived")
    assert text_of(client.get(f"/api/runs/{story.public_id}/logs/"))


@pytest.mark.parametrize("path", ["context", "events", "logs", "export", "bundle"])
def test_storage_that_is_away_is_said_before_anything_is_given(client, story, path):
    archive(story)
    with storage_away():
        answer = client.get(f"/api/runs/{story.public_id}/{path}/")
        assert answer.status_code == 503
        assert "Object storage" in answer.json()["detail"]
    assert not AuditEntry.objects.exists()


def test_an_object_that_is_not_whole_is_no_answer(client, story, folder):
    archive(story)
    spoil(story, folder)
    for path in ("context", "events", "logs"):
        answer = client.get(f"/api/runs/{story.public_id}/{path}/")
        assert (answer.status_code, answer.json()["type"]) == (409, TYPE)
        assert "not whole" in answer.json()["detail"]
    assert not AuditEntry.objects.filter(action="export").exists()
    # What is left of it is given by who says what is missing.
    late(story)
    exported = json.loads(text_of(client.get(f"/api/runs/{story.public_id}/export/")))
    left = exported["completeness"]
    assert (left["events"], left["missing"]) == (1, story.run.last_seq - 1)
    assert "not whole" in left["problem"]
    answer = client.get(f"/api/runs/{story.public_id}/bundle/")
    with zipfile.ZipFile(io.BytesIO(bytes_of(answer))) as bundle:
        assert json.loads(bundle.read(f"{story.public_id}/completeness.json")) == left


def test_an_object_that_is_lost_is_no_answer(client, story, folder):
    archive(story)
    path_of(story, folder).unlink()
    answer = client.get(f"/api/runs/{story.public_id}/logs/", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.json()["log_state"]) == (409, "archived")
    assert "not whole" in answer.json()["detail"]


def test_a_log_is_restored(client, story):
    path = f"/api/runs/{story.public_id}/restore/"
    refused = client.post(path)
    assert (refused.status_code, refused.json()["detail"]) == (409, "Its log is not archived.")
    archive(story)
    assert client.post(path, {"days": 0}, format="json").status_code == 400
    answer = client.post(path, {"days": 30, "reason": "an audit"}, format="json")
    assert answer.status_code == 202
    told = answer.json()
    assert (told["kind"], told["options"], told["reason"]) == ("restore", {"days": 30}, "an audit")
    assert answer["Location"] == told["url"]
    operation = BulkOperation.objects.get()
    work.work(operation.pk)
    assert story.run.logs == LogState.RESTORED
    assert client.get(told["url"]).json()["done"] == 1
    archiving_again = story.run.archive.expires_at
    assert archiving_again is not None


def test_many_are_restored_by_a_bulk_operation(client, story):
    other = stories.failed_invoice()
    archive(story)
    asked = {"kind": "restore", "filter": {}}
    preview = client.post("/api/bulk/preview/", asked, format="json").json()
    assert preview["skipped"] == [
        {"reason": "its log is not archived", "count": 1, "is_capped": False}
    ]
    wrong = client.post("/api/bulk/", asked | {"options": {"format": "csv"}}, format="json")
    assert wrong.status_code == 400
    told = client.post("/api/bulk/", asked | {"options": {"days": 2}}, format="json").json()
    operation = BulkOperation.objects.get()
    work.work(operation.pk)
    assert story.run.logs == LogState.RESTORED
    assert other.run.logs == LogState.LIVE
    assert client.get(told["url"]).json()["skipped"] == 1
    archive_again = trpc(client, "bulk.start", {"kind": "restore", "runs": [story.public_id]},
                         mutation=True)  # fmt: skip
    assert archive_again["result"]["data"]["kind"] == "restore"


def test_trpc_restores(client, story):
    archive(story)
    given = {"id": story.public_id, "days": 5}
    told = trpc(client, "runs.restore", given, mutation=True)["result"]["data"]
    assert told["options"] == {"days": 5}
    work.work(BulkOperation.objects.get().pk)
    assert story.run.logs == LogState.RESTORED
    error = trpc(client, "runs.restore", given, mutation=True)["error"]
    assert error["data"]["code"] == "CONFLICT"


def test_who_may_restore(login, person, story):
    archive(story)
    path = f"/api/runs/{story.public_id}/restore/"
    vera = login("view_run", "retry_run", name="vera")
    assert vera.post(path).status_code == 403
    assert (
        vera.post("/api/bulk/", {"kind": "restore", "filter": {}}, format="json").status_code == 403
    )
    assert trpc(vera, "runs.restore", {"id": story.public_id}, mutation=True)["error"]["data"][
        "code"
    ] == "FORBIDDEN"  # fmt: skip
    assert APIClient().post(path).status_code == 401
    assert not BulkOperation.objects.exists()


def test_a_retry_from_the_failed_node_says_what_to_do(client, story):
    archive(story)
    path = f"/api/runs/{story.public_id}/retry/"
    answer = client.post(path, {"from_failed": True}, format="json")
    assert answer.status_code == 409
    assert "restore it first" in answer.json()["detail"]
    assert client.post(path).status_code == 201
