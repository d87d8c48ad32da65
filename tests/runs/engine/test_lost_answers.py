"""Connections that die at a commit: what was stored then must not be stored again."""

from collections import Counter
from decimal import Decimal

import pytest
from django.conf import settings as configured

from runs import lifecycle
from runs.models import Attempt, LLMCall, Run
from tests.runs.conftest import ANNA, executor_node
from tests.runs.engine.conftest import wait_for, wait_for_end
from tests.runs.engine.proxy import LosingProxy

pytestmark = pytest.mark.django_db(transaction=True)

LINES = 12
RUNS = 8


@pytest.fixture
def lossy():
    database = configured.DATABASES["default"]
    proxy = LosingProxy(database["HOST"], database["PORT"], share=0.2, seed=7)
    yield proxy
    proxy.close()


@pytest.fixture
def lossy_url(lossy):
    database = {**configured.DATABASES["default"], "HOST": "127.0.0.1", "PORT": lossy.port}
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)


def assert_told_once(run, attempts):
    """Every line and model call of these attempts stands exactly once, and so does each result."""
    events = list(run.events.order_by("seq"))
    assert [event.seq for event in events] == list(range(1, run.last_seq + 1))
    for kind, told in (("log", "message"), ("llm_call", "model")):
        found = Counter((e.node, e.attempt, e.data[told]) for e in events if e.kind == kind)
        word = "line {}" if kind == "log" else "model-{}"
        expected = [(node, n, word.format(i)) for node, n in attempts for i in range(LINES)]
        assert found == Counter(expected), kind
    results = [(e.node, e.attempt) for e in events if e.kind in (
        "node_completed", "node_failed", "late_result")]  # fmt: skip
    assert sorted(results) == sorted(attempts)
    assert LLMCall.objects.filter(run=run).count() == LINES * len(attempts)
    assert run.cost == Decimal("0.01") * LINES * len(attempts)


@pytest.mark.long
def test_each_line_call_and_result_stands_once_whatever_commits_are_not_answered(
    start_worker, beat, begin, lossy, lossy_url
):
    start_worker(DATABASE_URL=lossy_url, ENGINE_LEASE_SECONDS="20")
    inputs = {"lines": LINES, "pause": 0.02}
    nodes = [
        executor_node("a", "probe.tell", input=inputs),
        executor_node("b", "probe.tell_and_fail", input=inputs, retries=2, backoff_seconds=0),
    ]
    nodes[1]["needs"] = ["a"]
    runs = [begin(*nodes, slug="told") for _ in range(RUNS)]
    for run in runs:
        ended = wait_for_end(run, 120)
        assert (ended.state, ended.error_kind) == ("failed", "Broken")
        assert_told_once(ended, [("a", 1), ("b", 1), ("b", 2), ("b", 3)])
    assert lossy.lost_before > 5
    assert lossy.lost_after > 10


def test_a_late_result_stands_once(start_worker, beat, begin, lossy, lossy_url, tmp_path):
    start_worker(DATABASE_URL=lossy_url, ENGINE_LEASE_SECONDS="20")
    for number in range(5):
        go = tmp_path / str(number)
        inputs = {"lines": LINES, "pause": 0.02, "path": str(go)}
        run = begin(executor_node("a", "probe.tell", input=inputs), slug="late")
        wait_for(lambda run=run: run.events.filter(kind="log").exists(), "a line")
        assert lifecycle.terminate(Run.objects.filter(pk=run.pk), by=ANNA).done
        go.touch()
        wait_for(Attempt.objects.filter(run=run.pk, status="late").exists, "the late result")
        assert_told_once(Run.objects.get(pk=run.pk), [("a", 1)])
