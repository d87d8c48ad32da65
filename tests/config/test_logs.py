"""What web, worker and beat write to their logs: one JSON object a line, each with what it is
about, and no secret."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from django.conf import settings
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from config import log_context, logs
from config.embedded.network import free_port
from config.embedded.processes import wait_until
from runs import secret_values, tokens
from runs.models import Run, Workflow
from tests.runs.engine.conftest import environment
from tests.runs.visitors import account

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECRET = 'a "secret" of the shop'


# -- One line ------------------------------------------------------------------------------------


def written(message="it is %s", *args, level=logging.INFO, exc_info=None, **extra):
    record = logging.LogRecord("shop", level, __file__, 1, message, args, exc_info)
    vars(record).update(extra)
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_has_time_level_logger_and_message():
    line = written("it is %s", "late", level=logging.WARNING)
    assert TIME.fullmatch(line.pop("time"))
    assert line == {"level": "warning", "logger": "shop", "message": "it is late"}


def test_a_line_tells_what_it_is_about():
    with bound_contextvars(request_id="r1", run_id="run_1"):
        line = written("so", attempt=2, request=object())
    assert (line["request_id"], line["run_id"], line["attempt"]) == ("r1", "run_1", 2)
    assert "request" not in line


def test_an_exception_is_a_field_of_its_line():
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        line = written("it failed", exc_info=sys.exc_info())
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no\nsuch thing")


def test_a_secret_is_masked_also_where_json_would_write_it_another_way(settings):
    settings.NODE_SECRETS = {"SHOP": SECRET}
    secret_values._pattern.cache_clear()
    try:
        raise ValueError(SECRET)
    except ValueError:
        line = written("it is %s", SECRET, exc_info=sys.exc_info(), given=SECRET)
    finally:
        secret_values._pattern.cache_clear()
    assert (line["message"], line["given"]) == ("it is •••", "•••")
    assert line["exception"].endswith("ValueError: •••")


def test_no_line_is_endless_and_none_is_lost_for_what_is_in_it():
    assert len(json.dumps(written("x" * 100_000))) < logs.LONGEST + 300
    assert written("odd \ud800 name")["message"] == "odd ? name"


def test_a_path_writes_no_line_of_its_own(caplog):
    async def refuse(scope, receive, send):
        await send({"type": "http.response.start", "status": 404})

    async def nowhere(message):
        pass

    scope = {"type": "http", "method": "GET", "path": "/a\nfake\x1b[2J", "headers": []}
    with caplog.at_level("INFO", "portal.access"):
        asyncio.run(log_context.Requests(refuse)(scope, None, nowhere))
    assert caplog.messages == ["GET /a%0Afake%1B%5B2J 404"]


# -- Real processes ------------------------------------------------------------------------------


class Process:
    def __init__(self, folder, name, *command, **env):
        self.path = folder / f"{name}.log"
        with self.path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment(LOG_FORMAT="json", ACCESS_LOG="1", **env),
                stdout=log,
                stderr=log,
            )

    def lines(self):
        """All that it wrote. What is no JSON fails the test."""
        whole = self.path.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for(self, **members):
        def found():
            return [one for one in self.lines() if members.items() <= one.items()]

        assert wait_until(lambda: bool(found()), 20), (members, self.path.read_text())
        return found()[0]

    def end(self):
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module")
def start(django_db_setup, tmp_path_factory):
    started = []
    folder = tmp_path_factory.mktemp("logs")

    def begin(name, *command, **env):
        started.append(Process(folder, name, *command, **env))
        return started[-1]

    yield begin
    for process in started:
        process.end()


@pytest.fixture(scope="module")
def web(start):
    port = free_port()
    process = start(
        "web",
        "config.bounded_uvicorn",
        "config.asgi:application",
        *("--port", str(port), "--lifespan", "off", "--ws", "none", "--no-access-log"),
        DATABASE_POOL="1",
        NODE_SECRET_SHOP=SECRET,
    )
    process.url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return bool(asked(process, "/api/schema/"))
        except OSError:
            return False

    assert wait_until(answers, 30), process.path.read_text()
    return process


def asked(web, path, body=None, **headers):
    """The status, the request id that came back, and the answer."""
    request = urllib.request.Request(
        web.url + path,
        None if body is None else json.dumps(body).encode(),
        {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["X-Request-ID"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["X-Request-ID"], error.read()


def test_a_request_has_the_id_that_it_came_with_if_that_is_one(web):
    assert asked(web, "/api/runs/", X_Request_ID="gate-4711")[:2] == (401, "gate-4711")
    line = web.wait_for(request_id="gate-4711", logger="portal.access")
    assert line["message"] == "GET /api/runs/ 401"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/runs/", 401)
    assert line["address"] == "127.0.0.1"
    assert line["duration_ms"] > 0
    # What else is told of it has its id too.
    assert web.wait_for(request_id="gate-4711", logger="django.request", level="warning")


@pytest.mark.parametrize("given", ["two words", "x" * 200, 'quo"te', "", "\u00e4"])
def test_a_request_whose_id_is_none_gets_one(web, given):
    _, answered, _ = asked(web, "/api/runs/?q=private", X_Request_ID=given.encode())
    assert re.fullmatch("[0-9a-f]{32}", answered)
    line = web.wait_for(request_id=answered, logger="portal.access")
    assert "private" not in json.dumps(line)


def test_streams_and_ingest_are_told_too_and_probes_only_when_they_fail(web):
    assert asked(web, "/api/sse-runs", X_Request_ID="stream-1")[:2] == (401, "stream-1")
    assert asked(web, "/api/events", [], X_Request_ID="ingest-1")[:2] == (401, "ingest-1")
    assert asked(web, "/metrics", X_Request_ID="probe-1")[:2] == (200, "probe-1")
    assert asked(web, "/healthz", X_Request_ID="probe-2")[:2] == (503, "probe-2")
    assert web.wait_for(request_id="stream-1", path="/api/sse-runs", status=401)
    assert web.wait_for(request_id="ingest-1", path="/api/events", status=401)
    assert web.wait_for(request_id="probe-2", status=503)
    assert not [line for line in web.lines() if line.get("request_id") == "probe-1"]


@pytest.mark.django_db(transaction=True)
def test_what_a_request_starts_is_told_by_the_worker_under_its_id(web, start):
    worker = start(
        "worker",
        "celery",
        *("--quiet", "-A", "config.celery", "worker", "-Q", "runs", "-c", "1", "-n", "logs@test"),
        *("--without-gossip", "--without-mingle"),
        NODE_SECRET_SHOP=SECRET,
    )
    node = {"id": "talk", "kind": "executor", "executor": "unruly.do",
            "input": {"what": "print_secrets"}}  # fmt: skip
    Workflow.objects.publish("talking", {"nodes": [node]})
    user = account("runs.view_run", "runs.execute_workflow", name="otto")
    _, secret = tokens.make(
        user, name="t", scopes=["view", "execute"], days=1, by=user.as_actor(), now=timezone.now()
    )
    status, _, answer = asked(
        web, "/api/workflows/talking/runs/", {"input": {}}, X_Request_ID="start-1",
        Authorization=f"Bearer {secret}", Content_Type="application/json",
    )  # fmt: skip
    assert status == 201, answer
    run = json.loads(answer)["id"]
    line = worker.wait_for(run_id=run, logger="celery.redirected")
    assert line["request_id"] == "start-1"
    assert (line["workflow"], line["node"], line["attempt"]) == ("talking", "talk", 1)
    assert line["task"] == "runs.execute"
    assert len(line["task_id"]) == 36
    assert wait_until(lambda: Run.objects.get().state in ("completed", "failed"), 20)
    time.sleep(0.3)
    for process in (web, worker):
        text = process.path.read_text()
        assert process.lines()
        for value in (SECRET, secret, settings.DATABASES["default"]["PASSWORD"]):
            assert value not in text
            assert json.dumps(value)[1:-1] not in text


def test_beat_writes_json_too(start):
    beat = start(
        "beat", "celery", "--quiet", "-A", "config.celery", "beat", "--pidfile=",
        REDIS_URL="redis://127.0.0.1:1/0",
    )  # fmt: skip
    # It cannot send what is due, which it tells.
    line = beat.wait_for(level="error")
    assert TIME.fullmatch(line["time"])
    assert "exception" in line or line["message"]


def test_a_wrong_format_stops_the_start():
    told = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        env={**os.environ, "LOG_FORMAT": "xml"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "LOG_FORMAT must be json or text" in told.stderr
