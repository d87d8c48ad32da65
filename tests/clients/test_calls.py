"""Queries and mutations of the official client, on every link that carries them."""

import pytest
from django.db import transaction

from runs import ids
from runs.bulk import work
from runs.models import AuditEntry, BulkOperation, Event, Run
from runs.rows import NewEvent
from runs.states import Kind, RunState
from tests.clients.node import Failed
from tests.runs.api.conftest import ALL, INPUT, record

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = ["http", "batch", "stream"]


@pytest.fixture(params=[*PLAIN, "http by POST"])
def link(request):
    return request.param


def test_a_run_from_its_start_to_its_end(client, workflow, link):
    started = client.call(
        link, "workflows.execute", "mutate", {"workflow_id": "invoices", "input": INPUT}
    )
    assert list(started) == ["id"]
    given = {"id": started["id"], "reason": "wrong file"}
    ended = client.call(link, "runs.terminate", "mutate", given)
    assert (ended["id"], ended["state"]) == (started["id"], "terminated")
    assert (ended["ended_by"], ended["reason"]) == ("olga", "wrong file")
    assert client.call(link, "runs.get", "query", {"id": started["id"]}) == ended
    (listed,) = client.call(link, "runs.list", "query")
    assert listed.pop("cursor")
    assert listed == ended
    run = Run.objects.get()
    assert (run.trigger, run.triggered_by) == ("api", "olga")
    assert [(e.action, e.actor, e.reason) for e in AuditEntry.objects.order_by("id")] == [
        ("start", "olga", ""),
        ("terminate", "olga", "wrong file"),
    ]


def test_a_failed_run_is_retried(client, run_in):
    run = run_in("failed")
    retried = client.call("http", "runs.retry", "mutate", {"id": str(run), "reason": "mended"})
    assert (retried["retry_of"], retried["state"]) == (run.public_id, "created")
    assert AuditEntry.objects.filter(action="retry", actor="olga", reason="mended").exists()


def test_a_run_that_has_ended_is_deleted_for_good(client, run_in):
    ended, active = run_in("completed"), run_in("active")
    given = {"id": ended.public_id, "reason": "private"}
    assert client.call("batch", "runs.delete", "mutate", given) == {"id": ended.public_id}
    assert not Run.objects.filter(pk=ended.pk).exists()
    assert AuditEntry.objects.filter(action="delete", actor="olga", reason="private").exists()
    for run, code in [(ended, "NOT_FOUND"), (active, "CONFLICT")]:
        with pytest.raises(Failed) as refused:
            client.call("batch", "runs.delete", "mutate", {"id": run.public_id})
        assert refused.value.data["code"] == code


def test_it_gives_what_the_rest_api_gives(client, person, run_in):
    run = run_in("completed")
    told = client.call("http", "runs.get", "query", {"id": run.public_id})
    assert (told["cost"], told["tokens"]) == (
        "0.0000000000",
        {"input": 0, "output": 0, "cached": 0},
    )
    assert (told["duration_ms"], told["nodes"]) == (2000, {"total": 2, "done": 2})
    assert told["last_seq"] == Event.objects.filter(run=run.pk).count()


@pytest.mark.parametrize("link", PLAIN)
def test_an_export_is_the_whole_run(client, run_in, link):
    run = run_in("completed")
    told = client.call(link, "runs.export", "query", {"id": run.public_id})
    assert list(told) == ["export", "job", "context", "history", "completeness"]
    assert [event["seq"] for event in told["history"]] == list(range(1, run.last_seq + 1))
    assert told["completeness"] == {"events": run.last_seq, "missing": 0}
    assert told["context"]["input_data"] == INPUT
    entry = AuditEntry.objects.get(action="export")
    assert (entry.actor, entry.target_id) == ("olga", run.public_id)


