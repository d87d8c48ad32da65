"""The Python client that asks and acts, against a real web process."""

import http.server
import io
import json
import threading
import zipfile
from http.client import IncompleteRead

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.utils import timezone

from analytics.models import FailureGroup
from runs import tokens
from runs.api import acts
from runs.bulk import work
from runs.client.portal_client import Portal, Refused
from runs.filters import RunFilter
from runs.fingerprint import parsed
from runs.models import AuditEntry, BulkOperation, Run, SavedView, User
from runs.scopes import scopes_of
from tests.runs.api.conftest import ALL, INPUT, begun, gave, record
from tests.runs.api.test_access import DEFINITION
from tests.runs.api.test_runs import log
from tests.runs.conftest import changed
from tests.runs.streams.servers import Web
from tests.servers import temporary_folder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    folder = temporary_folder()
    (folder / "logs").mkdir()
    with django_db_blocker.unblock():
        started = Web(folder, settings.REDIS_URL, application="config.asgi:application")
    yield started
    started.stop()


@pytest.fixture
def portal_with(web, person):
    olga = None

    def make(*scopes):
        nonlocal olga
        olga = olga or person(*ALL)
        _, secret = tokens.make(
            olga, name=" ".join(scopes) or "all", scopes=scopes or scopes_of(olga), days=1,
            by=olga.as_actor(), now=timezone.now(),
        )  # fmt: skip
        return Portal(f"http://127.0.0.1:{web.port}", secret)

    return make


@pytest.fixture
def portal(portal_with):
    return portal_with()


def test_a_run_from_its_start_to_its_end(portal, workflow):
    run = portal.start("invoices", INPUT, key="order 1", ref_type="order", ref_id="1")
    assert portal.start("invoices", INPUT, key="order 1", ref_type="order", ref_id="1") == run
    ended = portal.terminate(run["id"], "wrong file")
    assert (ended["state"], ended["reason"]) == ("terminated", "wrong file")
    assert portal.run(run["id"]) == ended
    assert portal.job(run["id"])["state"] == "terminated"
    assert portal.context(run["id"])["input_data"] == INPUT
    assert portal.timeline(run["id"])["run_id"] == run["id"]
    portal.delete(run["id"], "private & gone")
    assert not Run.objects.exists()
    assert AuditEntry.objects.get(action="delete").reason == "private & gone"


def test_many_runs_at_once(portal, run_in, tmp_path):
    runs = [run_in("failed").public_id for _ in range(3)]
    told = portal.preview_bulk("retry", filter={"state": "failed"})
    assert (told["counts"]["failed"], told["skipped"]) == (3, [])
    begun = portal.start_bulk("retry", key="a", filter={"state": "failed"}, rate=2)
    assert portal.start_bulk("retry", key="a", filter={"state": "failed"}, rate=2) == begun
    assert portal.pause_bulk(begun["id"])["state"] == "paused"
    assert portal.limit_bulk(begun["id"], None)["rate"] is None
    assert portal.resume_bulk(begun["id"])["state"] == "running"
    told = []
    for each in portal.progress(begun["id"], every=0.01):
        told.append((each["state"], each["done"]))
        work.step(BulkOperation.objects.get().pk)
    assert (told[0], told[-1]) == (("running", 0), ("finished", 3))
    assert {each["run"] for each in portal.outcomes(begun["id"])} == set(runs)
    assert list(portal.outcomes(begun["id"], status="failed")) == []
    assert [each["id"] for each in portal.bulks(kind="retry")] == [begun["id"]]
    with pytest.raises(Refused, match="failed"):
        portal.bulk_again(begun["id"])
    export = portal.start_bulk("export", runs=runs, options={"format": "ndjson"})
    work.work(BulkOperation.objects.get(kind="export").pk)
    assert portal.wait_for_bulk(export["id"])["export"]["is_ready"]
    path = tmp_path / "runs.ndjson"
    assert portal.download(export["id"], str(path)) == 3
    *lines, last = map(json.loads, path.read_text().splitlines())
    assert {line["id"] for line in lines} == set(runs)
    assert last["export"]["completeness"]["runs"] == 3
    with pytest.raises(Refused):
        portal.abort_bulk(export["id"])
    assert portal.hold(runs[0], "court")["held"] is True
    assert portal.release(runs[0])["held"] is False


