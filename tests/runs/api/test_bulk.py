"""Bulk operations over the REST API: begun, followed, steered; exports downloaded."""

import csv
import io
import json
import zlib

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from runs import lifecycle, tokens
from runs.bulk import work
from runs.models import AuditEntry, BulkOperation, Run, User
from tests.runs.api.conftest import ANNA
from tests.runs.api.test_exports import text_of

pytestmark = pytest.mark.django_db
FAILED = {"state": "failed"}


def post(client, body, **headers):
    return client.post("/api/bulk/", body, format="json", headers=headers)


def finish(shown):
    operation = BulkOperation.objects.get(pk=_pk(shown))
    while work.step(operation.pk)[0] is work.Moved.ON:
        pass
    return operation


def _pk(shown):
    return next(o.pk for o in BulkOperation.objects.all() if o.public_id == shown["id"])


def errors_of(response):
    assert response.status_code == 400
    return {error["field"] for error in response.json()["errors"]}


def test_failed_runs_are_retried_and_each_has_its_outcome(client, run_in):
    runs, other = [run_in("failed") for _ in range(3)], run_in("completed")
    response = post(client, {"kind": "retry", "filter": FAILED, "reason": "mended"})
    assert response.status_code == 202
    shown = response.json()
    assert response["Location"] == shown["url"]
    assert (shown["kind"], shown["state"], shown["by"]) == ("retry", "running", "olga")
    assert (shown["filter"], shown["total"], shown["seconds_left"]) == (FAILED, None, None)
    finish(shown)
    told = client.get(shown["url"]).json()
    assert (told["state"], told["total"], told["done"]) == ("finished", 3, 3)
    assert told["export"] is None
    first = client.get(f"{shown['url']}outcomes/?limit=2").json()
    second = client.get(first["next"]).json()
    assert client.get(second["previous"]).json()["results"] == first["results"]
    entries = first["results"] + second["results"]
    assert {each["run"] for each in entries} == {run.public_id for run in runs}
    made = dict(Run.objects.exclude(retry_of=None).values_list("retry_of", "id"))
    assert {each["new_run"] for each in entries} == {str(Run(pk=pk)) for pk in made.values()}
    assert other.pk not in made
    rows = text_of(client.get(f"{shown['url']}outcomes/file/?as=csv&status=done"))
    assert [row["run"] for row in csv.DictReader(io.StringIO(rows))] == [e["run"] for e in entries]
    lines = text_of(client.get(f"{shown['url']}outcomes/file/")).splitlines()
    assert [json.loads(line) for line in lines] == entries
    assert text_of(client.get(f"{shown['url']}outcomes/file/?status=failed")) == ""


def test_to_delete_by_a_filter_takes_the_number_of_runs(client, run_in):
    for _ in range(3):
        run_in("failed")
    body = {"kind": "delete", "filter": FAILED, "reason": "private"}
    assert errors_of(post(client, body)) == {"expected_at_most"}
    refused = post(client, {**body, "expected_at_most": 2})
    assert refused.status_code == 409
    assert not BulkOperation.objects.exists()
    shown = post(client, {**body, "expected_at_most": 3}).json()
    assert shown["at_least"] == 3
    finish(shown)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "burn", "filter": {}}, {"kind"}),
        ({"kind": "retry"}, {""}),
        ({"kind": "retry", "filter": {}, "runs": ["run_1"]}, {""}),
        ({"kind": "retry", "filter": {"stat": "failed"}}, {"filter.stat"}),
        ({"kind": "retry", "filter": {"state": "gone"}}, {"filter.state"}),
        ({"kind": "retry", "filter": {"q": "x"}}, {"filter.q"}),
        ({"kind": "retry", "filter": "failed"}, {"filter"}),
        ({"kind": "retry", "runs": ["run_1"]}, {"runs"}),
        ({"kind": "retry", "runs": []}, {"runs"}),
        ({"kind": "retry", "failed_of": "bulk_1"}, {"failed_of"}),
        ({"kind": "terminate", "filter": {}}, {"reason"}),
        ({"kind": "retry", "filter": {}, "rate": 0}, {"rate"}),
        ({"kind": "retry", "filter": {}, "options": {"format": "csv"}}, {"options"}),
        ({"kind": "export", "filter": {}, "options": {"format": "xml"}}, {"options.format"}),
        ({"kind": "retry", "filter": {}, "speed": 1}, {"speed"}),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_begins(client, body, fields):
    assert errors_of(post(client, body)) == fields
    assert not BulkOperation.objects.exists()


