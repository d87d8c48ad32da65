"""Requests to other hosts: to no private address unless allowed, bounded in size and redirects.

The address that is checked is the one that is connected to, so a name that changes its address in
between leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
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
            url = urljoin(url, location)
            if urlsplit(url)[:2] != parts[:2]:
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
                method, target, body=body, headers={**headers, "Host": _authority(parts)},
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
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError as error:
        raise Refused(f"“{url[:200]}” is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(f"“{url[:200]}” is no http address")
    if parts.username is not None:
        raise Refused("an address with a user name is not called; use a header")
    return parts


def _host(parts: SplitResult) -> str:
    return parts.hostname or ""


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _authority(parts: SplitResult) -> str:
    return parts.netloc


def _addresses(host: str, port: int) -> list[Address]:
    """Where the host may be reached. Raises Refused where it is no public one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundError(f"there is no host “{host}”: {error}") from error
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    allowed = [address for address in dict.fromkeys(addresses) if _may_call(address, host, port)]
    if not allowed:
        raise Refused(
            f"{host} is a private address ({addresses[0]}); an administrator can allow it by"
            " PRIVATE_HOSTS"
        )
    return allowed


def _may_call(address: Address, host: str, port: int) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    real = mapped or address
    if real.is_global and not real.is_multicast:
        return True
    named = {host.lower(), f"{host.lower()}:{port}"}
    return not named.isdisjoint(settings.PRIVATE_HOSTS) or any(
        real in network for network in settings.PRIVATE_NETWORKS if network.version == real.version
    )


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
