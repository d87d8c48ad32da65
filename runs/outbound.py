"""Requests to other hosts: to no private address unless allowed, bounded in size and redirects.

The address that is checked is the one that is connected to, so a name that changes its address in
between leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from django.conf import settings

CONNECT_SECONDS = 10.0
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 65_536
# Whatever else is in the headers, a secret may be, which is meant for the first host only.
_SENT_ON = frozenset({"accept"})
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where other things than HTTP listen, as browsers know them too: an HTTP body may be a mail there.
CLOSED_PORTS = frozenset({
    7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512,
    513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995,
    1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566, 6665, 6666,
    6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017,
})  # fmt: skip
# Where a cloud tells its machines their secrets: no name leads there, a network has to be allowed.
_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32",
        "168.63.129.16/32", "192.0.0.192/32",
    )
)  # fmt: skip
# All that is routed in IPv6; and within it, and beside it, what leads to an address of IPv4.
_GLOBAL6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_STRAY = re.compile(r"[\s\\]")


class OutboundError(Exception):
    """The request got no answer; the message says why."""


class Refused(OutboundError):  # noqa: N818
    """The portal does not send the request: where it leads, or what it is, is not allowed."""


class TooLarge(OutboundError):  # noqa: N818
    """The answer is larger than was asked for."""


@dataclass(slots=True)
class Answer:
    """A status, headers in small letters, and a body still to be read."""

    status: int
    headers: Mapping[str, str]
    _response: urllib3.BaseHTTPResponse

    def read(self, most: int) -> bytes:
        """The body. Raises TooLarge past `most` bytes."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) > most:
                raise TooLarge(f"the answer is larger than {most:,} bytes")
        return found

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes, uncompressed."""
        try:
            while chunk := self._response.read1(_CHUNK, decode_content=True):
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise OutboundError(f"the answer broke off: {_words(error)}") from error


@contextmanager
def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    seconds: float,
) -> Iterator[Answer]:
    """Send it, and follow redirects of a GET; `seconds` may pass between two bytes.

    Raises OutboundError; any status is an answer.
    """
    headers = dict(headers)
    for _ in range(MAX_REDIRECTS + 1):
        parts = _parts(url)
        with _sent(method, parts, headers, body, seconds) as answer:
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                yield answer
                return
            url = _joined(url, location)
            if _parts(url)[:2] != parts[:2]:
                headers = {k: v for k, v in headers.items() if k.lower() in _SENT_ON}
    raise OutboundError(f"more than {MAX_REDIRECTS} redirects")


@contextmanager
def _sent(
    method: str,
    parts: SplitResult,
    headers: dict[str, str],
    body: bytes | None,
    seconds: float,
) -> Iterator[Answer]:
    host, port = _host(parts), _port(parts)
    target = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
    trouble: Exception | None = None
    for address in _addresses(host, port):
        pool = _pool(parts.scheme, host, str(address), port, timeout)
        try:
            response = pool.urlopen(
                method, target, body=body, headers={**headers, "Host": parts.netloc},
                redirect=False, retries=False, preload_content=False,
            )  # fmt: skip
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as e:
            trouble = e
            pool.close()
            continue
        except urllib3.exceptions.HTTPError as error:
            pool.close()
            raise OutboundError(f"{host}: {_words(error)}") from error
        try:
            found = {name.lower(): value for name, value in response.headers.items()}
            yield Answer(response.status, found, response)
        finally:
            response.close()
            pool.close()
        return
    raise OutboundError(f"{host} port {port} cannot be reached: {_words(trouble)}") from trouble


def _pool(
    scheme: str, host: str, address: str, port: int, timeout: urllib3.Timeout
) -> urllib3.HTTPConnectionPool:
    if scheme == "https":
        return urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, maxsize=1, server_hostname=host, assert_hostname=host
        )
    return urllib3.HTTPConnectionPool(address, port, timeout=timeout, maxsize=1)


def _parts(url: str) -> SplitResult:
    """The address with its host as it is looked up. Raises Refused."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, _ascii(parts.hostname or "")
    except ValueError as error:
        raise Refused(f"“{_shown(url)}” is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Refused(f"“{_shown(url)}” is no http address")
    if "@" in parts.netloc:
        raise Refused("an address with a user name is not called; use a header")
    if _CONTROLS.search(url) or _STRAY.search(parts.netloc):
        raise Refused(f"“{_shown(url)}” holds characters that no address has")
    named = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=named if port is None else f"{named}:{port}")


def _joined(url: str, location: str) -> str:
    """Where an answer leads. Raises Refused."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Refused(f"“{_shown(location)}” is no address: {error}") from None


def _ascii(host: str) -> str:
    """In the letters of the domain name system; what stands for others of them becomes them."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _shown(url: str) -> str:
    """For an error, without what may be a password."""
    return re.sub(r"//[^/?#]*@", "//…@", url[:200])


def _host(parts: SplitResult) -> str:
    return parts.hostname or ""


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _addresses(host: str, port: int) -> list[Address]:
    """Where the host may be reached. Raises Refused where it is no public one."""
    named = f"{host}:{port}" in settings.PRIVATE_HOSTS
    if port in CLOSED_PORTS and not named:
        raise Refused(
            f"nothing speaks HTTP at port {port}; an administrator can allow {host}:{port} by"
            " PRIVATE_HOSTS"
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundError(f"there is no host “{host}”: {error}") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    named = named or host in settings.PRIVATE_HOSTS
    allowed = [address for address in dict.fromkeys(addresses) if _may_call(address, named)]
    if not allowed:
        raise Refused(
            f"{host} is a private address ({addresses[0]}); an administrator can allow it by"
            " PRIVATE_HOSTS"
        )
    return allowed


def _may_call(address: Address, is_named: bool) -> bool:
    real = _real(address)
    if any(real in network for network in settings.PRIVATE_NETWORKS if _fits(real, network)):
        return True
    if any(real in network for network in _METADATA if _fits(real, network)):
        return False
    return is_named or _is_public(real)


def _real(address: Address) -> Address:
    """Of an address of IPv6 that leads to one of IPv4, the latter."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL6:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _fits(address: Address, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return address.version == network.version


def _words(error: Exception | None) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(reason, Exception):
        return _words(reason)
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return str(error).rpartition(": ")[2]
    return str(error) or type(error).__name__


def json_of(content: bytes, content_type: str) -> Any:
    """A body as JSON where it says that it is, else as text."""
    if "json" in content_type.lower():
        try:
            return json.loads(content)
        except ValueError:
            pass
    return content.decode("utf-8", "replace")
