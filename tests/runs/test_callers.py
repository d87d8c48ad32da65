"""Where a request comes from: no caller chooses that for themselves."""

import pytest

from runs.callers import address_of


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, None, "192.0.2.7", "192.0.2.7"),
        (0, "198.51.100.1", "192.0.2.7", "192.0.2.7"),  # claimed
        (1, "198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (1, "198.51.100.1:5432", "10.0.0.1", "198.51.100.1"),
        (1, "[2001:db8::7]:5432", "10.0.0.1", "2001:db8::7"),
        (1, "2001:DB8:0::7", "10.0.0.1", "2001:db8::7"),
        (1, None, "10.0.0.1", "10.0.0.1"),
        (1, "", "10.0.0.1", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1", "10.0.0.1"),
        (0, None, "::ffff:192.0.2.7", "192.0.2.7"),
        (0, None, "fe80::1%eth0", "fe80::1"),
        (0, None, "", None),
        (0, None, "unix:", None),
    ],
)
def test_the_address_is_what_our_own_proxies_say(rf, settings, proxies, forwarded, remote, address):
    settings.PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = rf.get("/", headers=headers, REMOTE_ADDR=remote)
    assert address_of(request) == address