@pytest.mark.parametrize("link", PLAIN)
def test_an_export_may_be_larger_than_is_held_in_memory(client, run_in, link):
    run = run_in("active")
    lines = [{"level": "info", "message": f"{number}: {'ü' * 450_000}"} for number in range(24)]
    record(run, *[NewEvent(Kind.LOG, data=data) for data in lines])
    small = run_in("completed")
    calls = [("runs.export", "query", {"id": each.public_id}) for each in (run, small)]
    large, other = client.begin(link, *calls).all()
    assert [event["seq"] for event in large["history"]] == list(range(1, run.last_seq + 1))
    assert [e["data"] for e in large["history"] if e["kind"] == "log"] == lines
    assert large["completeness"] == {"events": run.last_seq, "missing": 0}
    assert other["export"]["run_id"] == small.public_id


@pytest.mark.parametrize("link", PLAIN)
def test_a_run_is_started_once_under_one_key(client, workflow, link):
    given = {"workflow_id": "invoices", "input": INPUT, "idempotency_key": "order 4711"}
    first = client.call(link, "workflows.execute", "mutate", given)
    assert client.call(link, "workflows.execute", "mutate", given) == first
    assert Run.objects.get().public_id == first["id"]
    for wrong, code in (
        ({"input": {"document": "b.pdf"}}, "UNPROCESSABLE_CONTENT"),
        ({"idempotency_key": "ü"}, "BAD_REQUEST"),
        ({"idempotency_key": ""}, "BAD_REQUEST"),
    ):
        with pytest.raises(Failed) as refused:
            client.call(link, "workflows.execute", "mutate", given | wrong)
        assert refused.value.data["code"] == code
    assert (
        client.call(link, "workflows.execute", "mutate", given | {"idempotency_key": None}) != first
    )
    assert Run.objects.count() == 2


@pytest.mark.parametrize("link", PLAIN)
def test_workflows_are_made_published_and_found(client, workflow, link):
    node = {"id": "only", "kind": "executor", "executor": "probe.noop"}
    first, second = {"nodes": [node]}, {"nodes": [{**node, "id": "other"}]}

    def call(path, verb, **given):
        return client.call(link, f"workflows.{path}", verb, given)

    assert call("create", "mutate", id="new", definition=first)["definition"] == first
    assert call("publish", "mutate", id="new", definition=second, base=1)["number"] == 2
    assert call("get", "query", id="new")["definition"] == second
    assert [each["id"] for each in call("list", "query", limit=1)] == ["invoices"]
    assert [each["id"] for each in call("list", "query", after="invoices")] == ["new"]
    for path, given, code in (
        ("create", {"id": "new", "definition": first}, "CONFLICT"),
        ("create", {"id": "bad", "definition": {"nodes": []}}, "BAD_REQUEST"),
        ("publish", {"id": "new", "definition": first, "base": 1}, "CONFLICT"),
        ("publish", {"id": "none", "definition": first}, "NOT_FOUND"),
    ):
        with pytest.raises(Failed) as refused:
            call(path, "mutate", **given)
        assert refused.value.data["code"] == code, given


@pytest.mark.parametrize("link", PLAIN)
def test_a_run_is_read_whole(client, run_in, link):
    run = run_in("completed")
    calls = [
        (f"runs.{name}", "query", {"id": run.public_id}) for name in ("job", "context", "timeline")
    ]
    job, context, timeline = client.begin(link, *calls).all()
    assert (job["state"], context["input_data"]) == ("completed", INPUT)
    assert timeline["run_id"] == run.public_id


def test_the_list_goes_on_behind_a_runs_cursor(client, run_in):
    made = [run_in("created").public_id for _ in range(5)]
    listed, cursor = [], None
    for size in (2, 2, 1, 0):
        page = client.call("batch", "runs.list", "query", {"limit": 2, "cursor": cursor})
        assert len(page) == size
        listed += [run["id"] for run in page]
        cursor = page[-1]["cursor"] if page else None
    assert listed == made[::-1]


def test_the_list_is_filtered(client, run_in, version):
    states = ("created", "active", "failed", "completed")
    runs = {state: run_in(state).public_id for state in states}

    def listed(**wanted):
        return [run["id"] for run in client.call("http", "runs.list", "query", wanted)]

    assert listed(status="running") == listed(status="active") == [runs["active"]]
    assert listed(status="queued") == [runs["created"]]
    assert listed(status="failed", workflow_id="invoices", created="1h") == [runs["failed"]]
    assert listed(workflow_id="example") == []
    assert len(listed(workflow_id="invoices", triggered_by="anna", trigger="manual")) == 4


