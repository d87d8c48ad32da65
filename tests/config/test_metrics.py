"""What ``/metrics`` tells, and to whom; what ``/readyz`` asks for."""

import asyncio
import json
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from config import health, metrics
from config.exposition import Metric, written
from retention.models import Execution, Policy
from runs import counters, heartbeat, recorder
from runs.models import Event, Node, OutboxCursor, ReadyNode, Source
from runs.rows import NewEvent
from runs.services import broker, tasks
from runs.states import Kind
from tests.runs.conftest import (  # noqa: F401  (fixtures)
    _emptied_quickly,
    make_run,
    publish,
    version,
)
from tests.runs.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture(autouse=True)
def _unasked(monkeypatch):
    monkeypatch.setattr(metrics, "scrape", metrics.Scrape())
    monkeypatch.setattr(health, "database", health.Probe(health.Database()))
    monkeypatch.setattr(health, "broker", health.Probe(health.Broker()))
    heartbeat.forget_all()
    yield
    heartbeat.forget_all()


def ask(application, *, client="127.0.0.1", **headers):
    sent = []

    async def send(message):
        sent.append(message)

    given = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope = {"type": "http", "path": "/metrics", "headers": given, "client": (client, 1)}
    asyncio.run(application(scope, None, send))
    return sent[0]["status"], sent[1]["body"].decode()


def parsed(text):
    """{name: {labels: value}}, and {name: type}; every line must be one of the format's."""
    samples, types = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found.groups()
        assert name in types, f"{name} comes before its type"
        key = frozenset(LABEL.findall(labels or ""))
        assert key not in samples.setdefault(name, {}), line
        samples[name][key] = float(value)
    return samples, types


@pytest.fixture
def busy(make_run):  # noqa: F811
    """A portal of which there is something to tell under every name."""
    now = timezone.now()
    make_run()
    source = Source.objects.create(name="airflow")
    run = make_run()
    line = NewEvent(Kind.LOG, actor="anna", data={"level": "info", "message": "m"}, at=now)
    recorder.record({run: [line]}, now=now)
    # An event's source is written once; no other way makes a reported one in a line.
    event = Event.objects.order_by("-id").first()
    Event.objects.create(
        run=event.run, seq=99, kind=event.kind, at=now - timedelta(seconds=3), recorded_at=now,
        data={}, source=source, sender_id="1",
    )  # fmt: skip
    OutboxCursor.objects.create(reader="slow", xid=0, line=0, moved_at=now)
    Policy.objects.update(nights_from=now - timedelta(days=9))
    Execution.objects.create(
        kind="archive", state="finished", night=now.date(), started_by="x", created_at=now,
        moved_at=now, ended_at=now - timedelta(hours=1),
    )  # fmt: skip
    heartbeat.give(heartbeat.Process("worker", "w@here", ("bulk", "runs")), {})
    heartbeat.give(heartbeat.Process("beat", "1@here"))
    heartbeat.give(heartbeat.Process("streams", "2@here"), {"clients": 7, "sure": True})
    tasks.probe_services()


def test_every_documented_name_is_there(busy):
    status, text = ask(metrics.metrics)
    assert status == 200
    samples, types = parsed(text)
    assert samples.keys() == metrics.DOCUMENTED.keys()
    assert types == {name: kind for name, (kind, _) in metrics.DOCUMENTED.items()}
    assert samples["portal_runs_open"][frozenset({("state", "created")})] == 2
    assert samples["portal_stream_clients"] == {frozenset({("process", "2@here")}): 7}
    assert samples["portal_workers"][frozenset({("queue", "runs")})] == 1
    assert samples["portal_workers"][frozenset({("queue", "control")})] == 0
    assert 3600 <= samples["portal_archive_age_seconds"][frozenset()] < 3700
    assert samples["portal_ingest_lag_seconds"][frozenset()] >= 2.9
    assert set(samples["portal_scrape_ok"].values()) == {1}


