"""Secrets that are planted into a running portal show nowhere: not in what it logs, stores, sends,
answers or is called by its machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.cookiejar
import io
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import locations
from tests import servers
from tests.portal import PROJECT, Portal
from tests.runs.engine.service import Service

pytestmark = pytest.mark.long

# Each is told from all others, and from whatever else stands anywhere.
NODE_SECRET = "planted-node-secret-5f1e77"
METRICS_TOKEN = "planted-metrics-token-88aa31"
SECRET_KEY = "planted-secret-key-0c9d4be6f1a2938475610fedcba987654321"
FORMER_KEY = "planted-former-key-7d21c0b4aa90f3e6528719c4d1e0b36f58"
S3_SECRET = "planted-s3-secret-9b3f52c7d1"
ADMIN_PASSWORD = "planted-admin-password-41c7"
WRONG_PASSWORD = "planted-wrong-password-e02b"
IN_ADDRESS = "planted-url-password-77d0"
FOREIGN_TOKEN = "runs_zzzzzz_planted-token-of-nobody-1234567890abcdef"
DEFINITION = {
    "nodes": [
        {"id": "echo", "kind": "http", "url": "{url}/secret", "method": "GET",
         "headers": {"Authorization": "Bearer {{ secret.SHOP }}"}},
        {"id": "ask", "kind": "llm", "needs": ["echo"], "base_url": "{url}/v1", "api_key": "SHOP",
         "model": "small", "prompt": "refuse {{ text }}", "input": {"text": "$.data.said"}},
        {"id": "print", "kind": "executor", "executor": "unruly.do", "needs": [],
         "input": {"what": "$.data.what"}},
        {"id": "broken", "kind": "http", "method": "GET", "needs": [],
         "url": "http://127.0.0.1:9/"},
    ],
}  # fmt: skip
PAGES = (
    "/admin/", "/admin/runs/run/", "/admin/services/", "/admin/tokens/", "/admin/automation/",
    "/admin/automation/{trigger}/", "/admin/automation/{trigger}/edit/", "/admin/runs/auditentry/",
    "/admin/runs/backend/", "/admin/bulk/", "/admin/bulk/{bulk}/", "/admin/runs/event/",
    "/admin/retention/executions/", "/admin/retention/executions/{execution}/", "/admin/me/",
    "/admin/analysis/failures/", "/admin/settings/runs/", "/admin/runs/workflow/leaky/",
    "/admin/runs/run/{run}/", "/admin/runs/run/{run}/?tab=context",
    "/admin/runs/run/{run}/?tab=job",
    "/admin/runs/run/{run}/?node=print&pane=error", "/admin/runs/run/{run}/?node=broken&pane=error",
    "/admin/runs/run/{run}/?download=bundle", "/api/runs/{run}/bundle/", "/api/runs/{run}/export/",
    "/api/runs/{run}/logs/", "/api/runs/{run}/events/", "/api/runs/{run}/context/",
    "/api/runs/export/", "/api/runs/export/?as=csv", "/api/tokens/", "/api/triggers/",
    "/api/triggers/{trigger}/", "/api/triggers/{trigger}/firings/", "/api/bulk/{bulk}/",
    "/api/retention/executions/", "/api/analysis/failures/", "/api/schema/", "/healthz", "/readyz",
    "/nothing", "/api/nothing", "/admin/runs/run/?q=%00", "/api/runs/?state=x",
)  # fmt: skip


# To who may change it, and nobody else: its secret is copied from there.
SHOWS_ITS_OWN = "/admin/automation/{trigger}/"


class Browser:
    """Somebody with a session, who follows no redirect."""

    def __init__(self, portal: Portal) -> None:
        self._base, self._jar = portal.url, http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._jar), _Staying()
        )

    def sign_in(self, password: str) -> int:
        self.get("/admin/login/")
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": self._token()}
        return self.post("/admin/login/", urllib.parse.urlencode(form).encode(),
                         "application/x-www-form-urlencoded")[0]  # fmt: skip

    def _token(self) -> str:
        return next(c.value for c in self._jar if c.name.startswith("csrftoken"))

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        return self._ask(urllib.request.Request(f"{self._base}{path}", headers=headers))

    def post(self, path: str, body: bytes, kind: str = "application/json", **headers: str):
        # Django takes the cookie's own value as well as a form's.
        given = {"Content-Type": kind, "X-CSRFToken": self._token(), **headers}
        return self._ask(urllib.request.Request(f"{self._base}{path}", body, given))

    def make(self, path: str, value: object) -> dict:
        status, said = self.post(path, json.dumps(value).encode())
        assert status < 300, said
        return json.loads(said)

    def _ask(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@pytest.fixture(scope="module")
def service():
    made = Service()
    yield made
    made.close()


@pytest.fixture(scope="module")
def portal(service):
    started = Portal(
        servers.temporary_folder() / "portal", DEMO=0, EXTRA_APPS="tests.probe",
        NODE_SECRET_SHOP=NODE_SECRET, METRICS_TOKEN=METRICS_TOKEN, SECRET_KEY=SECRET_KEY,
        SECRET_KEY_FALLBACKS=FORMER_KEY, ADMIN_PASSWORD=ADMIN_PASSWORD, LOG_LEVEL="DEBUG",
        PRIVATE_HOSTS=f"127.0.0.1:{service.server_port}",
        # Nobody answers there: what cannot be stored is told of.
        S3_BUCKET="portal", S3_ENDPOINT_URL="http://127.0.0.1:9", S3_ACCESS_KEY_ID="planted-key-id",
        S3_SECRET_ACCESS_KEY=S3_SECRET,
    ).start()  # fmt: skip
    yield started
    started.stop()


@pytest.fixture(scope="module")
def busy(portal, service):
    """The portal after all that secrets have a part in was done; what it then answered, by address,
    and the secrets that it made itself."""
    browser = Browser(portal)
    assert browser.sign_in(WRONG_PASSWORD) == 200
    assert browser.sign_in(ADMIN_PASSWORD) == 302
    definition = json.loads(json.dumps(DEFINITION).replace("{url}", service.url))
    browser.make("/api/workflows/", {"id": "leaky", "definition": definition})
    given = {"said": "x", "what": "print_secrets"}
    run = browser.make("/api/workflows/leaky/runs/", {"input": given})
    token = browser.make("/api/tokens/", {"name": "t", "scopes": ["view"], "expires_days": 1})
    secret = token["secret"]
    rule = {"when": {"scheme": "standard"}, "then": [{"start": "leaky", "input": given}]}
    trigger = browser.make("/api/triggers/", {"kind": "webhook", "name": "hook", "rule": rule})
    hook = trigger["webhook"] if isinstance(trigger.get("webhook"), dict) else trigger
    whsec = next(v for v in _strings(trigger) if v.startswith("whsec_"))
    place = urllib.parse.urlsplit(next(v for v in _strings(hook) if "/api/hooks/" in v)).path
    shown = urllib.parse.quote(json.dumps({"token": FOREIGN_TOKEN}))
    for path, headers in (
        ("/api/runs/", {"Authorization": f"Bearer {secret}"}),
        ("/api/runs/", {"Authorization": f"Bearer {FOREIGN_TOKEN}"}),
        ("/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"}),
        ("/metrics", {"Authorization": f"Bearer {FOREIGN_TOKEN}"}),
        (f"/api/trpc/runs.stream?connectionParams={shown}", {}),
        (f"/api/sse-runs?token={FOREIGN_TOKEN}", {"Authorization": f"Bearer {FOREIGN_TOKEN}"}),
    ):  # fmt: skip
        if "stream" in path or "sse" in path:
            _begin(portal, path, headers)
        else:
            browser.get(path, **headers)
    _call(browser, place, whsec, FOREIGN_TOKEN)
    browser.post(place, b"{}", **{"webhook-signature": f"v1,{FOREIGN_TOKEN}"})
    bulk = browser.make(
        "/api/bulk/", {"kind": "export", "filter": {}, "options": {"format": "csv"}}
    )
    execution = browser.make("/api/retention/executions/", {"kind": "archive"})
    _wait(lambda: json.loads(browser.get(f"/api/runs/{run['id']}/")[1])["state"] == "failed")
    time.sleep(3)  # until storage was missed, and services were looked at
    ids = {"run": run["id"], "bulk": bulk["id"], "trigger": trigger["id"],
           "execution": execution["id"]}  # fmt: skip
    answers = {path: browser.get(path.format(**ids)) for path in PAGES}
    status, figures = browser.get("/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    answers["/metrics"] = (status, figures)
    return answers, {"token": secret, "webhook": whsec}


def _strings(value: object):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _call(browser: Browser, place: str, secret: str, shown: str) -> None:
    body, at = b'{"event": "x"}', str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"m1.{at}.".encode() + body, hashlib.sha256).digest()
    status, said = browser.post(place, body, **{
        "webhook-id": "m1", "webhook-timestamp": at, "X-Api-Key": shown, "Cookie": f"x={shown}",
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        "Authorization": f"Bearer {shown}", "X-Auth-Token": shown})  # fmt: skip
    assert status == 202, said


def _begin(portal: Portal, path: str, headers: dict[str, str]) -> None:
    request = urllib.request.Request(f"{portal.url}{path}", headers=headers)
    try:
        urllib.request.urlopen(request, timeout=3).close()
    except urllib.error.HTTPError as error:
        error.close()


def _wait(done, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "did not come about"
        time.sleep(0.2)


def planted(portal: Portal, made: dict[str, str]) -> dict[str, list[bytes]]:
    """Each secret as it may be written."""
    own = {
        "node": NODE_SECRET, "metrics": METRICS_TOKEN, "key": SECRET_KEY, "former": FORMER_KEY,
        "s3": S3_SECRET, "admin": ADMIN_PASSWORD, "wrong": WRONG_PASSWORD, "address": IN_ADDRESS,
        "foreign": FOREIGN_TOKEN,
        "database": locations.read(portal.data_dir / "postgres" / "password"),
        "broker": locations.read(portal.data_dir / "valkey" / "password"), **made,
    }  # fmt: skip
    assert all(len(value) > 10 for value in own.values())
    return {
        name: [
            value.encode(),
            urllib.parse.quote(value, safe="").encode(),
            base64.b64encode(value.encode()),
            json.dumps(value)[1:-1].encode(),
        ]
        for name, value in own.items()
    }


def unpacked(bundle: bytes) -> bytes:
    found = zipfile.ZipFile(io.BytesIO(bundle))
    return b"\n".join(found.read(name) for name in found.namelist())


def shown_in(content: bytes, secrets: dict[str, list[bytes]]) -> list:
    return [
        (name, content[max(0, at - 150) : at + 150])
        for name, forms in secrets.items()
        for form in set(forms)
        if (at := content.find(form)) >= 0
    ]


def test_no_answer_shows_one(portal, busy):
    answers, made = busy
    secrets = planted(portal, made)
    reached = 0
    for path, (status, body) in answers.items():
        reached += status == 200
        content = unpacked(body) if body[:2] == b"PK" else body
        found = shown_in(content, secrets)
        if path == SHOWS_ITS_OWN:
            found = [each for each in found if each[0] != "webhook"]
        assert found == [], path
        assert b"Traceback" not in content.replace(b'"trace"', b"") or status == 200, path
    assert reached > 35


def test_what_was_masked_was_there(busy):
    """Else nothing had been asked for."""
    answers, _ = busy
    assert answers["/api/runs/{run}/logs/"][1].decode().count("•••") >= 3


def test_no_log_tells_one(portal, busy):
    _, made = busy
    secrets = planted(portal, made)
    logs = [*(portal.data_dir / "logs").iterdir(), Path(portal._output)]
    told = b"".join(log.read_bytes() for log in logs)
    assert len(told) > 10_000
    # The password of the staff account was given, and is not printed.
    assert shown_in(told, secrets) == []


def test_no_table_holds_one(portal, busy):
    _, made = busy
    secrets = planted(portal, made)
    found = {}
    with psycopg.connect(locations.database_url(portal.data_dir)) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN"
            " ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            with connection.cursor().copy(f'COPY "{schema}"."{table}" TO STDOUT') as rows:
                content = b"".join(bytes(row) for row in rows)
            if wrong := shown_in(content, secrets):
                found[table] = wrong
    assert len(tables) > 40
    assert found == {}


def test_no_message_and_no_key_of_the_broker_holds_one(portal, busy):
    _, made = busy
    secrets = planted(portal, made)
    at = urllib.parse.urlsplit(locations.redis_url(portal.data_dir))
    client = redis.Redis(port=at.port, password=at.password)
    content = []
    for key in client.scan_iter():
        content.append(key)
        content.append(client.dump(key) or b"")
    # Messages are taken as soon as they come: the file that all was appended to has them too.
    for file in (portal.data_dir / "valkey").rglob("*.aof"):
        content.append(file.read_bytes())
    said = b"\n".join(content)
    assert b"runs." in said
    assert shown_in(said, secrets) == []


def test_no_process_is_called_by_one(portal, busy):
    _, made = busy
    secrets = planted(portal, made)
    commands = portal.processes()
    assert len(commands) > 5
    assert shown_in("\n".join(commands.values()).encode(), secrets) == []


def test_files_with_secrets_are_their_owners(portal, busy):
    _, made = busy
    secrets = planted(portal, made)
    for file in portal.data_dir.rglob("*"):
        # What PostgreSQL keeps is its account's alone.
        if file.is_file() and "postgres/data" not in str(file) and file.stat().st_size < 5_000_000:
            content = file.read_bytes()
            if shown_in(content, secrets):
                assert file.stat().st_mode & 0o077 == 0, file
                assert file.name in ("password", "valkey.conf", "pgpass", "secret_key"), file


def test_a_setting_that_is_wrong_is_told_without_its_secret(tmp_path):
    """Of a start that fails, the last words."""
    for name, value in (
        ("DATABASE_URL", f"postgresql://me:{IN_ADDRESS}@host:notaport/x"),
        ("REDIS_URL", f"redis://:{IN_ADDRESS}@host:notaport/0"),
        ("REDIS_URL", f"http://:{IN_ADDRESS}@host/0"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", "import django; django.setup()"], cwd=PROJECT, text=True,
            capture_output=True, check=False, env={
                "PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings", name: value,
                "SECRET_KEY": SECRET_KEY, "DATA_DIR": str(tmp_path), "PORTAL_LOCAL": "1"},
        )  # fmt: skip
        assert ended.returncode, name
        assert IN_ADDRESS not in ended.stdout + ended.stderr
        assert SECRET_KEY not in ended.stderr
        assert re.search(rf"{name} must", ended.stderr)
