"""What the portal finds out about its parts, what it keeps of that, and what the page shows."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from config.embedded import locations
from config.embedded.valkey import Valkey
from runs import heartbeat
from runs.models import AuditEntry, Backend, Service, ServiceMinute, Source
from runs.models.node import Node
from runs.models.service import SEVERITY, Kind, Status
from runs.services import broker, history, live, probing, record, reporters, tasks
from runs.services.asking import Questions, Silent
from runs.services.finding import Finding
from tests.runs.conftest import changed
from tests.runs.visitors import visitor
from tests.servers import Server, temporary_folder

PAGE = "/admin/services/"
HTMX = {"HX-Request": "true"}
WORKER = heartbeat.Process("worker", "runs@here", ("bulk", "control", "runs"))
BEAT = heartbeat.Process("beat", "1@here")

# What is looked at is seen by connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alone():
    heartbeat.forget_all()
    live._last.clear()
    yield
    heartbeat.forget_all()
    live._last.clear()


@pytest.fixture
def all_alive():
    heartbeat.give(WORKER._replace(queues=tuple(sorted(broker.queues()))), {"tasks": []})
    heartbeat.give(BEAT)


@pytest.fixture
def sees():
    return visitor("runs.view_service", "runs.view_run")


def look(now=None):
    seen = probing.look(now or timezone.now())
    return {finding.key: finding for finding in seen.findings}


def finding(status=Status.UP, key="storage", kind=Kind.STORAGE, **more):
    return Finding(key, kind, key, status, **more)


def keep(at, *findings, unknown=()):
    record.keep(probing.Seen(at, list(findings), frozenset(unknown)))


# -- What is found ---------------------------------------------------------------------------


def test_a_whole_portal_is_up(all_alive):
    found = look()
    not_up = {key: each.words for key, each in found.items() if each.status != Status.UP}
    assert not_up == {}
    assert {"database", "broker", "storage", "beat", "streams", "outbox", "archive"} <= set(found)
    assert {"worker:runs@here", "queue:runs", "queue:control", "queue:bulk"} <= set(found)
    facts = dict(found["database"].facts)
    assert facts["Version"].split(".")[0].isdigit()
    assert " of " in facts["Connections"]


def test_a_silent_worker_is_down_and_so_is_its_queue(all_alive, monkeypatch):
    monkeypatch.setattr(heartbeat, "ALIVE", -1)
    found = look()
    assert found["worker:runs@here"].status == Status.DOWN
    assert "Silent for" in found["worker:runs@here"].words
    assert found["queue:runs"].status == Status.DOWN
    assert "--queues runs" in found["queue:runs"].act
    assert found["beat"].status == Status.DOWN


def test_a_worker_that_said_good_bye_is_not_shown_but_its_queue_is_missed(all_alive):
    tasks.probe_services()
    assert Service.objects.present().filter(key="worker:runs@here").exists()
    heartbeat.forget_all()
    tasks.probe_services()
    assert not Service.objects.present().filter(kind=Kind.WORKER).exists()
    assert Service.objects.present().get(key="queue:runs").status == Status.DOWN


def test_what_comes_back_is_there_since_then_and_has_its_day_still():
    start = timezone.now() - timedelta(minutes=10)
    keep(start, finding(), finding(key="worker:a", kind=Kind.WORKER))
    keep(start + timedelta(minutes=1), finding())
    back = start + timedelta(minutes=2)
    keep(back, finding(), finding(key="worker:a", kind=Kind.WORKER))
    worker = Service.objects.get(key="worker:a")
    assert (worker.since, worker.minutes.count()) == (back, 2)
    assert Service.objects.get(key="storage").since == start
    keep(back + timedelta(hours=2), finding())
    assert list(Service.objects.values_list("key", flat=True)) == ["storage"]


@pytest.fixture
def valkey(settings):
    data_dir = temporary_folder()
    server = Server(Valkey(data_dir))
    settings.REDIS_URL = locations.redis_url(data_dir)
    yield server
    server.stop()


def test_a_broker_that_stops_is_down_and_who_stands_there_unknown(valkey):
    keep(timezone.now() - timedelta(minutes=2), finding(key="beat", kind=Kind.BEAT))
    assert look()["broker"].status == Status.UP
    valkey.kill()
    tasks.probe_services()
    stored = {service.key: service for service in Service.objects.all()}
    assert stored["broker"].status == Status.DOWN
    assert stored["database"].status == Status.UP
    assert stored["beat"].status == Status.UNKNOWN
    valkey.start()
    assert look()["broker"].status == Status.UP


def test_a_database_that_is_away_is_down_and_the_broker_is_still_told(all_alive, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    seen = probing.look(timezone.now())
    found = {each.key: each.status for each in seen.findings}
    assert (found["database"], found["broker"]) == (Status.DOWN, Status.UP)
    assert found["worker:runs@here"] == Status.UP
    assert {Kind.SOURCE, Kind.OUTBOX, Kind.BACKEND} <= seen.unknown


def test_what_hangs_is_given_up_in_time_and_asked_once():
    go_on, asked = threading.Event(), []

    def hang():
        asked.append(1)
        go_on.wait(30)

    for _ in range(3):
        questions = Questions(0.05)
        questions.ask({"hangs": hang})
        assert isinstance(questions.answer("hangs"), Silent)
    go_on.set()
    assert asked == [1]


@pytest.mark.parametrize(
    ("minutes", "opened", "status"),
    [(None, 0, Status.UNKNOWN), (90, 0, Status.UP), (1, 3, Status.UP), (90, 3, Status.DEGRADED)],
)
def test_a_source_that_is_silent_with_open_runs_is_degraded(minutes, opened, status):
    now = timezone.now()
    last = None if minutes is None else now - timedelta(minutes=minutes)
    assert reporters._source(1, "airflow", last, opened, now).status == status


# -- Backends --------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        status, value = self.server.answers[self.path.partition("?")[0]]
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def backend(settings):
    """Name one at a server of this test, which is allowed; gives what is found of it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.answers = [], {}
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    settings.PRIVATE_HOSTS = frozenset({address})

    def ask(answers, path="/health", **fields):
        server.answers = answers
        Backend.objects.all().delete()
        made = Backend.objects.create(name="ocr", url=f"http://{address}{path}", **fields)
        return look()[f"backend:{made.pk}"]

    ask.server = server
    yield ask
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, {"status": "ok"}), Status.UP),
        ((200, "fine"), Status.UP),
        ((200, {"status": "degraded"}), Status.DEGRADED),
        ((200, {"status": "broken"}), Status.DOWN),
        ((503, {"status": "ok"}), Status.DOWN),
    ],
)
def test_an_http_backend_is_as_it_says(backend, answer, status):
    assert backend({"/health": answer}).status == status


