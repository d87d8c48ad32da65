"""Ways around the guard of outgoing requests that others fell for."""

import ipaddress
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.core.exceptions import ValidationError

from runs import outbound
from runs.models import Backend, Source
from runs.outbound import CLOSED_PORTS, OutboundError, Refused

METADATA = "169.254.169.254"
WRITTEN_OTHERWISE = [
    # The loopback address as one number, in eights, sixteens, parts of both, and cut short.
    "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1",
    "127.0.0.1.", "0", "0.0.0.0", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1",
    # And within IPv6: mapped, compatible, translated, by 6to4, Teredo.
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[::]",
    "[::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2001:0:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    # What else is nobody's from outside.
    "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
    "[100::1]",
    METADATA, "2852039166", "[::ffff:169.254.169.254]", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "198.18.0.1", "240.0.0.1", "255.255.255.255", "10.0.0.1", "172.16.0.1",
    "192.168.0.1", "localhost", "LOCALHOST", "localhost.",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nobody_is_dialled(monkeypatch):
    """But what listens on this machine: a guard with a hole must not reach anybody from a test."""
    dial = outbound.urllib3.util.connection.create_connection

    def guarded(address, *given, **options):
        assert address[0] == "127.0.0.1", f"{address} would have been called"
        return dial(address, *given, **options)

    monkeypatch.setattr(outbound.urllib3.util.connection, "create_connection", guarded)


def call(url, method="GET", **options):
    options = {"headers": {}, "seconds": 2, **options}
    with outbound.request(method, url, **options) as answer:
        return answer.status, answer.read(1000)


@pytest.mark.parametrize("host", WRITTEN_OTHERWISE)
def test_a_private_host_is_refused_however_it_is_written(host):
    # Some of these no resolver takes for an address: then nothing is called either.
    with pytest.raises(OutboundError) as refused:
        call(f"http://{host}/latest/meta-data/")
    assert isinstance(refused.value, Refused) or "there is no host" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "ftp://example.org/", "dict://h:11211/",
        "jar:http://example.org!/", "javascript:alert(1)", "//example.org/", "example.org", "http:",
        "http://me@example.org/", "http://me:pw@example.org/", "http://:@example.org/",
        "http://@example.org/", "http://example.org\\@127.0.0.1/", "http://127.0.0.1\\@example.org/",
        "http://example.org#@127.0.0.1\\", "http://example.org /", "http://exa mple.org/",
        "http://example.org/\r\nHost: elsewhere", "http://example.org/\tx", "http://[::1/",
        "http://example.org:99999/", "http://example.org:x/", "http://example.org\u2100@127.0.0.1/",
        "http://ex\u0000ample.org/", "http://\u0130\u0307.xn--\u00e4/",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_never_looked_up(url, monkeypatch):
    looked_up = []

    def look_up(host, *_, **__):
        looked_up.append(host)
        raise OSError("not asked for")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(OutboundError):
        call(url)
    # A fragment is no part of what is called.
    assert looked_up in ([], ["example.org"] if "#" in url else [])


def test_an_error_says_no_password_that_stood_in_the_address():
    for url in ("http://me:hunter2@example.org/", "ftp://me:hunter2@example.org/", "x://:hunter2@"):
        with pytest.raises(Refused) as refused:
            call(url)
        assert "hunter2" not in str(refused.value)


def answering(*addresses):
    """A resolver that gives another address each time it is asked."""
    given = list(addresses)

    def look_up(host, port, **_):
        found = given.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    return look_up, given


def test_a_name_that_changes_its_address_is_called_where_it_was_looked_up(monkeypatch):
    look_up, given = answering("192.0.2.1", "127.0.0.1")
    # Documentation's own network stands in for a public one that nobody answers from.
    monkeypatch.setattr(outbound, "_is_public", lambda address: str(address) == "192.0.2.1")
    dialled = []

    def dial(address, *_, **__):
        dialled.append(address[0])
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(outbound.urllib3.util.connection, "create_connection", dial)
    with pytest.raises(OutboundError, match="cannot be reached"):
        call("http://rebinding.example/")
    assert dialled == ["192.0.2.1"]
    assert given == ["127.0.0.1"]  # asked once


def test_of_the_addresses_of_a_name_only_public_ones_are_called(monkeypatch):
    found = [("127.0.0.1", 1), ("8.8.8.8", 1), ("10.0.0.1", 1)]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", at) for at in found]
    )
    assert [str(each) for each in outbound._addresses("mixed.example", 80)] == ["8.8.8.8"]


@pytest.mark.parametrize("port", sorted(CLOSED_PORTS))
def test_where_no_http_is_spoken_nothing_is_sent(port, settings):
    settings.PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    with pytest.raises(Refused, match="nothing speaks HTTP"):
        call(f"http://127.0.0.1:{port}/")


