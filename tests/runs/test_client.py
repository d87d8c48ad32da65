"""The Python client, against a real web process."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from runs import tokens
from runs.client import runs_client
from runs.client.runs_client import Client
from runs.models import Event, Run, User
from tests.runs.streams.servers import Web
from tests.servers import temporary_folder

pytestmark = pytest.mark.django_db(transaction=True)
PROJECT = Path(__file__).resolve().parents[2]
MODULE = PROJECT / "runs" / "client" / "runs_client.py"
EXAMPLE = PROJECT / "docs" / "examples" / "report_a_script.py"


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    folder = temporary_folder()
    (folder / "logs").mkdir()
    with django_db_blocker.unblock():
        started = Web(folder, settings.REDIS_URL, application="config.asgi:application")
    yield started
    started.stop()


@pytest.fixture
def token(db):
    user = User.objects.create_superuser("sender", password="x")
    now = timezone.now()
    made = tokens.make(
        user, name="t", scopes=["ingest", "view"], days=9, by=user.as_actor(), now=now
    )
    return made[1]


@pytest.fixture
def client(web, token):
    made = Client(f"http://127.0.0.1:{web.port}", token, "scripts", every=0.05)
    yield made
    made.close()


def get(web, path, token):
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{web.port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_the_single_file_works_without_anything_else(tmp_path):
    shutil.copy(MODULE, tmp_path)
    code = (
        "import sys, runs_client;"
        "assert not {'django', 'runs', 'requests'} & set(sys.modules);"
        "runs_client.Client('http://127.0.0.1:1', 't', 's').close()"
    )
    subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
                   cwd=tmp_path, check=True, timeout=60)  # fmt: skip


def test_a_plain_script_shows_as_a_run(web, token, tmp_path):
    shutil.copy(MODULE, tmp_path)
    shutil.copy(EXAMPLE, tmp_path)
    environment = {**os.environ, "RUNS_URL": f"http://127.0.0.1:{web.port}", "RUNS_TOKEN": token}
    done = subprocess.run(
        [sys.executable, EXAMPLE.name, "document-7"], cwd=tmp_path, env=environment, check=True,
        timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert "0 lost" in done.stdout
    [run] = get(web, "/api/runs/?workflow=read_document", token)["results"]
    assert (run["state"], run["ref_id"]) == ("completed", "document-7")
    assert run["cost"] == "0.0004200000"
    assert run["nodes"] == {"total": 2, "done": 2}
    context = get(web, f"/api/runs/{run['id']}/context/", token)
    assert context["input_data"] == {"document": "a.pdf", "pages": 3}
    assert list(context["nodes"]) == ["extract", "summarize"]
    assert context["nodes"]["extract"]["output"] == {"characters": 42}
    assert all(n["metadata"]["status"] == "completed" for n in context["nodes"].values())


def test_an_exception_fails_the_step_and_the_run_and_goes_on(client):
    def script():
        with client.run("sums", "s1") as run:
            with pytest.raises(KeyError), run.step("look"):
                raise KeyError("first")
            with run.step("look") as step:
                step.output = {1, 2}  # no JSON: told as text
            with run.step("divide") as step:
                step.log("half \ud800 and \0 nothing")
                return 1 / 0

    with pytest.raises(ZeroDivisionError):
        script()
    assert client.flush(20)
    assert (client.refused, client.dropped) == (0, 0)
    found = Run.objects.get(external_id="s1")
    assert (found.state, found.error_node, found.error_kind) == (
        "failed", "divide", "ZeroDivisionError",
    )  # fmt: skip
    failed = Event.objects.filter(run=found, kind="node_failed").order_by("seq").last()
    assert "1 / 0" in failed.data["error"]["trace"]
    look = found.nodes.get(key="look")
    assert (look.status, look.attempts) == ("completed", 2)


def test_many_threads_report_at_once(client):
    def work(number):
        with client.run("many", f"m{number}") as run, run.step("only") as step:
            for line in range(50):
                step.log(f"line {line}")

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert client.close(30)
    assert client.stored == 8 * 55
    for run in Run.objects.filter(workflow__slug="many"):
        lines = Event.objects.filter(run=run, kind="log").order_by("seq")
        assert [e.data["message"] for e in lines] == [f"line {n}" for n in range(50)]


# -- A portal that is away -------------------------------------------------------------------


# Stands for the page, with status 200, of a proxy that wants a password first.
SIGN_IN = 299


class Moody(http.server.ThreadingHTTPServer):
    """Answers with these statuses, one after the other; the last one from then on."""

    daemon_threads = True

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.ids = []
        self.times = []
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        import gzip

        body = self.rfile.read(int(self.headers["Content-Length"]))
        events = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        self.server.times.append(time.monotonic())
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        if status == 200:
            self.server.ids += [event["event_id"] for event in events]
        answer = json.dumps({"stored": len(events)}).encode()
        if status == SIGN_IN:
            status, answer = 200, b"<html>Sign in</html>"
        self.send_response(abs(status))
        if status == 429:
            self.send_header("Retry-After", "2")
        # A negative one breaks off in the middle of its answer.
        self.send_header("Content-Length", str(len(answer) + (9 if status < 0 else 0)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def moody():
    made = []

    def make(*statuses, **options):
        server = Moody(*statuses)
        made.append(server)
        return server, Client(f"http://127.0.0.1:{server.server_port}", "t", "s", **options)

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def test_what_a_portal_could_not_take_is_sent_again(moody, monkeypatch):
    monkeypatch.setattr("runs.client.runs_client._FIRST_PAUSE", 0.01)
    server, client = moody(503, -503, -200, 429, 500, SIGN_IN, 200, every=0.01)
    for number in range(10):
        client.send({"type": "log", "n": number})
    assert client.flush(30)
    assert (len(set(server.ids)), len(server.ids)) == (10, 10)
    assert server.ids == sorted(server.ids)
    assert (client.stored, client.dropped) == (10, 0)


def test_a_portal_that_asks_for_patience_is_given_it(moody, monkeypatch):
    monkeypatch.setattr("runs.client.runs_client._FIRST_PAUSE", 0.01)
    server, client = moody(429, 200, every=0.01)
    client.send({"type": "log"})
    assert client.flush(30)
    refused, taken = server.times
    assert taken - refused >= 2  # never sooner; it may be later
    assert (client.stored, client.dropped) == (1, 0)


@pytest.mark.parametrize(
    ("header", "seconds"), [("55", 55), ("86400", 300), ("soon", 0), (None, 0)]
)
def test_it_waits_for_as_long_as_a_portal_may_ask_for(header, seconds):
    assert runs_client._seconds(header) == seconds


def test_a_batch_that_is_too_large_goes_in_halves(moody):
    server, client = moody(413, 413, 200, every=0.2)
    for number in range(8):
        client.send({"type": "log", "n": number})
    assert client.flush(30)
    assert len(set(server.ids)) == 8
    assert server.ids == sorted(server.ids)


def test_what_is_refused_for_good_is_counted(moody):
    _, client = moody(403, every=0.01)
    client.send({"type": "log"})
    assert client.flush(30)
    assert (client.stored, client.dropped) == (0, 1)


def test_a_portal_that_stays_away_holds_nobody_up_for_long():
    client = Client("http://127.0.0.1:1", "t", "s", buffer=5, patience=0.1, every=0.01)
    kept = [client.send({"type": "log", "n": number}) for number in range(30)][-1]
    assert kept is False
    begun = time.monotonic()
    assert client.close(0.1) is False
    assert client.dropped == 30
    assert time.monotonic() - begun < 30


def test_a_full_buffer_holds_the_program_up_once_and_not_for_each_event(monkeypatch):
    client = Client("http://127.0.0.1:1", "t", "s", buffer=1, patience=3600, every=0.01)
    waited = []
    # The thread that sends is not begun: there is never any room.
    monkeypatch.setattr(client, "_begin", lambda: None)
    monkeypatch.setattr(client._changed, "wait", waited.append)
    kept = [client.send({"type": "log", "n": number}) for number in range(50)]
    assert kept == [True] + [False] * 49
    assert len(waited) == 1


def test_a_forked_process_reports_for_itself(moody):
    server, client = moody(200, every=0.01)
    client.send({"type": "log"})
    assert client.flush(30)
    child = os.fork()
    if child == 0:
        client.send({"type": "log"})
        os._exit(0 if client.close(30) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(set(server.ids)) == 2