# -- Errors ----------------------------------------------------------------------------------

UNKNOWN = ids.encode("run", ids.new_id())
REFUSED = [
    ("runs.get", "query", {"id": UNKNOWN}, "NOT_FOUND", -32004, 404),
    ("runs.nothing", "query", {"id": UNKNOWN}, "NOT_FOUND", -32004, 404),
    ("runs.get", "query", {"of": UNKNOWN}, "BAD_REQUEST", -32600, 400),
    ("runs.list", "query", {"limit": "5"}, "BAD_REQUEST", -32600, 400),
    ("runs.list", "query", {"status": "gone"}, "BAD_REQUEST", -32600, 400),
    ("runs.list", "query", {"cursor": "x"}, "BAD_REQUEST", -32600, 400),
    ("runs.retry", "mutate", {"id": "{active}"}, "CONFLICT", -32009, 409),
    ("runs.retry", "query", {"id": "{active}"}, "METHOD_NOT_SUPPORTED", -32005, 405),
    (
        "workflows.execute",
        "mutate",
        {"workflow_id": "invoices", "input": {"document": "x" * 1_000_001}},
        "PAYLOAD_TOO_LARGE",
        -32013,
        413,
    ),
]


@pytest.mark.parametrize("link", PLAIN)
def test_what_is_refused_has_a_code_and_a_number(client, run_in, link):
    active = run_in("active")
    for path, verb, given, code, number, status in REFUSED:
        filled = {k: active.public_id if v == "{active}" else v for k, v in given.items()}
        with pytest.raises(Failed) as refused:
            client.call(link, path, verb, filled)
        error = refused.value
        assert error.name == "TRPCClientError"
        assert (error.number, error.data["code"]) == (number, code), path
        assert error.data["httpStatus"] == status
        assert error.data["path"] == path
        assert str(error)


def test_an_error_says_what_is_wrong_with_the_input(client):
    with pytest.raises(Failed) as refused:
        client.call("http", "runs.list", "query", {"limit": "5", "status": 1})
    fields = {error["field"]: error["message"] for error in refused.value.data["errors"]}
    assert fields == {"limit": "A whole number.", "status": "A string."}
    with pytest.raises(Failed) as refused:
        client.call("http", "runs.list", "query", {"workflow_id": "a b"})
    assert [error["field"] for error in refused.value.data["errors"]] == ["workflow_id"]


def test_an_error_says_what_can_be_done_instead(client, run_in):
    with pytest.raises(Failed) as refused:
        client.call("batch", "runs.retry", "mutate", {"id": run_in("active").public_id})
    told = refused.value.data
    assert (told["state"], told["actions"]) == ("active", ["terminate"])


@pytest.mark.parametrize("link", PLAIN)
def test_who_may_what(client_of, person, run_in, link):
    run = run_in("failed")
    act = ("runs.retry", "mutate", {"id": run.public_id})
    looks = client_of(person("view_run"))
    assert looks.call(link, "runs.get", "query", {"id": run.public_id})["state"] == "failed"
    for client, code in [
        (looks, "FORBIDDEN"),
        (client_of(), "UNAUTHORIZED"),
        (client_of(person(*ALL, name="dora"), csrf=False), "FORBIDDEN"),
    ]:
        with pytest.raises(Failed) as refused:
            client.call(link, *act)
        assert refused.value.data["code"] == code
    assert Run.objects.count() == 1


def test_a_session_without_the_csrf_token_still_reads(client_of, person, run_in):
    run = run_in("failed")
    client = client_of(person(*ALL), csrf=False)
    assert client.call("batch", "runs.get", "query", {"id": run.public_id})["state"] == "failed"


# -- Batches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["batch", "stream", "batch by POST", "stream by POST"])
def test_a_batch_is_one_request_and_an_error_in_it_harms_no_other(client, run_in, link):
    runs = [run_in("created").public_id for _ in range(3)]
    calls = [("runs.get", "query", {"id": run}) for run in runs]
    calls.insert(1, ("runs.get", "query", {"id": UNKNOWN}))
    calls.insert(3, ("runs.list", "query", {"limit": 0}))
    outcomes = client.begin(link, *calls).all()
    assert [o.data["code"] if isinstance(o, Failed) else o["id"] for o in outcomes] == [
        runs[0],
        "NOT_FOUND",
        runs[1],
        "BAD_REQUEST",
        runs[2],
    ]
    (request,) = client.fetched
    assert request["method"] == ("POST" if "POST" in link else "GET")


