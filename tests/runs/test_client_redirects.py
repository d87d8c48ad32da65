"""The Python clients give their token to the address that they were given, and to no other."""

import http.server
import threading

import pytest

from runs.client.portal_client import Portal, Refused
from runs.client.runs_client import Client


class Sender(http.server.BaseHTTPRequestHandler):
    """Sends everybody on to the server's `place`; where there is none, takes everything."""

    def do_GET(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append(self.headers["Authorization"])
        place = self.server.place
        self.send_response(self.server.status if place else 200)
        if place:
            self.send_header("Location", place + self.path)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def servers():
    made = []
    for _ in range(2):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sender)
        server.asked, server.place = [], None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
    first, second = made
    first.place = f"http://localhost:{second.server_port}"
    yield first, second
    for server in made:
        server.shutdown()
        server.server_close()


def url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_who_asks_is_told_where_it_would_go(servers, status):
    first, second = servers
    first.status = status
    portal = Portal(url(first), "runs_secret")
    for act in (
        lambda: portal.run("run_x"),
        lambda: list(portal.runs()),
        lambda: portal.retry("run_x"),
        lambda: portal.delete("run_x"),
        lambda: portal.change_view("view_x", name="x"),
        lambda: list(portal.logs("run_x")),
        lambda: next(portal.follow("run_x")),
        lambda: next(portal.changes()),
    ):
        with pytest.raises(Refused, match="localhost") as refused:
            act()
        assert refused.value.status == status
    assert first.asked == ["Bearer runs_secret"] * 8
    assert second.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_who_reports_says_so_and_counts_it_as_lost(servers, status, caplog):
    first, second = servers
    first.status = status
    client = Client(url(first), "runs_secret", "s", every=0.01)
    client.send({"type": "log"})
    assert client.flush(20)
    client.close()
    assert (client.stored, client.dropped) == (0, 1)
    assert second.asked == []
    assert "localhost" in caplog.text