def test_lists_are_walked_through_page_by_page(portal, run_in):
    made = [run_in("failed").public_id for _ in range(5)]
    run_in("active")
    assert [run["id"] for run in portal.runs(state="failed", limit=2)] == made[::-1]
    last = portal.run(made[0])["last_seq"]
    assert [e["seq"] for e in portal.events(made[0], limit=2)] == list(range(1, last + 1))
    assert {e["kind"] for e in portal.events(made[0], kind="node_failed")} == {"node_failed"}


def test_files_are_read_line_by_line(portal, run_in):
    run = run_in("completed")
    assert [e["seq"] for e in portal.logs(run.public_id)] == list(range(1, run.last_seq + 1))
    assert portal.export(run.public_id)["completeness"]["missing"] == 0
    *rows, last = portal.export_runs(state="completed")
    assert [row["id"] for row in rows] == [run.public_id]
    assert last["export"]["complete"] is True


def test_an_export_goes_on_until_it_has_all(portal, run_in, monkeypatch):
    # The server's bound is another process's: only what the client asks for is looked at.
    asked, rows = [], [{"id": str(number)} for number in range(5)]

    def lines(_, path):
        asked.append(path)
        begin = int(path.partition("cursor=")[2] or 0)
        yield from rows[begin : begin + 2]
        end = begin + 2
        yield {"export": {"complete": end >= 5, "next": str(end) if end < 5 else None, "count": 2}}

    monkeypatch.setattr(Portal, "_lines", lines)
    *found, last = portal.export_runs(state="failed")
    assert found == rows
    assert (last["export"]["count"], last["export"]["complete"]) == (5, True)
    assert len(asked) == 3
    assert all("state=failed" in path for path in asked)
    rows.clear()
    monkeypatch.setattr(Portal, "_lines", lambda *_: iter([{"id": "1"}]))
    with pytest.raises(OSError, match="broke off"):
        list(portal.export_runs())


def test_a_file_goes_on_behind_another(portal, run_in):
    runs = [run_in("completed").public_id for _ in range(3)][::-1]
    *_, last = portal.export_runs()
    assert (last["export"]["count"], last["export"]["next"]) == (3, None)
    # What a run's place in the list is called is the same for lists and for files.
    page = portal._get("runs/?limit=1")
    cursor = page["next"].partition("cursor=after.")[2].partition("&")[0]
    *rows, last = portal._lines(f"runs/export/?cursor={cursor}")
    assert [row["id"] for row in rows] == runs[1:]


def test_what_changes_in_the_list_is_told(portal, run_in, monkeypatch):
    told, has_begun = [], threading.Event()

    def listen():
        for notice in portal.changes():
            told.append(notice)
            has_begun.set()
            if any(run["state"] == "completed" for run in notice["runs"]):
                return

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    assert has_begun.wait(30)
    run = run_in("completed")
    reader.join(30)
    assert not reader.is_alive()
    assert told[0] == {"runs": [], "reset": True}
    assert run.public_id in {each["id"] for notice in told for each in notice["runs"]}


def test_what_waits_for_a_person_is_answered(portal, run_in):
    first, second, third = (run_in("waiting").public_id for _ in range(3))
    assert [each["run"] for each in portal.decisions("mine")] == [first, second, third]
    assert portal.decision(first, "review")["input"] == INPUT
    assert portal.approve(first, "review")["act"] == "approved"
    assert portal.reject(second, "review", "not ours")["act"] == "rejected"
    with pytest.raises(Refused) as refused:
        portal.correct(third, "review", "")
    assert refused.value.status == 422
    assert portal.correct(third, "review", "b.pdf")["act"] == "corrected"
    assert list(portal.decisions()) == []
    assert len(list(portal.decisions("past"))) == 3