def test_a_kind_takes_its_own_permission(login, run_in):
    run = run_in("failed").public_id
    client = login("view_run", "retry_run")
    for kind, status in (("retry", 202), ("terminate", 403), ("delete", 403), ("hold", 403)):
        assert post(client, {"kind": kind, "runs": [run], "reason": "x"}).status_code == status
    made = BulkOperation.objects.get()
    other = login("view_run", "terminate_run", name="ben")
    assert other.post(f"/api/bulk/{made}/abort/").status_code == 403
    assert other.get(f"/api/bulk/{made}/").status_code == 200


@pytest.mark.parametrize(
    ("scope", "kind", "status"),
    [
        ("retry", "retry", 202),
        ("retry", "hold", 403),
        ("hold", "hold", 202),
        ("view", "retry", 403),
    ],
)
def test_a_token_takes_the_scope_of_the_kind(client, run_in, scope, kind, status):
    run, olga = run_in("failed").public_id, User.objects.get(username="olga")
    _, secret = tokens.make(
        olga, name="t", scopes=[scope], days=1, by=olga.as_actor(), now=timezone.now()
    )
    client.logout()
    body = {"kind": kind, "runs": [run], "reason": "x"}
    assert post(client, body, Authorization=f"Bearer {secret}").status_code == status


def test_a_request_that_is_sent_again_begins_nothing(client, run_in):
    run_in("failed")
    body = {"kind": "retry", "filter": FAILED}
    first = post(client, body, Idempotency_Key="a")
    again = post(client, body, Idempotency_Key="a")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert post(client, {**body, "rate": 1}, Idempotency_Key="a").status_code == 422
    assert BulkOperation.objects.count() == 1


def test_it_is_steered(client, run_in):
    run_in("failed")
    shown = post(client, {"kind": "retry", "filter": FAILED, "rate": 5}).json()
    act = shown["url"]
    assert client.post(f"{act}resume/").status_code == 409
    assert client.post(f"{act}pause/").json()["state"] == "paused"
    assert client.patch(act, {"rate": None}, format="json").json()["rate"] is None
    assert client.patch(act, {}, format="json").status_code == 400
    assert client.post(f"{act}resume/").json()["state"] == "running"
    assert client.post(f"{act}again/").status_code == 409
    assert post(client, {"kind": "retry", "failed_of": shown["id"]}).status_code == 409
    ended = client.post(f"{act}abort/").json()
    assert (ended["state"], ended["ended_at"] is None) == ("aborted", False)
    assert client.patch(act, {"rate": 1}, format="json").status_code == 409
    actions = AuditEntry.objects.filter(target_id=shown["id"]).order_by("id")
    assert list(actions.values_list("action", flat=True)) == [
        "bulk retry", "pause bulk", "limit bulk", "resume bulk", "abort bulk",
    ]  # fmt: skip


def test_what_failed_is_done_again(client, run_in):
    run = run_in("failed")
    before = finish(post(client, {"kind": "retry", "runs": [run.public_id]}).json())
    BulkOperation.objects.update(failed=1, done=0)
    before.outcomes.update(status="failed")
    shown = client.post(f"/api/bulk/{before}/again/")
    assert shown.status_code == 202
    assert shown.json()["failed_of"] == before.public_id
    assert shown.json()["total"] == 1


def test_the_list_is_filtered_and_paged(client, run_in):
    run = run_in("failed").public_id
    made = [post(client, {"kind": kind, "runs": [run], "reason": "x"}).json()["id"]
            for kind in ("retry", "hold", "retry")]  # fmt: skip
    page = client.get("/api/bulk/?limit=2").json()
    assert [each["id"] for each in page["results"]] == made[:0:-1]
    last = client.get(page["next"]).json()
    assert [each["id"] for each in last["results"]] == made[:1]
    assert client.get(last["previous"]).json()["results"] == page["results"]
    retries = client.get("/api/bulk/?kind=retry&state=running").json()["results"]
    assert [each["id"] for each in retries] == [made[2], made[0]]
    assert errors_of(client.get("/api/bulk/?kind=burn")) == {"kind"}