def test_a_marie_gateway_tells_its_slots_and_gets_the_secret(backend, settings):
    settings.NODE_SECRETS = {"MARIE": "a-secret-of-marie"}
    slots = [{"name": "ocr.gpu", "capacity": 4, "used": 3, "available": 1}]
    answers = {
        "/check": (200, {"result": "ok"}),
        "/api/capacity": (200, {"status": "OK", "result": {"slots": slots, "totals": {}}}),
    }
    found = backend(answers, path="", preset="marie", secret="MARIE")
    assert (found.status, found.words) == (Status.UP, "3 of 4 slots in use")
    assert ("Slot ocr.gpu", "3 of 4 in use") in found.facts
    assert {told for _, told in backend.server.asked} == {"Bearer a-secret-of-marie"}
    found = backend(answers | {"/api/capacity": (500, {})}, path="", preset="marie")
    assert found.status == Status.DEGRADED


def test_a_backend_without_its_secret_or_at_a_private_address_is_not_called(backend, settings):
    found = backend({}, secret="GONE")
    assert (found.status, backend.server.asked) == (Status.DOWN, [])
    assert "NODE_SECRET_GONE" in found.words
    settings.PRIVATE_HOSTS = frozenset()
    found = backend({})
    assert (found.status, backend.server.asked) == (Status.DOWN, [])
    assert "private address" in found.words


def test_naming_a_backend_is_for_administrators_and_is_audited():
    path = "/admin/runs/backend/add/"
    form = {"name": "ocr", "preset": "http", "url": "https://ocr.example/health", "secret": ""}
    operator = visitor("runs.view_backend", "runs.view_service", name="op")
    assert operator.post(path, form).status_code == 403
    admin = visitor(
        "runs.view_backend", "runs.add_backend", "runs.change_backend", "runs.delete_backend"
    )
    assert admin.post(path, {**form, "url": "file:///etc/passwd"}).status_code == 200
    assert admin.post(path, form).status_code == 302
    made = Backend.objects.get()
    admin.post(f"/admin/runs/backend/{made.pk}/change/", {**form, "name": "ocr-2"})
    admin.post(f"/admin/runs/backend/{made.pk}/delete/", {"post": "yes"})
    assert not Backend.objects.exists()
    told = AuditEntry.objects.order_by("id").values_list("action", "target_type", "target_id")
    assert list(told) == [
        ("create", "backend", "ocr"), ("change", "backend", "ocr-2"),
        ("delete", "backend", "ocr-2"),
    ]  # fmt: skip