def test_runs_are_counted_by_state(portal, run_in, monkeypatch):
    for state in ("failed", "failed", "completed", "active"):
        run_in(state)
    counted = portal.counts(workflow="invoices", created="1h")
    assert counted == {
        "queued": 0, "running": 1, "completed": 1, "failed": 2, "terminated": 0, "all": 4,
        "capped": [],
    }  # fmt: skip
    monkeypatch.setattr(acts, "COUNT_CAP", 1)
    counted = acts.count_by_state(RunFilter(), timezone.now())
    assert (counted["failed"], counted["all"]) == (1, 3)
    assert counted["capped"] == ["failed", "all"]


def test_what_runs_come_to_is_told(portal, run_in):
    run = run_in("failed")
    for of in ("failures", "cost", "duration"):
        told = portal.analysis(of, state="failed", created="24h", sort="")
        assert told["filter"] == {"state": "failed", "created": "24h"}
    assert portal.analysis("failures", trigger="manual")["figures"][0]["value"] == 1
    assert set(portal.analysis("overview")["now"]) == {
        "active", "queued", "stuck", "waiting"
    }  # fmt: skip
    group = portal.run_analysis(str(run))["failure"]["group"]
    # It is known of once it was counted.
    with pytest.raises(Refused) as refused:
        portal.failure_group(group)
    assert refused.value.status == 404
    FailureGroup.objects.create(
        id=parsed(group), kind="E", first_seen=run.created_at, last_seen=run.created_at
    )
    user = User.objects.get(username="olga")
    user.user_permissions.add(Permission.objects.get(codename="mark_failuregroup"))
    with pytest.raises(Refused) as refused:
        portal.mark_failure_group(group, "known")
    assert "scope mark" in str(refused.value)
    assert portal.failure_group(group)["mark"] == "new"


def test_a_bundle_is_a_zip(portal, run_in):
    run = run_in("failed").public_id
    with zipfile.ZipFile(io.BytesIO(portal.bundle(run))) as archive:
        assert json.loads(archive.read(f"{run}/job.json"))["state"] == "failed"
    assert AuditEntry.objects.filter(action="bundle", target_id=run, actor="olga").exists()


def test_a_run_is_retried_once(portal, run_in):
    run = run_in("failed")
    assert portal.retry(run.public_id, "mended")["retry_of"] == run.public_id
    with pytest.raises(Refused) as refused:
        portal.retry(run.public_id)
    assert refused.value.status == 409
    assert refused.value.problem["state"] == "failed"


def test_a_run_is_followed_until_it_has_ended(portal, run_in):
    run, seen = run_in("active"), []
    has_begun = threading.Event()

    def follow():
        for event in portal.follow(run.public_id):
            seen.append(event["seq"])
            has_begun.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert has_begun.wait(30)
    record(run, gave(text="hello"), begun("second"))
    record(run, gave("second"), changed("active", "completed"))
    reader.join(60)
    assert not reader.is_alive()
    assert seen == list(range(1, run.last_seq + 1))
    assert list(portal.follow(run.public_id, after=run.last_seq)) == []
    assert [e["seq"] for e in portal.follow(run.public_id, after=2)] == seen[2:]