def test_a_list_takes_as_many_queries_however_long_it_is(
    client, run_in, django_assert_max_num_queries
):
    run = run_in("failed").public_id
    for _ in range(5):
        post(client, {"kind": "retry", "runs": [run]})
    with django_assert_max_num_queries(6):
        assert len(client.get("/api/bulk/").json()["results"]) == 5


def test_before_it_begins_it_is_said_what_will_be_skipped(client, run_in):
    failed, done, queued = run_in("failed"), run_in("completed"), run_in("created")
    lifecycle.hold(Run.objects.filter(pk=failed.pk), by=ANNA, reason="court")
    body = {"kind": "delete", "filter": {}}
    told = client.post("/api/bulk/preview/", body, format="json").json()
    assert told["counts"] == {
        "queued": 1, "running": 0, "completed": 1, "failed": 1, "terminated": 0, "all": 3,
        "capped": [],
    }  # fmt: skip
    assert told["skipped"] == [
        {"reason": "only runs that have ended are deleted", "count": 1, "is_capped": False},
        {"reason": "it is under legal hold", "count": 1, "is_capped": False},
    ]
    lifecycle.delete(Run.objects.filter(pk=done.pk), by=ANNA)
    body = {"kind": "retry", "runs": [done.public_id, queued.public_id, failed.public_id]}
    told = client.post("/api/bulk/preview/", body, format="json").json()
    assert [(each["reason"], each["count"]) for each in told["skipped"]] == [
        ("only failed runs are retried", 1),
        ("it is not there any more", 1),
    ]
    assert not BulkOperation.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_an_export_is_downloaded_for_as_long_as_it_is_kept(client, run_in, form, settings):
    run = run_in("failed")
    options = {"format": form, "with_logs": True}
    shown = post(client, {"kind": "export", "filter": FAILED, "options": options}).json()
    assert shown["options"] == options
    assert client.get(f"{shown['url']}download/").status_code == 409
    operation = finish(shown)
    told = client.get(shown["url"]).json()["export"]
    assert (told["runs"], told["events"], told["missing"]) == (1, run.last_seq, 0)
    assert told["is_ready"]
    response = client.get(f"{shown['url']}download/")
    assert response["Export-Events"] == str(run.last_seq)
    assert f'filename="{operation}.{form}"' in response["Content-Disposition"]
    text = text_of(response)
    assert text.count(run.public_id) >= run.last_seq * (form != "json") + 1
    assert f"http://testserver/admin/runs/run/{run}/" in text
    packed = client.get(f"{shown['url']}download/", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    # One whole: what comes behind the end of the first one, no browser reads.
    unpack = zlib.decompressobj(wbits=31)
    assert unpack.decompress(bytes_of(packed)).decode() == text
    assert (unpack.eof, unpack.unused_data) == (True, b"")
    entry = AuditEntry.objects.filter(action="download").latest("id")
    assert (entry.target_id, entry.count, entry.filter) == (operation.public_id, 1, FAILED)
    settings.EXPORT_DAYS = 0
    assert client.get(f"{shown['url']}download/").status_code == 410
    assert AuditEntry.objects.filter(action="download").count() == 2


def bytes_of(response):
    async def collected():
        return b"".join([part async for part in response.streaming_content])

    return async_to_sync(collected)()


def test_what_is_no_export_is_not_downloaded(client, run_in):
    shown = post(client, {"kind": "retry", "runs": [run_in("failed").public_id]}).json()
    assert client.get(f"{shown['url']}download/").status_code == 404


def test_a_held_run_is_kept_until_it_is_released(client, run_in):
    run = run_in("completed")
    path = f"/api/runs/{run}/"
    assert client.get(path).json()["held"] is False
    assert errors_of(client.post(f"{path}hold/", {}, format="json")) == {"reason"}
    held = client.post(f"{path}hold/", {"reason": "court"}, format="json")
    assert held.json()["held"] is True
    assert client.post(f"{path}hold/", {"reason": "x"}, format="json").status_code == 409
    assert client.delete(path).status_code == 409
    [listed] = client.get("/api/runs/").json()["results"]
    assert listed["held"] is True
    assert client.post(f"{path}release/").json()["held"] is False
    assert client.post(f"{path}release/").json()["detail"] == "It is not held."
    assert client.delete(path).status_code == 204
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True))[-3:] == [
        "hold", "release", "delete",
    ]  # fmt: skip