def test_a_queue_that_nobody_ever_served_has_no_worker(make_run):  # noqa: F811
    node = Node.objects.create(run_id=make_run(), key="scan", position=0, status="queued")
    ReadyNode.objects.create(
        node=node, run_id=node.run_id, ready_at=timezone.now() - timedelta(minutes=5), queue="gpu"
    )
    samples, _ = parsed(ask(metrics.metrics)[1])
    key = frozenset({("queue", "gpu")})
    assert samples["portal_queue_ready_nodes"][key] == 1
    assert samples["portal_queue_wait_seconds"][key] >= 300
    assert samples["portal_workers"][key] == 0


def test_the_documentation_names_what_there_is():
    page = (settings.BASE_DIR / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)`.* \| (\w+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(name, *told) for name, told in metrics.DOCUMENTED.items()]


def test_a_part_that_does_not_answer_is_left_out_and_said(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    samples, _ = parsed(ask(metrics.metrics)[1])
    assert samples["portal_scrape_ok"][frozenset({("part", "broker")})] == 0
    assert samples["portal_scrape_ok"][frozenset({("part", "runs")})] == 1
    assert "portal_queue_messages" not in samples
    assert "portal_runs_open" in samples


def test_scrapes_that_come_together_are_one(monkeypatch):
    asked = []
    monkeypatch.setattr(metrics, "collect", lambda: asked.append(1) or "text")

    async def crowd():
        return await asyncio.gather(*(metrics.scrape.text() for _ in range(20)))

    assert asyncio.run(crowd()) == ["text"] * 20
    assert asked == [1]


@pytest.mark.parametrize(
    ("token", "client", "headers", "status"),
    [
        ("", "127.0.0.1", {}, 200),
        ("", "::1", {}, 200),
        ("", "10.0.0.9", {}, 401),
        ("", "", {}, 401),
        ("", "127.0.0.1", {"x_forwarded_for": "10.0.0.9"}, 401),
        ("s3cret", "127.0.0.1", {}, 401),
        ("s3cret", "10.0.0.9", {"authorization": "Bearer s3cret"}, 200),
        ("s3cret", "10.0.0.9", {"authorization": "Bearer s3cre"}, 401),
        ("s3cret", "10.0.0.9", {"authorization": "Basic s3cret"}, 401),
    ],
)
def test_who_may_read_them(settings, monkeypatch, token, client, headers, status):
    monkeypatch.setattr(metrics, "collect", lambda: "text\n")
    settings.METRICS_TOKEN = token
    assert ask(metrics.metrics, client=client, **headers)[0] == status


def test_a_proxy_on_this_machine_is_nobody_of_this_machine(settings):
    settings.BEHIND_PROXY = True
    assert ask(metrics.metrics)[0] == 401


def test_labels_are_escaped():
    metric = Metric("a", "gauge", "two\nlines")
    metric.set(0.5, of='q"u\\o\nte')
    assert written([metric, Metric("b", "gauge", "")]) == (
        '# HELP a two\\nlines\n# TYPE a gauge\na{of="q\\"u\\\\o\\nte"} 0.5\n'
    )


def test_counts_of_all_processes_add_up_and_wait_for_a_broker_that_is_away(settings):
    before = counters.read(broker.client())[counters.EVENTS]
    good, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    counters.add(counters.EVENTS, 3)
    counters.flush()
    settings.REDIS_URL = good
    counters.add(counters.EVENTS, 2)
    counters.add(counters.EVENTS, 0)
    counters.flush()
    assert counters.read(broker.client())[counters.EVENTS] == before + 5


def test_reported_events_are_counted_by_what_became_of_them():
    def counted():
        counters.flush()
        found = counters.read(broker.client())
        return [found[name] for name in (counters.EVENTS, counters.DUPLICATES, counters.REFUSED)]

    sender, before = visitor("runs.ingest_event"), counted()
    Source.objects.create(name="airflow")
    event = {
        "event_id": "1", "source": "airflow", "external_id": "a", "workflow": "nightly",
        "type": "run_created",
    }  # fmt: skip
    for _ in range(2):
        sender.post("/api/events/", [event, {"event_id": "2"}], content_type="application/json")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 2]


def test_ready_asks_for_neither_worker_nor_beat(settings):
    status, body = ask(health.readiness)
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert set(json.loads(body)["parts"]) == {"database", "migrations", "broker"}
    assert ask(health.health)[0] == 503
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    health.broker = health.Probe(health.Broker())
    assert ask(health.readiness)[0] == 503
