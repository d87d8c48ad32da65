"""Which addresses are called, and which not."""

import ipaddress

import pytest

from runs import outbound

PRIVATE = [
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.1.2.3/",
    "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/", "http://0.0.0.0/",
    "http://[::ffff:127.0.0.1]/", "http://[fd00::1]/", "http://100.64.0.1/", "http://2130706433/",
    "http://0x7f.1/", "http://224.0.0.1/",
]  # fmt: skip


def call(url):
    with outbound.request("GET", url, headers={}, seconds=2) as answer:
        return answer.status


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_address_is_refused_however_it_is_written(url):
    with pytest.raises(outbound.Refused, match="private address"):
        call(url)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http://", "http://x:99999/", "file:///etc/passwd",
            "http://me:secret@example.org/"],
)  # fmt: skip
def test_what_is_no_plain_http_address_is_refused(url):
    with pytest.raises(outbound.Refused):
        call(url)


def test_a_host_that_is_not_there_is_said():
    with pytest.raises(outbound.OutboundError, match="there is no host"):
        call("http://nowhere.invalid/")


def test_an_allowed_network_or_name_is_called(settings):
    settings.PRIVATE_NETWORKS = (ipaddress.ip_network("127.0.0.0/8"),)
    with pytest.raises(outbound.OutboundError, match="cannot be reached"):
        call("http://127.0.0.1:1/")
    settings.PRIVATE_NETWORKS = ()
    settings.PRIVATE_HOSTS = frozenset({"127.0.0.1:1"})
    with pytest.raises(outbound.OutboundError, match="cannot be reached"):
        call("http://127.0.0.1:1/")
    with pytest.raises(outbound.Refused):
        call("http://127.0.0.1:2/")