# -- What is kept ----------------------------------------------------------------------------


def test_since_when_is_kept_until_it_changes_and_a_late_look_changes_nothing():
    start = timezone.now() - timedelta(minutes=10)
    keep(start, finding(Status.UP))
    keep(start + timedelta(seconds=15), finding(Status.UP))
    assert Service.objects.get().since == start
    fell = start + timedelta(seconds=30)
    keep(fell, finding(Status.DOWN, words="gone"))
    keep(start + timedelta(seconds=20), finding(Status.UP))
    keep(fell, finding(Status.DOWN, words="gone"))
    service = Service.objects.get()
    assert (service.status, service.since, service.words) == (Status.DOWN, fell, "gone")


def test_a_minute_keeps_its_worst_and_a_day_is_kept():
    now = timezone.now().replace(second=0, microsecond=0)
    keep(now - timedelta(hours=26), finding())
    keep(now, finding(Status.DOWN, latency_ms=3.0))
    keep(now + timedelta(seconds=15), finding(Status.UP, latency_ms=900.0))
    minute = ServiceMinute.objects.get()
    assert (minute.minute, minute.severity) == (now, SEVERITY[Status.DOWN])
    assert minute.latency_ms == 900.0
    day = history.last_day(now)[minute.service_id]
    assert "down 1 min" in day.words
    assert [piece.status for piece in day.pieces].count(Status.DOWN) == 1
    assert day.pieces[0].status is None


# -- The page --------------------------------------------------------------------------------


def test_who_may_not_see_services_gets_nothing_of_them():
    assert visitor("runs.view_run").get(PAGE).status_code == 403


def test_the_page_shows_what_was_found_and_what_to_do(sees, django_assert_max_num_queries):
    now = timezone.now()
    keep(now, finding(), finding(Status.DOWN, "queue:runs", Kind.QUEUE, act="Start a worker."))
    with django_assert_max_num_queries(12):
        page = sees.get(PAGE).content.decode()
    assert "1 down, 1 up" in page
    assert "Start a worker." in page
    assert "Nobody keeps watch" not in page
    part = sees.get(PAGE, headers=HTMX).content.decode()
    assert part.lstrip().startswith('<div id="polled"')


def test_an_unfolded_worker_links_to_the_runs_that_it_works_on(sees, make_run):
    run_id = make_run(changed("created", "active"))
    node = Node.objects.filter(run=run_id).first()
    task = {"task": "runs.execute", "since": timezone.now().timestamp(), "node": node.pk}
    worker = finding(key="worker:a@b", kind=Kind.WORKER, tasks=[task])
    keep(timezone.now(), worker)
    address = f"{PAGE}?open=worker:a@b"
    assert f"/admin/runs/run/{node.run.public_id}/" in sees.get(address).content.decode()
    stranger = visitor("runs.view_service", name="other")
    page = stranger.get(address).content.decode()
    assert "runs.execute" in page
    assert node.run.public_id not in page


def test_a_page_that_nobody_fills_looks_itself(sees, all_alive):
    long_ago = timezone.now() - timedelta(hours=1)
    keep(long_ago, finding(key="database", kind=Kind.DATABASE))
    page = sees.get(PAGE).content.decode()
    assert "Nobody keeps watch" in page
    assert "runs@here" in page
    # It tells, and leaves the keeping to who keeps watch.
    assert Service.objects.get(key="database").checked_at == long_ago


def test_without_a_database_the_page_says_so_and_names_nobody(
    client, all_alive, settings, monkeypatch
):
    Source.objects.create(name="airflow-secret")
    tasks.probe_services()
    live._last.clear()
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    client.raise_request_exception = False
    client.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32

    def refuse(*_):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", refuse)
    for headers in ({}, HTMX):
        answer = client.get(PAGE, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 503
        assert "PostgreSQL does not answer" in page
        assert "Workers" in page
        assert "runs@here" not in page
        assert "127.0.0.1" not in page
    # Any other page is as it was.
    assert "The database did not answer" in client.get("/admin/bulk/").content.decode()