def test_mutations_of_a_batch_are_done_each_for_itself(client, run_in):
    first, second = run_in("active"), run_in("completed")
    calls = [("runs.terminate", "mutate", {"id": run.public_id}) for run in (second, first)]
    refused, done = client.begin("batch", *calls).all()
    assert refused.data["code"] == "CONFLICT"
    assert done["state"] == "terminated"


@pytest.mark.parametrize("link", ["batch", "stream"])
def test_a_batch_that_is_too_large_is_refused(client, link):
    outcomes = client.begin(link, *[("runs.list", "query", {})] * 51).all()
    assert {outcome.data["code"] for outcome in outcomes} == {"BAD_REQUEST"}
    outcomes = client.begin(link, *[("runs.list", "query", {})] * 50).all()
    assert outcomes == [[]] * 50


def test_in_a_streamed_batch_the_quick_do_not_wait_for_the_slow(client, run_in):
    slow, quick = run_in("active"), run_in("active")
    calls = [("runs.terminate", "mutate", {"id": run.public_id}) for run in (slow, quick)]
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=slow.pk)
        asked = client.begin("stream", *calls)
        place, outcome = asked.next()
        assert (place, outcome["id"]) == (1, quick.public_id)
    place, outcome = asked.next()
    assert (place, outcome["id"], outcome["state"]) == (0, slow.public_id, "terminated")
    assert len(client.fetched) == 1


@pytest.mark.parametrize("link", PLAIN)
def test_a_call_is_aborted(client, run_in, link):
    run = run_in("active")
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=run.pk)
        asked = client.begin(link, ("runs.terminate", "mutate", {"id": run.public_id}))
        other = client.call("http", "runs.get", "query", {"id": run.public_id})
        assert other["state"] == RunState.ACTIVE
        asked.abort()
        (outcome,) = asked.all()
        assert outcome.cause_name == "AbortError"
    # Whoever gives up an act has not undone it.
    assert client.call(link, "runs.get", "query", {"id": run.public_id})["id"] == run.public_id


def test_many_runs_at_once(client, run_in):
    runs = [run_in("failed").public_id for _ in range(2)]
    given = {"kind": "retry", "filter": {"status": "failed"}, "idempotency_key": "a"}
    begun = client.call("batch", "bulk.start", "mutate", given)
    assert client.call("http", "bulk.start", "mutate", given) == begun
    own = {"id": begun["id"]}
    assert client.call("http", "bulk.pause", "mutate", own)["state"] == "paused"
    assert client.call("http", "bulk.resume", "mutate", own)["state"] == "running"
    work.work(BulkOperation.objects.get().pk)
    told = client.call("http", "bulk.get", "query", own)
    assert (told["state"], told["done"], told["export"]) == ("finished", 2, None)
    outcomes = client.call("stream", "bulk.outcomes", "query", {**own, "status": "done"})
    assert {each["run"] for each in outcomes} == set(runs)
    [listed] = client.call("http", "bulk.list", "query")
    assert listed.pop("cursor")
    assert {**listed, "export": None} == told
    for path in ("bulk.abort", "bulk.again"):
        with pytest.raises(Failed) as refused:
            client.call("http", path, "mutate", own)
        assert refused.value.data["code"] == "CONFLICT"
    with pytest.raises(Failed) as refused:
        client.call("http", "bulk.start", "mutate", {"kind": "delete", "filter": {}})
    assert {error["field"] for error in refused.value.data["errors"]} == {
        "expected_at_most", "reason",
    }  # fmt: skip
    given = {"id": runs[0], "reason": "court"}
    assert client.call("http", "runs.hold", "mutate", given)["held"] is True
    assert client.call("http", "runs.release", "mutate", {"id": runs[0]})["held"] is False