class Breaking(http.server.BaseHTTPRequestHandler):
    """A portal with a run of three events; its first streams break off in the middle of one."""

    protocol_version = "HTTP/1.1"
    breaks = (
        lambda frame: b"%x\r\n%s" % (len(frame), frame[:-9]),
        # As behind a proxy that cuts the pieces anew.
        lambda frame: b"%x\r\n%s\r\n" % (len(frame[:-9]), frame[:-9]),
    )

    def do_GET(self):
        if "sse-logs" not in self.path:
            body = json.dumps({"state": "active", "last_seq": 3}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = self.server.breaks
        for seq in range(int(self.headers["Last-Event-ID"]) + 1, 4):
            event = {"seq": seq, "kind": "log", "data": {}}
            if seq == 3:
                event = {"seq": 3, "kind": "state_changed", "data": {"to": "completed"}}
            frame = f"id: {seq}\nevent: log\ndata: {json.dumps(event)}\n\n".encode()
            if seq > 1 and left:
                self.wfile.write(left.pop()(frame))
                break
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        self.close_connection = True

    def log_message(self, *_):
        pass


def test_a_stream_that_breaks_off_within_an_event_is_taken_up_again(monkeypatch):
    monkeypatch.setattr("runs.client.portal_client._RECONNECT", 0.01)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    server.breaks = list(Breaking.breaks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    portal = Portal(f"http://127.0.0.1:{server.server_port}", "t")
    assert [event["seq"] for event in portal.follow("run_x")] == [1, 2, 3]
    assert server.breaks == []
    server.shutdown()
    server.server_close()


def test_workflows_are_made_and_published(portal, workflow):
    portal.make_workflow("new", DEFINITION)
    other = {"nodes": [{**DEFINITION["nodes"][0], "id": "other"}]}
    assert portal.publish("new", other, base=1)["number"] == 2
    with pytest.raises(Refused) as refused:
        portal.publish("new", DEFINITION, base=1)
    assert refused.value.problem["newest"] == 2
    assert [each["id"] for each in portal.workflows()] == ["invoices", "new"]
    assert portal.workflow("new")["definition"] == other
    assert portal.workflow("new", 1)["definition"] == DEFINITION
    assert [each["number"] for each in portal.versions("new")] == [2, 1]


def test_triggers(portal, workflow):
    rule = {"then": [{"start": "invoices", "input": "$.body"}]}
    hook = portal.make_trigger("webhook", "orders", rule)
    assert hook["hook_url"].startswith("http")
    assert portal.renew_secret(hook["id"])["secret"] != hook["secret"]
    changed = portal.change_trigger(hook["id"], 1, name="paid orders")
    with pytest.raises(Refused) as refused:
        portal.change_trigger(hook["id"], 1, name="other")
    assert refused.value.problem["newest"] == 2
    assert portal.switch_trigger(hook["id"], False, "holidays")["enabled"] is False
    assert [each["name"] for each in portal.triggers(enabled="false")] == ["paid orders"]
    assert portal.trigger(hook["id"])["rule"] == changed["rule"] == rule
    met = {"body": INPUT}
    assert portal.test_trigger(hook["id"], met)["targets"][0]["input"] == INPUT
    assert portal.test_trigger(hook["id"], met, start=True)["firing"]["status"] == "started"
    (fired,) = portal.firings(hook["id"], status="started")
    assert portal.run(fired["outcomes"][0]["run"])["fired"]["trigger"] == "paid orders"
    portal.delete_trigger(hook["id"], "gone")
    assert not list(portal.triggers())


def test_views_and_tokens(portal):
    saved = portal.save_view("Failed", "?state=failed", is_shared=True)
    assert portal.change_view(saved["id"], name="Broken")["name"] == "Broken"
    assert [view["name"] for view in portal.views()] == ["Broken"]
    assert portal.view(saved["id"])["query"] == "?state=failed"
    portal.delete_view(saved["id"])
    assert not SavedView.objects.exists()
    (token,) = portal.tokens()
    portal.revoke(token["id"])
    with pytest.raises(Refused) as refused:
        portal.tokens()
    assert refused.value.status == 401


def test_what_the_token_may_not_is_refused(portal_with, run_in):
    run = run_in("failed")
    portal = portal_with("view")
    for act in (
        lambda: portal.retry(run.public_id),
        lambda: list(portal.logs(run.public_id)),
        lambda: portal.start("invoices", INPUT),
        lambda: portal.save_view("x", ""),
        lambda: portal.make_workflow("new", DEFINITION),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.status == 403
    with pytest.raises(Refused) as refused:
        list(portal.follow("run_x"))
    assert refused.value.status == 404


@pytest.mark.parametrize("lost", ["first", "middle", "last"])
def test_a_log_in_which_an_event_is_missing_is_never_taken_for_whole(portal, run_in, lost):
    run = record(run_in("active"), *(log(f"line {n}") for n in range(5)))
    seq = {"first": 1, "middle": 4, "last": run.last_seq}[lost]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL runs.purge = 'on'")
        cursor.execute("DELETE FROM event_tracking WHERE run_id = %s AND seq = %s", [run.pk, seq])
        assert cursor.rowcount == 1
    given = []
    with pytest.raises(OSError, match="the log broke off"):
        given.extend(portal.logs(run.public_id))
    # Nor by any other client that knows HTTP.
    with (
        portal._open("GET", f"runs/{run.public_id}/logs/") as answer,
        pytest.raises(IncompleteRead),
    ):
        answer.read()