def test_such_a_port_can_be_allowed_by_name(settings):
    settings.PRIVATE_HOSTS = frozenset({"127.0.0.1:23"})
    with pytest.raises(OutboundError, match="cannot be reached"):
        call("http://127.0.0.1:23/")


@pytest.mark.parametrize("address", [METADATA, "100.100.100.200", "fe80::1", "fd00:ec2::254"])
def test_an_allowed_name_does_not_lead_to_the_secrets_of_a_cloud(address, settings):
    settings.PRIVATE_HOSTS = frozenset({"erp.example"})
    real = ipaddress.ip_address(address)
    assert outbound._may_call(ipaddress.ip_address("10.0.0.1"), is_named=True)
    assert not outbound._may_call(real, is_named=True)
    settings.PRIVATE_NETWORKS = (ipaddress.ip_network(address),)
    assert outbound._may_call(real, is_named=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_called(address):
    assert outbound._may_call(ipaddress.ip_address(address), is_named=False)


# -- Redirects, from a server of this machine --------------------------------------------------


class Redirecting(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        if self.path == "/end":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"reached")
            return
        self.send_response(302)
        self.send_header("Location", self.server.location)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server(settings):
    made = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    made.asked = []
    Thread(target=made.serve_forever, daemon=True).start()
    settings.PRIVATE_HOSTS = frozenset({f"127.0.0.1:{made.server_port}"})
    made.url = f"http://127.0.0.1:{made.server_port}"
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(
    "location",
    [
        f"http://{METADATA}/", "http://localhost:1/", "http://[::1]/", "file:///etc/passwd",
        "//10.0.0.1/x", "gopher://127.0.0.1/", "http://me:pw@127.0.0.1/", "http://127.0.0.1:25/",
        "http://[shop]/",
    ],
)  # fmt: skip
def test_a_redirect_is_judged_as_the_first_address_was(server, location):
    server.location = location
    with pytest.raises(Refused):
        call(f"{server.url}/")
    assert len(server.asked) == 1


def test_a_redirect_within_the_host_is_followed(server):
    server.location = "/end"
    assert call(f"{server.url}/x") == (200, b"reached")


def test_a_host_in_capitals_is_the_same_one_after_a_redirect(server, settings):
    settings.PRIVATE_HOSTS = frozenset({f"localhost:{server.server_port}"})
    server.location = "/end"
    given = {"X-Api-Key": "k"}
    call(f"http://LocalHost:{server.server_port}/x", headers=given)
    assert [sent.get("X-Api-Key") for _, sent in server.asked] == ["k", "k"]


def test_redirects_come_to_an_end(server):
    server.location = "/again"
    with pytest.raises(OutboundError, match="redirects"):
        call(f"{server.url}/x")
    assert len(server.asked) == outbound.MAX_REDIRECTS + 1


def test_a_redirect_of_a_post_is_not_followed(server):
    server.location = f"http://{METADATA}/"
    assert call(f"{server.url}/", method="POST", body=b"x")[0] == 302


def test_no_header_but_what_is_harmless_goes_to_another_host(server, settings):
    other = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    other.asked = []
    Thread(target=other.serve_forever, daemon=True).start()
    settings.PRIVATE_HOSTS |= {f"localhost:{other.server_port}"}
    server.location = f"http://localhost:{other.server_port}/end"
    headers = {"Authorization": "Bearer x", "Cookie": "a", "X-Api-Key": "k", "Accept": "text/plain"}
    try:
        assert call(f"{server.url}/", headers=headers) == (200, b"reached")
    finally:
        other.shutdown()
        other.server_close()
    ((_, sent),) = other.asked
    assert {name.lower() for name in sent} <= {"host", "accept", "accept-encoding", "user-agent"}
    assert sent["Host"] == f"localhost:{other.server_port}"


# -- Addresses that people keep in the portal -----------------------------------------------------


@pytest.mark.parametrize("field", ["retry_url", "terminate_url"])
def test_a_source_keeps_no_password_in_an_address(field):
    source = Source(name="erp", **{field: "https://me:pw@erp.example/"})
    with pytest.raises(ValidationError, match="password") as refused:
        source.clean()
    assert list(refused.value.message_dict) == [field]
    Source(name="erp", **{field: "https://erp.example/a@b"}).clean()
    with pytest.raises(ValidationError, match="valid URL"):
        Source(name="erp", **{field: "https://[erp]/"}).full_clean(validate_unique=False)


def test_a_backend_keeps_no_password_in_its_address():
    with pytest.raises(ValidationError, match="password"):
        Backend(name="erp", url="https://me:pw@erp.example/").clean()
    Backend(name="erp", url="https://erp.example/").clean()
