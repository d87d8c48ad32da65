"""Files of the API: a run's logs, a run, and the runs that a filter finds."""

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync

from runs import exports, lifecycle
from runs.models import AuditEntry, Run
from tests.runs.api.conftest import ANNA, ERROR, begun, broke, record
from tests.runs.api.test_runs import log
from tests.runs.conftest import changed, page_events


def text_of(response):
    assert response.status_code == 200

    async def collected():
        return b"".join([part async for part in response.streaming_content])

    return async_to_sync(collected)().decode()


def lines_of(response):
    return [json.loads(line) for line in text_of(response).splitlines()]


def test_the_logs_are_the_whole_history_one_event_a_line(client, run_in, monkeypatch):
    page_events(monkeypatch, 7)
    run = record(run_in("active"), *(log(f"line {n}\nand more") for n in range(30)))
    response = client.get(f"/api/runs/{run}/logs/")
    assert response["Content-Type"] == "application/x-ndjson"
    assert f'filename="{run}-logs.ndjson"' in response["Content-Disposition"]
    assert response["Last-Seq"] == str(run.last_seq)
    lines = lines_of(response)
    assert [line["seq"] for line in lines] == list(range(1, run.last_seq + 1))
    assert lines[-1]["data"]["message"] == "line 29\nand more"
    entry = AuditEntry.objects.get(action="export")
    assert (entry.actor, entry.target_id) == ("olga", run.public_id)


def test_logs_are_read_in_pages_and_not_before_they_are_sent(
    client, run_in, monkeypatch, django_assert_max_num_queries
):
    page_events(monkeypatch, 5)
    run = record(run_in("active"), *(log(f"line {n}") for n in range(50)))
    with django_assert_max_num_queries(12):  # none of the ten pages
        response = client.get(f"/api/runs/{run}/logs/")
    assert len(lines_of(response)) == run.last_seq


@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson", "application/json"])
def test_logs_are_given_to_who_asks_for_their_type(client, run_in, accept):
    path = f"/api/runs/{run_in()}/logs/"
    assert client.get(path, headers={"Accept": accept}).status_code == 200
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406


def test_the_export_of_a_run_is_the_pages(client, run_in):
    run = run_in("failed")
    found = json.loads(text_of(client.get(f"/api/runs/{run}/export/")))
    assert list(found) == ["export", "job", "context", "history", "completeness"]
    assert found["completeness"] == {"events": run.last_seq, "missing": 0}
    assert AuditEntry.objects.get(action="export").target_id == run.public_id


def test_the_runs_of_a_filter_one_a_line(client, run_in):
    failed, _ = run_in("failed"), run_in("completed")
    response = client.get("/api/runs/export/?state=failed")
    assert response["Content-Type"] == "application/x-ndjson"
    assert (response["Export-Complete"], response["Export-Limit"]) == ("true", "10000")
    shown, last = lines_of(response)
    assert (shown["id"], shown["state"]) == (failed.public_id, "failed")
    assert (shown["events"], shown["missing"]) == (failed.last_seq, 0)
    told = last["export"]
    assert (told["count"], told["complete"], told["filter"]) == (1, True, {"state": "failed"})
    entry = AuditEntry.objects.get(action="export")
    assert (entry.filter, entry.target_id, entry.count) == ({"state": "failed"}, "", 1)
    lines_of(client.get("/api/runs/export/"))
    assert AuditEntry.objects.latest("id").count == 2


def test_the_runs_of_a_filter_as_one_json(client, run_in):
    runs = [run_in("failed") for _ in range(3)]
    found = json.loads(text_of(client.get("/api/runs/export/?as=json")))
    assert [run["id"] for run in found["runs"]] == [run.public_id for run in reversed(runs)]
    assert (found["count"], found["export"]["complete"]) == (3, True)


