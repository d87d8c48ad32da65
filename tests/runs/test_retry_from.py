"""Retries from the failed node: what is taken over, and what is done anew."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import lifecycle, recorder
from runs.context import context_of
from runs.engine import dispatch, worker
from runs.models import AuditEntry, Event, Node, Run
from runs.states import Kind, RunState
from tests.runs import invariants
from tests.runs.conftest import ANNA, executor_node

pytestmark = pytest.mark.django_db(transaction=True)

BIG = {"value": "$.data.n", "greater_than": 1}
HOLD = (
    "a log is numbered from 1 to its run's last number without a gap",
    "a log begins with the run's creation",
    "a run counts its nodes",
    "a run of a version has that version's nodes",
    "a run costs what its model calls cost",
    "a node costs what its model calls cost",
    "a node's status is what its last event left it in",
    "a retry follows the failed run that it names",
    "a node has the attempts that it counts",
    "nothing goes on in a run that has ended",
)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    """Hints go nowhere: the tests execute the nodes themselves, one after the other."""
    monkeypatch.setattr(dispatch, "send", lambda _: None)


def work(run):
    """Execute all that can be, in this process."""
    while ready := list(
        Node.objects.filter(run=run.pk, status="queued").values_list("pk", flat=True)
    ):
        assert sum(worker.execute(pk) for pk in ready)
    run.refresh_from_db()
    return run


def begin(publish, *nodes, data=None, **fields):
    version = publish(*nodes, **fields)
    return work(lifecycle.start(version, data or {}, trigger="api", by=ANNA))


def retry_from(run):
    outcome = lifecycle.retry_from(Run.objects.filter(pk=run.pk), by=ANNA, reason="again")
    assert not outcome.skipped
    return Run.objects.get(pk=outcome.done[run.pk])


def nodes_of(run):
    return {node.key: node for node in Node.objects.filter(run=run.pk)}


def fails_unless(key, path, **fields):
    """Fails until the file is there."""
    return executor_node(key, "probe.need", input={"path": str(path)}, **fields)


def test_completed_nodes_are_taken_over_and_the_rest_is_done_anew(publish, tmp_path):
    mark = tmp_path / "there"
    run = begin(
        publish,
        executor_node("call", "probe.call_model", input={"calls": 2}),
        executor_node("beside", "probe.echo", input={"a": "$.data.a"}),
        fails_unless("break", mark, needs=["call"]),
        executor_node(
            "last", "probe.echo", needs=["break", "beside"],
            input={"calls": "$.nodes.call.output.calls", "a": "$.nodes.beside.output.a"},
        ),
        data={"a": [1]},
    )  # fmt: skip
    assert run.state == RunState.FAILED
    assert run.cost > 0
    mark.touch()
    new = retry_from(run)
    assert (new.state, new.retry_of_id, new.nodes_done) == (RunState.CREATED, run.pk, 2)
    work(new)
    assert new.state == RunState.COMPLETED
    found = nodes_of(new)
    assert {key: node.reused_from for key, node in found.items()} == {
        "call": run.pk, "beside": run.pk, "break": None, "last": None,
    }  # fmt: skip
    assert found["call"].attempts == 0
    assert new.cost == found["call"].cost == 0
    context = context_of(new)["nodes"]
    before = context_of(run)["nodes"]
    assert context["last"]["output"] == {"calls": 2, "a": [1]}
    for key in ("call", "beside"):
        assert context[key]["input"] == before[key]["input"]
        assert context[key]["output"] == before[key]["output"]
        assert context[key]["metadata"]["reused_from"] == run.public_id
    assert "reused_from" not in context["last"]["metadata"]
    assert AuditEntry.objects.filter(action="retry_from_failed", reason="again").count() == 1
    assert invariants.broken(*HOLD) == {}


def test_a_retry_of_a_retry_names_the_run_that_executed_it(publish, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run = begin(
        publish,
        executor_node("a", "probe.echo", input={"x": 1}),
        fails_unless("b", first, needs=["a"]),
        fails_unless("c", second, needs=["b"]),
    )
    first.touch()
    middle = work(retry_from(run))
    assert middle.error_node == "c"
    second.touch()
    last = work(retry_from(middle))
    assert last.state == RunState.COMPLETED
    assert {k: n.reused_from for k, n in nodes_of(last).items()} == {
        "a": run.pk, "b": middle.pk, "c": None,
    }  # fmt: skip
    assert last.first_id == run.pk
    assert context_of(last)["nodes"]["a"]["output"] == {"x": 1}
    assert invariants.broken(*HOLD) == {}


def test_choices_of_branches_are_kept_and_what_they_left_out_is_skipped_again(publish, tmp_path):
    mark = tmp_path / "there"
    run = begin(
        publish,
        {
            "id": "way", "kind": "branch", "default": ["no"],
            "paths": [{"name": "big", "when": BIG, "to": ["yes"]}],
        },
        executor_node("yes", needs=["way"]),
        executor_node("no", needs=["way"]),
        fails_unless("end", mark, needs=["yes", "no"]),
        data={"n": 5},
    )  # fmt: skip
    mark.touch()
    new = work(retry_from(run))
    assert new.state == RunState.COMPLETED
    found = nodes_of(new)
    assert (found["way"].selected, found["way"].reused_from) == (["yes"], run.pk)
    assert (found["no"].status, found["no"].reused_from) == ("skipped", None)
    chosen = Event.objects.get(run=new.pk, kind=Kind.PATH_SELECTED)
    assert chosen.data["path"] == "big"
    assert invariants.broken(*HOLD) == {}


def test_nodes_skipped_because_another_failed_are_done(publish, tmp_path):
    mark = tmp_path / "there"
    run = begin(
        publish,
        fails_unless("a", mark),
        executor_node("b", needs=["a"]),
        executor_node("c", needs=["b"]),
    )
    mark.touch()
    new = retry_from(run)
    assert Event.objects.get(run=new.pk, seq=1).data["reused"] == 0
    assert work(new).state == RunState.COMPLETED


def test_a_run_without_its_log_is_refused(publish, tmp_path):
    run = begin(publish, executor_node("a"), fails_unless("b", tmp_path / "no", needs=["a"]))
    output = nodes_of(run)["a"].output_seq
    for gone in ({"seq": output}, {}):
        with connection.cursor() as cursor:
            cursor.execute("SET runs.purge = 'on'")
            Event.objects.filter(run=run.pk, **gone).delete()
            cursor.execute("SET runs.purge = 'off'")
        outcome = lifecycle.retry_from(Run.objects.filter(pk=run.pk), by=ANNA)
        assert outcome.skipped == {run.pk: "its log is archived: restore it first, then retry"}
    outcome = lifecycle.retry(Run.objects.filter(pk=run.pk), by=ANNA)
    assert outcome.skipped == {run.pk: "its log is archived: restore it first, then retry"}


def test_a_version_that_no_longer_passes_is_refused(publish, tmp_path, monkeypatch):
    run = begin(publish, executor_node("a"), fails_unless("b", tmp_path / "no", needs=["a"]))
    from runs import reuse
    from runs.graph import DefinitionError, Problem

    def refuse(version_id):
        raise DefinitionError([Problem("a", "is out of date")])

    monkeypatch.setattr(reuse, "graph_of", refuse)
    outcome = lifecycle.retry_from(Run.objects.filter(pk=run.pk), by=ANNA)
    assert outcome.skipped[run.pk].startswith("version 1 no longer passes the checks")


def test_outputs_at_the_limit_are_copied_whole(publish, tmp_path, settings):
    size = settings.ENGINE_PAYLOAD_BYTES - 20
    run = begin(
        publish,
        executor_node("a", "probe.large", input={"size": size}),
        fails_unless("b", tmp_path / "no", needs=["a"]),
    )
    new = retry_from(run)
    kept = Event.objects.get(run=new.pk, seq=nodes_of(new)["a"].output_seq)
    assert len(kept.data["output"]["text"]) == size


@pytest.mark.long
def test_a_thousand_nodes_are_taken_over_in_few_statements(publish, tmp_path):
    count = 998
    keys = [f"n{number}" for number in range(count)]
    version = publish(
        executor_node("root"), *(executor_node(key, needs=["root"]) for key in keys),
        fails_unless("end", tmp_path / "no", needs=keys),
    )  # fmt: skip
    run = lifecycle.start(version, {}, trigger="api", by=ANNA)
    told = {"worker": "w", "timeout_seconds": 60, "input": {"a": 1}}
    from runs.rows import NewEvent

    events = [NewEvent(Kind.STATE_CHANGED, data={"from": "created", "to": "active"})]
    for key in ("root", *keys):
        events.append(NewEvent(Kind.NODE_STARTED, node=key, attempt=1, data=told))
        done = {"output": {"n": key}}
        events.append(NewEvent(Kind.NODE_COMPLETED, node=key, attempt=1, data=done))
    error = {"node": "end", "kind": "X", "message": "no"}
    events.append(NewEvent(Kind.NODE_FAILED, node="end", data={"error": error}))
    events.append(
        NewEvent(Kind.STATE_CHANGED, data={"from": "active", "to": "failed", "error": error})
    )
    recorder.record({run.pk: events}, now=timezone.now())
    run.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        new = retry_from(run)
    assert len(queries) < 20
    assert new.nodes_done == count + 1
    assert Event.objects.filter(run=new.pk).count() == new.last_seq == 1 + (count + 1) + 1
    assert invariants.broken(*HOLD) == {}


def test_the_page_asks_with_what_is_kept_and_shows_the_mark(publish, tmp_path, admin_client):
    mark = tmp_path / "there"
    run = begin(
        publish,
        executor_node("a", "probe.echo", input={"x": 1}),
        fails_unless("b", mark, needs=["a"]),
        executor_node("c", needs=["b"]),
    )
    url = f"/admin/runs/run/{run.public_id}/"
    asked = admin_client.get(f"{url}?confirm=retry_from").content.decode()
    assert '<b class="op-num">1</b> result is reused' in asked
    assert '<b class="op-num">2</b> nodes are executed anew' in asked
    assert 'id="retry-from"' in admin_client.get(url).content.decode()
    mark.touch()
    answer = admin_client.post(url, {"act": "retry_from"})
    new = Run.objects.get(retry_of=run.pk)
    assert answer.headers["Location"] == f"/admin/runs/run/{new.public_id}/"
    work(new)
    shown = admin_client.get(f"{answer.headers['Location']}?node=a&pane=input").content.decode()
    assert 'data-state="reused"' in shown
    assert shown.count(f"/admin/runs/run/{run.public_id}/") >= 3  # facts, panel, history
    assert "&quot;x&quot;: 1" in shown
    table = admin_client.get(f"{answer.headers['Location']}?view=table").content.decode()
    assert f'title="The result of {run.public_id}">reused' in table


def test_what_is_corrected_by_run_again_is_in_the_lineage(publish, tmp_path, admin_client):
    run = begin(publish, fails_unless("a", tmp_path / "no"), data={"n": 1})
    url = "/admin/runs/workflow/example/run/"
    form = admin_client.get(f"{url}?run={run.public_id}").content.decode()
    assert f'name="run" value="{run.public_id}"' in form
    admin_client.post(url, {"run": run.public_id, "version": "1", "input": '{"n": 2}'})
    new = Run.objects.get(retry_of=run.pk)
    assert (new.first_id, new.trigger) == (run.pk, "manual")
    assert Event.objects.get(run=new.pk, seq=1).data["input"] == {"n": 2}
    assert invariants.broken(*HOLD) == {}
