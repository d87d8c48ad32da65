"""The audit of what the portal is made of finds what is known, and says when it could not ask."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import audit

# A package as a lock file names it; the hash is of nothing.
LOCK = "\n".join(f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}" for name in ("sound", "rotten"))
FLAW = {
    "id": "OSV-2026-1", "aliases": ["CVE-2026-1"], "modified": "2026-01-01T00:00:00Z",
    "affected": [{
        "package": {"name": "rotten", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
    }],
}  # fmt: skip


class Advisories(BaseHTTPRequestHandler):
    """Speaks as much of OSV's protocol as is asked."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked["package"]["name"])
        body = json.dumps(
            {"vulns": [FLAW]} if asked["package"]["name"] == "rotten" and self.server.knows else {}
        ).encode()
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    server.asked, server.status, server.knows = [], 200, True
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/query"
    server.options = ["--vulnerability-service", "osv", "--osv-url", url, "--timeout", "5"]
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def lock(tmp_path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(LOCK)
    return path


@pytest.mark.long
def test_a_known_vulnerability_is_named_and_fails(service, lock, capsys):
    found = audit.of_python([lock], service.options)
    assert service.asked == ["sound", "sound", "rotten"]
    assert found.asked == 2
    assert audit.tell([found]) == 1
    assert "VULNERABLE  rotten 1.0: CVE-2026-1, mended in 1.1" in capsys.readouterr().out


@pytest.mark.long
def test_without_one_it_passes(service, lock, capsys):
    service.knows = False
    assert audit.tell([audit.of_python([lock], service.options)]) == 0
    assert "2 known, 0 vulnerable" in capsys.readouterr().out


@pytest.mark.long
def test_one_that_was_accepted_with_a_reason_passes(service, lock, monkeypatch):
    monkeypatch.setitem(audit.ACCEPTED, "CVE-2026-1", "the part is not used; see again in May")
    assert audit.tell([audit.of_python([lock], service.options)]) == 0


@pytest.mark.long
@pytest.mark.parametrize("trouble", ["away", "broken"])
def test_a_service_that_cannot_be_asked_is_said_aloud_and_fails_nothing(
    service, lock, trouble, capsys
):
    if trouble == "away":
        service.shutdown()
        service.server_close()
    service.status = 500
    assert audit.tell([audit.of_python([lock], service.options)]) == 0
    assert "NOT AUDITED  Python packages of some.lock: " in capsys.readouterr().out


def npm_says(tmp_path, monkeypatch, text, status=1):
    """An npm that says this; the registry's own answer is not to be had everywhere."""
    monkeypatch.setattr(audit, "PROJECT", tmp_path)
    (tmp_path / "clients").mkdir()
    program = f"import sys; print({text!r}); sys.exit({status})"
    return audit.of_npm(tmp_path / "clients", [sys.executable, "-c", program])


def test_what_npm_finds_fails(tmp_path, monkeypatch):
    via = [{"source": 1, "url": "https://github.com/advisories/GHSA-x"}]
    said = {"metadata": {"dependencies": {"total": 5}}, "vulnerabilities": {
        "ws": {"range": "<8", "severity": "high", "via": via}}}  # fmt: skip
    found = npm_says(tmp_path, monkeypatch, json.dumps(said))
    assert (found.asked, audit.tell([found])) == (5, 1)


def test_a_registry_that_cannot_be_asked_is_said_aloud(tmp_path, monkeypatch, capsys):
    said = {"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}
    found = npm_says(tmp_path, monkeypatch, json.dumps(said))
    assert audit.tell([found]) == 0
    assert "NOT AUDITED  npm packages of clients: 405 Method Not Allowed" in capsys.readouterr().out