def test_none_is_as_good_a_file(client, db):
    assert json.loads(text_of(client.get("/api/runs/export/?as=json")))["runs"] == []
    assert len(text_of(client.get("/api/runs/export/?as=csv")).splitlines()) == 1
    assert lines_of(client.get("/api/runs/export/"))[0]["export"]["count"] == 0


def test_a_csv_has_a_row_a_run_and_no_formula(client, run_in):
    run = run_in("created", ref_type="order", ref_id="=cmd|' /C calc'!A0")
    error = {**ERROR, "message": '@SUM(1,2)\n"quoted"'}
    record(run, changed("created", "active"), begun(), broke())
    record(run, changed("active", "failed", error=error))
    response = client.get("/api/runs/export/?as=csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    header, row = list(csv.reader(io.StringIO(text_of(response))))
    found = dict(zip(header, row, strict=True))
    assert found["id"] == run.public_id
    assert found["ref_id"] == "'=cmd|' /C calc'!A0"
    assert found["error_message"].startswith("'@SUM(1,2)")
    assert found["missing"] == "0"
    assert found["retry_of"] == ""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r="])
def test_a_csv_has_no_formula_whatever_it_begins_with(client, run_in, sign):
    run = run_in("created", ref_type="order", ref_id=f"{sign}1+1")
    text = text_of(client.get("/api/runs/export/?as=csv"))
    header, row = list(csv.reader(io.StringIO(text, newline="")))
    assert dict(zip(header, row, strict=True))["ref_id"] == f"'{run.ref_id}"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_no_run_is_left_out_or_doubled_between_pages(client, run_in, monkeypatch, count):
    monkeypatch.setattr(exports, "PAGE", 2)
    runs = {run_in("created").public_id for _ in range(count)}
    *shown, _ = lines_of(client.get("/api/runs/export/"))
    assert len(shown) == count
    assert {run["id"] for run in shown} == runs


def test_what_is_over_the_bound_comes_in_the_next_file(client, run_in, monkeypatch):
    monkeypatch.setattr(exports, "MOST", 3)
    monkeypatch.setattr(exports, "PAGE", 2)
    runs = [run_in("created").public_id for _ in range(4)][::-1]
    response = client.get("/api/runs/export/")
    assert (response["Export-Complete"], response["Export-Limit"]) == ("false", "3")
    *shown, last = lines_of(response)
    assert [run["id"] for run in shown] == runs[:3]
    assert (last["export"]["complete"], last["export"]["count"]) == (False, 3)
    assert last["export"]["next"] == response["Export-Next"]
    response = client.get("/api/runs/export/", {"cursor": response["Export-Next"]})
    assert response["Export-Complete"] == "true"
    assert "Export-Next" not in response
    *shown, last = lines_of(response)
    assert [run["id"] for run in shown] == runs[3:]
    assert (last["export"]["next"], last["export"]["count"]) == (None, 1)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_file_ends_where_the_next_begins_though_a_run_was_deleted(
    client, run_in, monkeypatch, place
):
    monkeypatch.setattr(exports, "MOST", 3)
    monkeypatch.setattr(exports, "PAGE", 2)
    runs = [run_in("completed") for _ in range(6)][::-1]
    response = client.get("/api/runs/export/")  # it is not read yet
    lifecycle.delete(Run.objects.filter(pk=runs[place].pk), by=ANNA)
    *first, _ = lines_of(response)
    *second, _ = lines_of(client.get("/api/runs/export/", {"cursor": response["Export-Next"]}))
    left = [run.public_id for run in runs if run is not runs[place]]
    assert [run["id"] for run in [*first, *second]] == left


@pytest.mark.parametrize(
    ("query", "field"),
    [("as=xml", "as"), ("state=gone", "state"), ("limit=5", "limit"), ("cursor=x", "cursor")],
)
def test_an_export_that_cannot_be_meant_is_refused_and_not_audited(client, db, query, field):
    response = client.get(f"/api/runs/export/?{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not AuditEntry.objects.exists()
